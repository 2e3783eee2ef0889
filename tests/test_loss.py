"""Every text that was cut and every line that was skipped is counted by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opensync_hooks import wire
from opensync_hooks.ledger import Ledger, loss
from opensync_hooks.model import Message, Text, ToolCall, ToolResult

LONG = "x" * (wire.LONGEST_TEXT + 5)


def body(*parts: Any) -> Any:
    return wire.message_body(Message("m1", "assistant", parts), None)


def test_message_that_arrives_whole_loses_nothing() -> None:
    whole = body(Text("hello"), ToolCall("t", "Bash", {"a": [1]}), ToolResult("t", "Bash", "ok"))
    assert loss.of_body(whole) == {}
    quoted = body(Text("it said [cut here: 7 more bytes] once, and then [3 more parts left out]"))
    assert loss.of_body(quoted) == {}
    assert loss.of_body({}) == {}


def test_what_the_wire_cuts_is_counted() -> None:
    cut = body(Text(LONG), ToolResult("t", "Bash", LONG), ToolCall("t", "Bash", {"a": LONG}))
    assert loss.of_body(cut) == {loss.CUT: 3}
    many = body(*[Text("x")] * (wire.MOST_PARTS + 7))
    assert loss.of_body(many) == {loss.LEFT_OUT: 7}


def test_losses_are_added_up_over_sessions_and_counted_once_for_each(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        loss.note(ledger, "here", "cursor", "s1", {loss.CUT: 2, "bad lines": 1, "nothing": 0})
        loss.note(ledger, "here", "cursor", "s1", {loss.CUT: 3, "bad lines": 1})
        loss.note(ledger, "here", "cursor", "s2", {loss.CUT: 1})
        loss.note(ledger, "there", "cursor", "s2", {loss.CUT: 1})
        assert loss.total(ledger, "here") == {"bad lines": 1, loss.CUT: 4}
        loss.note_copy(ledger, "here", "cursor", "s1")
        loss.note(ledger, "here", "cursor", "s1", {})
        assert loss.total(ledger, "here") == {loss.COPY: 1, loss.CUT: 1}
        loss.note(ledger, "x", "opencode", "s1", {"part of type \x1b[2J\n" + "y" * 99: 1})
        (kind,) = loss.total(ledger, "x")
        assert kind == ("part of type \ufffd[2J\ufffd" + "y" * 99)[:60]
