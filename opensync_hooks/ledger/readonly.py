"""The ledger as it stands, in a copy: to open it would make it or mend it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from opensync_hooks.ledger.ledger import Ledger


@contextmanager
def copied(path: Path) -> Iterator[Ledger]:
    """An empty one where there is none, or none that can be read."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        if path.exists():
            with suppress(sqlite3.Error):
                _copy(path, copy)
        with Ledger(copy) as ledger:
            yield ledger


def _copy(path: Path, copy: Path) -> None:
    whence = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    with closing(whence), closing(sqlite3.connect(copy)) as whither:
        whence.backup(whither)
