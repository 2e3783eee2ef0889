"""Losses are counted once for each session, and added up over all of them."""

from __future__ import annotations

from pathlib import Path

from opensync_hooks.ledger import losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.losses import CUT_TEXTS, DROPPED_COPIES
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Skipped


def test_losses_are_added_up_over_sessions_and_counted_once_for_each(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        first = SessionRecord(ledger, "here", "cursor", "s1")
        losses.set_losses(first, {CUT_TEXTS: 2, "bad lines": 1, "nothing": 0})
        losses.set_losses(first, {CUT_TEXTS: 3, "bad lines": 1})
        losses.set_losses(SessionRecord(ledger, "here", "cursor", "s2"), {CUT_TEXTS: 1})
        losses.set_losses(SessionRecord(ledger, "there", "cursor", "s2"), {CUT_TEXTS: 1})
        assert losses.total(ledger, "here") == {"bad lines": 1, CUT_TEXTS: 4}
        losses.note_dropped_copy(first)
        losses.set_losses(first, {})
        assert losses.total(ledger, "here") == {DROPPED_COPIES: 1, CUT_TEXTS: 1}


def test_skipped_content_is_listed_by_session_with_the_version_that_wrote_it(
    tmp_path: Path,
) -> None:
    banner, torn = Skipped("unknown", "line of type banner"), Skipped("unreadable", "torn line")
    with Ledger(tmp_path / "ledger.db") as ledger:
        record = SessionRecord(ledger, "here", "cursor", "s1")
        losses.set_skipped(record, {torn: 9}, "1.0")
        losses.set_skipped(record, {banner: 2, torn: 1, Skipped("left out", "context"): 4}, "2.0")
        losses.set_skipped(SessionRecord(ledger, "here", "cursor", "s2"), {banner: 3}, None)
        losses.set_skipped(SessionRecord(ledger, "there", "cursor", "s1"), {banner: 5}, None)
        assert losses.skipped_content(ledger, "here") == [
            ("cursor", "s1", banner, 2, "2.0"),
            ("cursor", "s2", banner, 3, None),
            ("cursor", "s1", torn, 1, "2.0"),
        ]
        losses.set_losses(record, {CUT_TEXTS: 7})
        total = losses.total(ledger, "here")
        assert total == {"line of type banner": 5, CUT_TEXTS: 7, "torn line": 1}
        losses.set_skipped(record, {}, "2.0")
        assert losses.total(ledger, "here") == {"line of type banner": 3, CUT_TEXTS: 7}


def test_name_of_skipped_content_is_printable_and_short(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        record = SessionRecord(ledger, "here", "opencode", "s1")
        losses.set_skipped(
            record, {Skipped("unknown", "part of type \x1b[2J\n" + "y" * 99): 1}, None
        )
        (name,) = losses.total(ledger, "here")
        assert name == ("part of type \ufffd[2J\ufffd" + "y" * 99)[:60]
