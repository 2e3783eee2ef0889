"""The files of a session are found in all projects, and its subagents at any depth."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.model import Session
from tests.sessions import dialogue, everything, family, only
from tests.transcripts import TranscriptWriter, text


@pytest.fixture
def source(writer: TranscriptWriter) -> ClaudeCodeSource:
    return ClaudeCodeSource(writer.path.parents[2])


def subagent(writer: TranscriptWriter, below: str, name: str) -> TranscriptWriter:
    """Write a subagent of the session into a folder below `subagents`."""
    path = writer.path.with_suffix("") / "subagents" / below / f"agent-{name}.jsonl"
    agent = TranscriptWriter(path)
    fields: dict[str, Any] = {"isSidechain": True, "agentId": name, "sessionId": "s1"}
    agent.line("user", f"to {name}", **fields)
    agent.respond(f"m-{name}", text(f"from {name}"), **fields)
    return agent


def copy_to(writer: TranscriptWriter, project: str) -> TranscriptWriter:
    """Copy the transcript to another project, where it goes on by itself."""
    path = writer.path.parents[1] / project / writer.path.name
    path.parent.mkdir()
    path.write_bytes(writer.path.read_bytes())
    return TranscriptWriter(path, began=1_767_225_900, first=100)


def texts(session: Session) -> list[str]:
    return [message.text for message in session.messages]


def test_subagents_at_any_depth_are_sessions(
    writer: TranscriptWriter, source: ClaudeCodeSource
) -> None:
    writer.line("user", "go")
    for below, name in (("", "a1"), ("workflows/wf_1", "a2"), ("workflows/wf_1/phase-2", "a3")):
        agent = subagent(writer, below, name)
        meta = {"description": f"Part {name}"}
        agent.path.with_suffix(".meta.json").write_text(json.dumps(meta))
    journal = writer.path.with_suffix("") / "subagents" / "workflows" / "wf_1" / "journal.jsonl"
    TranscriptWriter(journal).line("user", "no session")
    _, *agents = family(source, "s1")
    assert {agent.id: agent.title for agent in agents} == {
        f"s1:agent-{name}": f"Part {name} (subagent of s1)" for name in ("a1", "a2", "a3")
    }
    assert {agent.parent_id for agent in agents} == {"s1"}
    assert source.find(str(agent.path)) == source.find("s1")


def test_growing_subagent_changes_the_fingerprint_at_any_depth(
    writer: TranscriptWriter, source: ClaudeCodeSource
) -> None:
    agent = subagent(writer, "workflows/wf_1", "a1")
    before = source.find("s1")
    agent.respond("m2", text("more"))
    after = source.find("s1")
    assert before
    assert after
    assert before.fingerprint != after.fingerprint


def test_subagents_arrive_without_the_transcript_of_their_session(
    writer: TranscriptWriter, source: ClaudeCodeSource
) -> None:
    """Claude Code deletes old transcripts, and leaves those of the subagents."""
    agent = subagent(writer, "", "a1")
    writer.path.unlink()
    (session,) = everything(source)
    assert (session.id, session.parent_id) == ("s1:agent-a1", "s1")
    assert dialogue(session) == [("user", "to a1"), ("assistant", "from a1")]
    assert source.find(str(agent.path)) == source.find("s1") == next(iter(source.sessions()))


def test_copies_in_two_projects_are_one_session(
    writer: TranscriptWriter, source: ClaudeCodeSource
) -> None:
    writer.turn(1)
    copy = copy_to(writer, "-other")
    writer.turn(2)
    copy.turn(3)
    session = only(source, "s1")
    assert texts(session) == [f"{name} {n}" for n in (1, 2, 3) for name in ("prompt", "answer")]
    assert len(session.charges) == 3
    assert len(list(source.sessions())) == 1


def test_copies_are_united_by_the_times_of_their_lines(
    writer: TranscriptWriter, source: ClaudeCodeSource
) -> None:
    writer.turn(1)
    copy = copy_to(writer, "-other")
    copy.turn(2)
    later = TranscriptWriter(writer.path, began=1_767_226_900, first=200)
    later.turn(3)
    assert texts(only(source, "s1"))[::2] == ["prompt 1", "prompt 2", "prompt 3"]


def test_copies_that_go_on_undo_nothing_of_each_other(
    writer: TranscriptWriter, source: ClaudeCodeSource
) -> None:
    fork = writer.line("user", "shared")
    copy = copy_to(writer, "-other")
    writer.line("user", "here", parent=fork)
    copy.line("user", "there", parent=fork)
    assert not any(message.undone for message in only(source, "s1").messages)


def test_rewind_in_one_copy_counts(writer: TranscriptWriter, source: ClaudeCodeSource) -> None:
    fork = writer.line("user", "shared")
    writer.line("user", "regretted")
    copy = copy_to(writer, "-other")
    copy.line("user", "instead", parent=fork)
    session = only(source, "s1")
    assert [message.text for message in session.messages if message.undone] == ["regretted"]


def test_growing_copy_changes_the_fingerprint(
    writer: TranscriptWriter, source: ClaudeCodeSource
) -> None:
    writer.turn(1)
    copy = copy_to(writer, "-other")
    before = source.find("s1")
    copy.turn(2)
    after = source.find("s1")
    assert before
    assert after
    assert before.fingerprint != after.fingerprint


@pytest.mark.skipif(os.name != "posix", reason="links have owners")
def test_linked_project_of_the_user_is_read_once(
    writer: TranscriptWriter, source: ClaudeCodeSource, tmp_path: Path
) -> None:
    elsewhere = TranscriptWriter(tmp_path / "disk" / "s2.jsonl")
    elsewhere.line("user", "on another disk")
    projects = writer.path.parents[1]
    (projects / "-linked").symlink_to(elsewhere.path.parent)
    (projects / "-again").symlink_to(writer.path.parent)
    writer.line("user", "here")
    assert sorted(map(dialogue, everything(source))) == [
        [("user", "here")],
        [("user", "on another disk")],
    ]


@pytest.mark.skipif(os.name != "posix", reason="links have owners")
def test_linked_project_of_another_user_is_not_read(
    writer: TranscriptWriter,
    source: ClaudeCodeSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = TranscriptWriter(tmp_path / "disk" / "s2.jsonl")
    elsewhere.line("user", "not mine")
    (writer.path.parents[1] / "-linked").symlink_to(elsewhere.path.parent)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    writer.line("user", "here")
    assert [dialogue(session) for session in everything(source)] == [[("user", "here")]]
