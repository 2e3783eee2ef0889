"""Abandoned branches are undone, and each subagent has its own messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensync_hooks.agents.claude_code.branches import Node, Nodes, undone
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.model import Skipped
from tests.agents.claude_code.recordings import read
from tests.sessions import dialogue, everything
from tests.transcripts import TranscriptWriter, call, result, text


def undone_texts(writer: TranscriptWriter) -> list[str]:
    return [message.text for message in read(writer.path)[0].messages if message.undone]


def all_texts(writer: TranscriptWriter) -> list[str]:
    return [message.text for message in read(writer.path)[0].messages]


def test_prompt_that_replaces_another_undoes_its_whole_branch(writer: TranscriptWriter) -> None:
    fork = writer.line("user", "look at the roof")
    writer.line("user", "tar it", parent=fork)
    writer.respond("m1", text("tarring"))
    writer.respond("m1", call("t1"))
    writer.line("user", result("t1"))
    writer.line("user", "[Request interrupted by user]")
    writer.line("user", "thatch it", parent=fork)
    writer.respond("m2", text("thatched"))
    assert undone_texts(writer) == ["tar it", "tarring", "[Request interrupted by user]"]
    assert all_texts(writer)[-2:] == ["thatch it", "thatched"]


def test_each_replaced_prompt_is_undone(writer: TranscriptWriter) -> None:
    fork = writer.line("user", "choose a name")
    for name in ("first", "second", "third"):
        writer.line("user", name, parent=fork)
        writer.respond(f"m-{name}", text(f"the {name} one"))
    assert undone_texts(writer) == ["first", "the first one", "second", "the second one"]


def test_skill_can_be_replaced_like_a_prompt(writer: TranscriptWriter) -> None:
    fork = writer.line("user", "go")
    writer.line("user", "<command-name>/plan</command-name>", parent=fork)
    writer.respond("m1", text("planned"))
    writer.line("user", "just do it", parent=fork)
    assert undone_texts(writer) == ["/plan", "planned"]


def hang_on_a_line_before_a_compaction(writer: TranscriptWriter) -> None:
    stale = writer.line("user", "one")
    writer.line("user", "two")
    writer.line("system", None, parent=None, subtype="compact_boundary")
    writer.line("user", "what was said so far", isCompactSummary=True)
    writer.line("user", "three")
    writer.line("user", "next day", parent=stale)


def hang_an_injected_line_on_an_old_one(writer: TranscriptWriter) -> None:
    stale = writer.line("user", "one")
    writer.line("user", "two")
    writer.line("user", "Continue from where you left off.", parent=stale, isMeta=True)
    writer.line("user", "three")


def hang_a_notice_on_an_old_line(writer: TranscriptWriter) -> None:
    stale = writer.line("user", "one")
    writer.line("user", "two")
    writer.line("system", "resumed", parent=stale, subtype="informational")
    writer.line("user", "three")


def hang_a_queued_prompt_on_an_old_line(writer: TranscriptWriter) -> None:
    stale = writer.line("user", "one")
    writer.line("user", "two")
    writer.line("user", "three", parent=stale, promptSource="queued")


def begin_a_second_tree(writer: TranscriptWriter) -> None:
    writer.line("user", "one")
    writer.line("user", "two", parent=None)


def hang_prompts_on_a_lost_line(writer: TranscriptWriter) -> None:
    writer.line("user", "one")
    writer.line("user", "two", parent="lost")
    writer.line("user", "three", parent="lost")


def report_progress_between_prompts(writer: TranscriptWriter) -> None:
    first = writer.line("user", "one")
    writer.line("progress", None)
    writer.line("user", "two")
    writer.line("user", "three", parent=first)
    writer.line("user", "four")


@pytest.mark.parametrize(
    "write",
    [
        hang_on_a_line_before_a_compaction,
        hang_an_injected_line_on_an_old_one,
        hang_a_notice_on_an_old_line,
        hang_a_queued_prompt_on_an_old_line,
        begin_a_second_tree,
        hang_prompts_on_a_lost_line,
        report_progress_between_prompts,
    ],
)
def test_branch_that_is_no_clear_rewind_undoes_nothing(
    writer: TranscriptWriter, write: Callable[[TranscriptWriter], None]
) -> None:
    write(writer)
    assert undone_texts(writer) == []
    assert {"one", "two"} < {*all_texts(writer), "and nothing is lost"}


def test_two_terminals_on_one_session_undo_nothing(writer: TranscriptWriter) -> None:
    fork = writer.line("user", "shared")
    left = writer.line("user", "left", parent=fork)
    right = writer.line("user", "right", parent=fork)
    left = writer.respond("m1", text("to the left"), parent=left)
    right = writer.respond("m2", text("to the right"), parent=right)
    writer.line("user", "left again", parent=left)
    writer.line("user", "right again", parent=right)
    assert not any(message.undone for message in read(writer.path)[0].messages)


def test_line_with_an_unknown_parent_continues_the_line_before(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.write(b'{"type":"assistant", broken\n')
    writer.line("user", "more", parent="lost")
    session = read(writer.path)[0]
    assert [message.undone for message in session.messages] == [False, False]
    assert session.skipped == {Skipped("unreadable", "unreadable line"): 1}


def test_sidechain_lines_of_old_versions_become_a_subagent(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.respond("m1", call("t1"))
    writer.line("user", "look around", parent=None, isSidechain=True)
    writer.respond("m2", text("looked"), isSidechain=True)
    main, child = read(writer.path)
    assert [len(session.charges) for session in (main, child)] == [1, 1]
    assert dialogue(child) == [("user", "look around"), ("assistant", "looked")]
    assert (child.parent_id, child.title) == ("s1", "look around (subagent of s1)")


def test_subagent_in_a_file_beside_its_session_has_it_as_parent(writer: TranscriptWriter) -> None:
    """As in 2.0, and in some runs of 2.1: only its lines name the session."""
    writer.line("user", "go")
    beside = TranscriptWriter(writer.path.with_name("agent-a1b2c3d4.jsonl"))
    owner: dict[str, Any] = {"sessionId": "s1", "agentId": "a1b2c3d4", "isSidechain": True}
    beside.line("user", "look around", **owner)
    beside.respond("m2", text("looked"), **owner)
    source = ClaudeCodeSource(writer.path.parents[2])
    sessions = {session.id: session for session in everything(source)}
    assert sessions.keys() == {"s1", "agent-a1b2c3d4"}
    child = sessions["agent-a1b2c3d4"]
    assert dialogue(child) == [("user", "look around"), ("assistant", "looked")]
    assert (child.parent_id, child.title) == ("s1", "look around (subagent of s1)")
    assert len(child.charges) == 1


def test_subagents_in_one_file_are_separate_sessions(writer: TranscriptWriter) -> None:
    """Lines belong together by the agent's id, or, without one, by their parents."""
    writer.line("user", "go")
    with_id = [
        writer.line("user", f"to {agent_id}", None, isSidechain=True, agentId=agent_id)
        for agent_id in "ab"
    ]
    first = writer.line("user", "to c", None, isSidechain=True)
    last = writer.line("user", "to d", None, isSidechain=True)
    for parent, agent_id in ((with_id[1], "b"), (with_id[0], "a")):
        answer = text(f"from {agent_id}")
        writer.respond(f"m-{agent_id}", answer, parent=parent, isSidechain=True, agentId=agent_id)
    writer.respond("m-d", text("from d"), parent=last, isSidechain=True)
    writer.respond("m-c", text("from c"), parent=first, isSidechain=True)
    writer.respond("m-c", text("more of c"), parent="lost", isSidechain=True)
    _, *children = read(writer.path)
    assert [[message.text for message in child.messages] for child in children] == [
        ["to a", "from a"],
        ["to b", "from b"],
        ["to c", "from c\n\nmore of c"],
        ["to d", "from d"],
    ]


@pytest.mark.parametrize("meta", [b"", b"{", b"[1]", b"[" * 100_000, b'{"description": 7}'])
def test_invalid_metadata_of_a_subagent_costs_only_its_title(
    claude: ClaudeCodeSource, meta: bytes
) -> None:
    located = claude.find("00000002-0000-4000-8000-000000000002")
    assert located
    subagents = located.path.with_suffix("") / "subagents"
    (subagents / "agent-a97d6040605cff485.meta.json").write_bytes(meta)
    _, quick, _ = claude.read(located)
    assert quick.parent_id == located.session_id
    assert quick.title == "play:subquick B please (subagent of 00000002)"


LINES = st.lists(
    st.tuples(st.integers(-1, 30), st.sampled_from(["prompt", "assistant", "results", "other"]))
)


@given(LINES)
def test_nothing_is_undone_unless_two_prompts_have_one_parent(raw: list[tuple[int, Any]]) -> None:
    nodes = Nodes()
    for index, (parent, type_) in enumerate(raw):
        nodes.append(Node(min(parent, index - 1), type_, is_typed=type_ == "prompt"))
    assert nodes.have_siblings or not undone(nodes)


@given(LINES)
def test_last_line_is_never_undone(raw: list[tuple[int, Any]]) -> None:
    nodes = [
        Node(min(parent, index - 1), type_, is_typed=type_ == "prompt")
        for index, (parent, type_) in enumerate(raw)
    ]
    spoken = [index for index, node in enumerate(nodes) if node.type != "other"]
    assert not undone(nodes).intersection(spoken[-1:])
