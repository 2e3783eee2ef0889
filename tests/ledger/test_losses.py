"""Every text that was cut and every line that was skipped is counted by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opensync_hooks.delivery import payloads
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Message, Text, ToolCall, ToolResult

LONG = "x" * (payloads.LONGEST_TEXT + 5)


def body(*parts: Any) -> Any:
    return payloads.message_body(Message("m1", "assistant", parts), None)


def test_message_that_arrives_whole_loses_nothing() -> None:
    whole = body(Text("hello"), ToolCall("t", "Bash", {"a": [1]}), ToolResult("t", "Bash", "ok"))
    assert losses.of_body(whole) == {}
    quoted = body(Text("it said [cut here: 7 more bytes] once, and then [3 more parts left out]"))
    assert losses.of_body(quoted) == {}
    assert losses.of_body({}) == {}


def test_what_the_wire_cuts_is_counted() -> None:
    cut = body(Text(LONG), ToolResult("t", "Bash", LONG), ToolCall("t", "Bash", {"a": LONG}))
    assert losses.of_body(cut) == {losses.CUT: 3}
    many = body(*[Text("x")] * (payloads.MOST_PARTS + 7))
    assert losses.of_body(many) == {losses.LEFT_OUT: 7}


def test_losses_are_added_up_over_sessions_and_counted_once_for_each(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        losses.note(ledger, "here", "cursor", "s1", {losses.CUT: 2, "bad lines": 1, "nothing": 0})
        losses.note(ledger, "here", "cursor", "s1", {losses.CUT: 3, "bad lines": 1})
        losses.note(ledger, "here", "cursor", "s2", {losses.CUT: 1})
        losses.note(ledger, "there", "cursor", "s2", {losses.CUT: 1})
        assert losses.total(ledger, "here") == {"bad lines": 1, losses.CUT: 4}
        losses.note_copy(ledger, "here", "cursor", "s1")
        losses.note(ledger, "here", "cursor", "s1", {})
        assert losses.total(ledger, "here") == {losses.COPY: 1, losses.CUT: 1}
        losses.note(ledger, "x", "opencode", "s1", {"part of type \x1b[2J\n" + "y" * 99: 1})
        (kind,) = losses.total(ledger, "x")
        assert kind == ("part of type \ufffd[2J\ufffd" + "y" * 99)[:60]
