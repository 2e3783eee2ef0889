"""Abandoned branches are undone, and each subagent has its own messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensync_hooks.agents.claude_code.branches import START, Node, undone
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from tests.agents.claude_code.recordings import read
from tests.sessions import dialogue, everything
from tests.transcripts import TranscriptWriter, call, text


def test_rewind_to_the_beginning_undoes_everything_before(writer: TranscriptWriter) -> None:
    writer.line("user", "first try")
    writer.respond("m1", text("no"))
    writer.line("user", "second try", parent=None)
    writer.respond("m2", text("yes"))
    messages = list(read(writer.path)[0].messages)
    assert [message.undone for message in messages] == [True, True, False, False]


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
    assert session.skipped == {"unreadable line": 1}


def test_sidechain_lines_of_old_versions_become_a_subagent(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.respond("m1", call("t1"))
    writer.line("user", "look around", parent=None, isSidechain=True)
    writer.respond("m2", text("looked"), isSidechain=True)
    main, child = read(writer.path)
    assert [charge.id for charge in main.charges] == ["m1"]
    assert [charge.id for charge in child.charges] == ["m2"]
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
    assert [charge.id for charge in child.charges] == ["m2"]


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


@given(
    st.lists(
        st.tuples(st.integers(-1, 30), st.sampled_from(["prompt", "assistant", "results", "other"]))
    )
)
def test_current_branch_is_never_undone(raw: list[tuple[int, Any]]) -> None:
    nodes = [Node(min(parent, index - 1), type_) for index, (parent, type_) in enumerate(raw)]
    abandoned = undone(nodes)
    node = len(nodes) - 1
    while node != START:
        assert node not in abandoned
        node = nodes[node].parent
