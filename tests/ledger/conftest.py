"""A new ledger, and the record of one session in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from tests.ledger.records import record_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as ledger:
        yield ledger


@pytest.fixture
def record(ledger: Ledger) -> SessionRecord:
    return record_of(ledger)
