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
from tests.transcripts import TranscriptWriter, call, text


def test_rewind_to_the_beginning_undoes_all_that_was_before(writer: TranscriptWriter) -> None:
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


def test_line_whose_parent_is_lost_goes_on_from_the_line_before(writer: TranscriptWriter) -> None:
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


def test_subagent_in_a_file_beside_its_session_is_linked_to_it(writer: TranscriptWriter) -> None:
    """As 2.0 wrote them, and some runs of 2.1: its lines alone tell whose it is."""
    writer.line("user", "go")
    beside = TranscriptWriter(writer.path.with_name("agent-a1b2c3d4.jsonl"))
    whose: dict[str, Any] = {"sessionId": "s1", "agentId": "a1b2c3d4", "isSidechain": True}
    beside.line("user", "look around", **whose)
    beside.respond("m2", text("looked"), **whose)
    source = ClaudeCodeSource(writer.path.parents[2])
    found = {one.id: one for located in source.sessions() for one in source.read(located)}
    assert found.keys() == {"s1", "agent-a1b2c3d4"}
    child = found["agent-a1b2c3d4"]
    assert dialogue(child) == [("user", "look around"), ("assistant", "looked")]
    assert (child.parent_id, child.title) == ("s1", "look around (subagent of s1)")
    assert [charge.id for charge in child.charges] == ["m2"]


def test_subagents_that_share_a_file_are_kept_apart(writer: TranscriptWriter) -> None:
    """By the id of the agent, where the lines have one; else by what they hang on."""
    writer.line("user", "go")
    named = [writer.line("user", f"to {one}", None, isSidechain=True, agentId=one) for one in "ab"]
    first = writer.line("user", "to c", None, isSidechain=True)
    last = writer.line("user", "to d", None, isSidechain=True)
    for parent, one in ((named[1], "b"), (named[0], "a")):
        writer.respond(
            f"m-{one}", text(f"from {one}"), parent=parent, isSidechain=True, agentId=one
        )
    writer.respond("m-d", text("from d"), parent=last, isSidechain=True)
    writer.respond("m-c", text("from c"), parent=first, isSidechain=True)
    writer.respond("m-c", text("more of c"), parent="lost", isSidechain=True)
    _, *children = read(writer.path)
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
