"""A command that only looks at the ledger sees all of it, and changes no byte."""

from __future__ import annotations

from pathlib import Path

from opensync_hooks.ledger import readonly
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState
from opensync_hooks.ledger.summary import Summary, summarize
from tests.ledger.records import HERE, confirmed, fill, record_of


def test_copy_has_what_was_just_confirmed_and_the_ledger_stays_untouched(path: Path) -> None:
    fill(path, 5)
    with Ledger(path) as ledger:
        record_of(ledger).set_message("m9", "h9", MessageState.CONFIRMED)
        files = [path, path.with_name("ledger.db-wal")]
        before = [file.read_bytes() for file in files]
        with readonly.copied(path) as copy:
            assert record_of(copy).message("m9") == confirmed("h9")
            copy.set_note("last error", "noted in the copy only")
        assert [file.read_bytes() for file in files] == before
        assert ledger.note("last error") is None


def test_missing_or_damaged_ledger_is_empty_and_stays_as_it_is(path: Path) -> None:
    with readonly.copied(path) as copy:
        assert summarize(copy, HERE) == Summary(0, 0, 0, None, ())
    assert not path.parent.exists()
    path.parent.mkdir()
    path.write_bytes(b"no database" * 2_000)
    with readonly.copied(path) as copy:
        assert summarize(copy, HERE) == Summary(0, 0, 0, None, ())
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == {
        path: b"no database" * 2_000
    }
