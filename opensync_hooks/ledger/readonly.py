"""A copy of the ledger for commands that only look: opening the ledger may create or repair it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from opensync_hooks.ledger.ledger import Ledger


@contextmanager
def copied(path: Path) -> Iterator[Ledger]:
    """Yield a temporary copy; an empty ledger where there is none or it cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        if path.exists():
            uri = f"{path.absolute().as_uri()}?mode=ro"
            with (
                suppress(sqlite3.Error),
                closing(sqlite3.connect(uri, uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
        with Ledger(copy) as ledger:
            yield ledger
