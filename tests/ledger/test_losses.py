"""Losses are counted once for each session, and added up over all of them."""

from __future__ import annotations

from pathlib import Path

from opensync_hooks.ledger import losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.losses import CUT_TEXTS, DROPPED_COPIES
from opensync_hooks.ledger.session_record import SessionRecord


def test_losses_are_added_up_over_sessions_and_counted_once_for_each(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        first = SessionRecord(ledger, "here", "cursor", "s1")
        first.set_losses({CUT_TEXTS: 2, "bad lines": 1, "nothing": 0})
        first.set_losses({CUT_TEXTS: 3, "bad lines": 1})
        SessionRecord(ledger, "here", "cursor", "s2").set_losses({CUT_TEXTS: 1})
        SessionRecord(ledger, "there", "cursor", "s2").set_losses({CUT_TEXTS: 1})
        assert losses.total(ledger, "here") == {"bad lines": 1, CUT_TEXTS: 4}
        first.note_dropped_copy()
        first.set_losses({})
        assert losses.total(ledger, "here") == {DROPPED_COPIES: 1, CUT_TEXTS: 1}


def test_name_of_a_loss_is_printable_and_short(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        record = SessionRecord(ledger, "here", "opencode", "s1")
        record.set_losses({"part of type \x1b[2J\n" + "y" * 99: 1})
        (kind,) = losses.total(ledger, "here")
        assert kind == ("part of type \ufffd[2J\ufffd" + "y" * 99)[:60]
