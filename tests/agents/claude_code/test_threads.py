"""What the user went back on is undone, and a subagent's words are its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensync_hooks.agents.claude_code.branches import START, Node, undone
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from tests.agents.claude_code.recordings import read
from tests.sessions import dialogue
from tests.transcripts import Pen, call, text


def test_rewind_to_the_beginning_undoes_all_that_was_before(pen: Pen) -> None:
    pen.line("user", "first try")
    pen.says("m1", text("no"))
    pen.line("user", "second try", parent=None)
    pen.says("m2", text("yes"))
    messages = list(read(pen.path)[0].messages)
    assert [message.undone for message in messages] == [True, True, False, False]


def test_two_terminals_on_one_session_undo_nothing(pen: Pen) -> None:
    fork = pen.line("user", "shared")
    left = pen.line("user", "left", parent=fork)
    right = pen.line("user", "right", parent=fork)
    left = pen.says("m1", text("to the left"), parent=left)
    right = pen.says("m2", text("to the right"), parent=right)
    pen.line("user", "left again", parent=left)
    pen.line("user", "right again", parent=right)
    assert not any(message.undone for message in read(pen.path)[0].messages)


def test_line_whose_parent_is_lost_goes_on_from_the_line_before(pen: Pen) -> None:
    pen.line("user", "go")
    pen.raw(b'{"type":"assistant", broken\n')
    pen.line("user", "more", parent="lost")
    session = read(pen.path)[0]
    assert [message.undone for message in session.messages] == [False, False]
    assert session.skipped == {"unreadable line": 1}


def test_sidechain_lines_of_old_versions_become_a_subagent(pen: Pen) -> None:
    pen.line("user", "go")
    pen.says("m1", call("t1"))
    pen.line("user", "look around", parent=None, isSidechain=True)
    pen.says("m2", text("looked"), isSidechain=True)
    main, child = read(pen.path)
    assert [charge.id for charge in main.charges] == ["m1"]
    assert [charge.id for charge in child.charges] == ["m2"]
    assert (child.parent_id, child.title) == ("s1", "look around (subagent of s1)")


def test_subagent_in_a_file_beside_its_session_is_linked_to_it(pen: Pen) -> None:
    """As 2.0 wrote them, and some runs of 2.1: its lines alone tell whose it is."""
    pen.line("user", "go")
    beside = Pen(pen.path.with_name("agent-a1b2c3d4.jsonl"))
    whose: dict[str, Any] = {"sessionId": "s1", "agentId": "a1b2c3d4", "isSidechain": True}
    beside.line("user", "look around", **whose)
    beside.says("m2", text("looked"), **whose)
    source = ClaudeCodeSource(pen.path.parents[2])
    found = {one.id: one for located in source.sessions() for one in source.read(located)}
    assert found.keys() == {"s1", "agent-a1b2c3d4"}
    child = found["agent-a1b2c3d4"]
    assert dialogue(child) == [("user", "look around"), ("assistant", "looked")]
    assert (child.parent_id, child.title) == ("s1", "look around (subagent of s1)")
    assert [charge.id for charge in child.charges] == ["m2"]


def test_subagents_that_share_a_file_are_kept_apart(pen: Pen) -> None:
    """By the id of the agent, where the lines have one; else by what they hang on."""
    pen.line("user", "go")
    named = [pen.line("user", f"to {one}", None, isSidechain=True, agentId=one) for one in "ab"]
    first = pen.line("user", "to c", None, isSidechain=True)
    last = pen.line("user", "to d", None, isSidechain=True)
    for parent, one in ((named[1], "b"), (named[0], "a")):
        pen.says(f"m-{one}", text(f"from {one}"), parent=parent, isSidechain=True, agentId=one)
    pen.says("m-d", text("from d"), parent=last, isSidechain=True)
    pen.says("m-c", text("from c"), parent=first, isSidechain=True)
    pen.says("m-c", text("more of c"), parent="lost", isSidechain=True)
    _, *children = read(pen.path)
    assert [[said for _, said in dialogue(child)] for child in children] == [
        ["to a", "from a"],
        ["to b", "from b"],
        ["to c", "from c\n\nmore of c"],
        ["to d", "from d"],
    ]


@pytest.mark.parametrize("meta", [b"", b"{", b"[1]", b"[" * 100_000, b'{"description": 7}'])
def test_note_on_a_subagent_that_makes_no_sense_costs_only_its_title(
    claude: ClaudeCodeSource, meta: bytes
) -> None:
    located = claude.find("00000002-0000-4000-8000-000000000002")
    assert located
    (located.path.with_suffix("") / "subagents" / "agent-a97d6040605cff485.meta.json").write_bytes(
        meta
    )
    _, quick, _ = claude.read(located)
    assert quick.parent_id == located.session_id
    assert quick.title == "play:subquick B please (subagent of 00000002)"


@given(
    st.lists(
        st.tuples(st.integers(-1, 30), st.sampled_from(["prompt", "assistant", "results", "other"]))
    )
)
def test_branch_the_user_is_on_is_never_undone(raw: list[tuple[int, Any]]) -> None:
    nodes = [Node(min(parent, index - 1), kind) for index, (parent, kind) in enumerate(raw)]
    gone = undone(nodes)
    node = len(nodes) - 1
    while node != START:
        assert node not in gone
        node = nodes[node].parent
