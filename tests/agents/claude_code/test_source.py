"""Sessions are found by what a hook or a user calls them, and read once they are complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code import line_types
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource, open_source
from opensync_hooks.model import Trigger
from tests.transcripts import TranscriptWriter, text


def payload(**fields: Any) -> dict[str, Any]:
    return {"session_id": "s1", "hook_event_name": "Stop", **fields}


def test_session_is_found_by_its_id_its_path_and_a_subagents_path(claude: ClaudeCodeSource) -> None:
    by_id = claude.find("00000002-0000-4000-8000-000000000002")
    assert by_id
    subagent_path = next((by_id.path.with_suffix("") / "subagents").glob("*.jsonl"))
    assert claude.find(str(by_id.path)) == by_id == claude.find(str(subagent_path))
    assert claude.find("00000009-none") is None
    assert claude.find("../../etc/passwd") is None


def test_fingerprint_changes_when_only_a_subagent_grows(claude: ClaudeCodeSource) -> None:
    before = claude.find("00000002-0000-4000-8000-000000000002")
    assert before
    subagent_path = next((before.path.with_suffix("") / "subagents").glob("*.jsonl"))
    with subagent_path.open("ab") as file:
        file.write(b"\n")
    after = claude.find(before.session_id)
    assert after
    assert before.fingerprint != after.fingerprint


def test_file_whose_name_cannot_be_an_id_is_not_listed(claude: ClaudeCodeSource) -> None:
    session_ids = {located.session_id for located in claude.sessions()}
    folder = next(iter(claude.sessions())).path.parent
    TranscriptWriter(folder / "a copy.jsonl").line("user", "go")
    assert {located.session_id for located in claude.sessions()} == session_ids


def test_sessions_are_listed_newest_first(claude: ClaudeCodeSource) -> None:
    old = claude.find("00000003-0000-4000-8000-000000000003")
    assert old
    for path in (old.path, *old.path.with_suffix("").rglob("*")):
        os.utime(path, (1, 1))
    assert [located.session_id[:8] for located in claude.sessions()] == ["00000002", "00000003"]


def test_path_outside_the_agents_folder_is_not_opened(
    claude: ClaudeCodeSource, tmp_path: Path
) -> None:
    planted = tmp_path / "evil" / "projects" / "x" / "s9.jsonl"
    TranscriptWriter(planted).line("user", "secret")
    assert claude.locate(Trigger("claude-code", "s9", path=str(planted))) is None


def test_hooks_id_decides_when_its_path_is_another_sessions(claude: ClaudeCodeSource) -> None:
    session_id, other_id = (f"0000000{n}-0000-4000-8000-00000000000{n}" for n in (2, 3))
    other = claude.find(other_id)
    assert other
    trigger = Trigger("claude-code", session_id, path=str(other.path))
    assert claude.locate(trigger) == claude.find(session_id)


def test_moved_transcript_is_located_when_the_hook_names_the_old_path(
    claude: ClaudeCodeSource,
) -> None:
    session_id = "00000002-0000-4000-8000-000000000002"
    located = claude.find(session_id)
    assert located
    moved = located.path.parent.parent / "-elsewhere" / located.path.name
    moved.parent.mkdir()
    located.path.rename(moved)
    relocated = claude.locate(Trigger("claude-code", session_id, path=str(located.path)))
    assert relocated
    assert relocated.path == moved


def test_trigger_holds_a_digest_of_the_awaited_message_and_no_text(
    claude: ClaudeCodeSource,
) -> None:
    event = claude.parse_event(payload(last_assistant_message="very private"))
    assert event
    assert event.trigger.awaits
    assert "very private" not in repr(event)


@pytest.mark.parametrize(("path", "trigger_path"), [("/a/s1.jsonl", "/a/s1.jsonl"), (7, None)])
def test_trigger_has_the_path_that_the_hook_names(
    claude: ClaudeCodeSource, path: object, trigger_path: str | None
) -> None:
    event = claude.parse_event(payload(transcript_path=path))
    assert event
    assert event.trigger.path == trigger_path


@pytest.mark.parametrize("session_id", [None, 7, "", "../x", "a/b", "x" * 129, "a\nb"])
def test_payload_without_a_valid_id_is_ignored(claude: ClaudeCodeSource, session_id: Any) -> None:
    assert claude.parse_event(payload(session_id=session_id)) is None


def test_stop_is_settled_once_the_shown_message_is_written(writer: TranscriptWriter) -> None:
    claude = ClaudeCodeSource(writer.path.parent.parent.parent)
    event = claude.parse_event(payload(last_assistant_message="second block\n"))
    assert event
    writer.respond("m1", text("first block"))
    assert not claude.is_settled(event.trigger)
    writer.respond("m1", text("second block"))
    writer.line("attachment", "large bookkeeping" * 1000)
    assert claude.is_settled(event.trigger)


def test_session_end_waits_for_nothing(claude: ClaudeCodeSource) -> None:
    event = claude.parse_event(payload(hook_event_name="SessionEnd", reason="clear"))
    assert event
    assert claude.is_settled(event.trigger)
    assert event.trigger.end_reason == "clear"


def test_digest_ignores_surrounding_whitespace_only() -> None:
    assert line_types.digest(" a b\n") == line_types.digest("a b")
    assert line_types.digest("a b") != line_types.digest("ab")


def test_sessions_of_several_folders_are_found(tmp_path: Path) -> None:
    for name in ("private", "work", "a, b"):
        TranscriptWriter(tmp_path / name / "projects" / "-x" / f"{name[:1]}1.jsonl").turn(1)
    several = f"{tmp_path}/private, {tmp_path}/work"
    source = open_source({"CLAUDE_CONFIG_DIR": several}, "/nowhere")
    assert {located.session_id for located in source.sessions()} == {"p1", "w1"}
    located = source.find("w1")
    assert located
    assert [session.id for session in source.read(located)] == ["w1"]
    with_comma = open_source({"CLAUDE_CONFIG_DIR": f"{tmp_path}/a, b"}, "/nowhere")
    assert [located.session_id for located in with_comma.sessions()] == ["a1"]
