"""The ledger's file: what each destination has confirmed, and which session owns each API call.

A SQLite database. The other modules of this package read and write its tables. A message's row is
written before the message is sent and again after the answer, each in a transaction of its own: a
kill in between leaves the message pending, and the next run sends it again.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

from opensync_hooks.errors import UnreachableError
from opensync_hooks.system import clock
from opensync_hooks.system.sqlite import LOCK_TIMEOUT_S, DamagedError, Schema, SqliteFile, file_id

_SCHEMA = Schema(
    application_id=0x4F534C47,
    migrations=(
        (
            """CREATE TABLE session (
                destination TEXT, agent TEXT, id TEXT, remote_id TEXT, head TEXT, title TEXT,
                end_reason TEXT, fingerprint TEXT, synced_at INTEGER, unpriced TEXT,
                PRIMARY KEY (destination, agent, id)) WITHOUT ROWID""",
            """CREATE TABLE message (
                destination TEXT, agent TEXT, session TEXT, id TEXT, hash TEXT, state TEXT,
                reason TEXT, PRIMARY KEY (destination, agent, session, id)) WITHOUT ROWID""",
            """CREATE TABLE charge (
                destination TEXT, agent TEXT, id TEXT, session TEXT,
                PRIMARY KEY (destination, agent, id)) WITHOUT ROWID""",
            "CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT, at INTEGER) WITHOUT ROWID",
        ),
        (
            """CREATE TABLE rest (
                destination TEXT PRIMARY KEY, cause TEXT, reason TEXT, since INTEGER,
                until INTEGER, tries INTEGER, login TEXT) WITHOUT ROWID""",
            """CREATE TABLE loss (
                destination TEXT, agent TEXT, session TEXT, kind TEXT, count INTEGER,
                PRIMARY KEY (destination, agent, session, kind)) WITHOUT ROWID""",
        ),
        ("ALTER TABLE session ADD COLUMN origin TEXT",),
        (
            """CREATE TABLE stated_free (
                destination TEXT, agent TEXT, session TEXT, model TEXT, list_price REAL,
                PRIMARY KEY (destination, agent, session, model)) WITHOUT ROWID""",
        ),
        ("CREATE TABLE account (login TEXT PRIMARY KEY, destination TEXT) WITHOUT ROWID",),
        (  # version 6; before, `loss` counted these things, too
            "ALTER TABLE session ADD COLUMN attempted TEXT",
            "ALTER TABLE session ADD COLUMN outcome TEXT",
            """CREATE TABLE skipped (
                destination TEXT, agent TEXT, session TEXT, kind TEXT, name TEXT, count INTEGER,
                agent_version TEXT,
                PRIMARY KEY (destination, agent, session, kind, name)) WITHOUT ROWID""",
        ),
        (
            "ALTER TABLE session ADD COLUMN removed TEXT",
            "ALTER TABLE session ADD COLUMN confirmed_at INTEGER",
            "ALTER TABLE session ADD COLUMN totals TEXT",
            "ALTER TABLE session ADD COLUMN others TEXT",
            "ALTER TABLE message ADD COLUMN stored_as TEXT",
        ),
        (
            """CREATE TABLE agent_total (
                destination TEXT, agent TEXT, session TEXT, charge TEXT, cost REAL, began REAL,
                PRIMARY KEY (destination, agent, session, charge)) WITHOUT ROWID""",
        ),
        (
            """CREATE TABLE catch_up (
                destination TEXT, agent TEXT, session TEXT, fingerprint TEXT, at INTEGER,
                sent INTEGER, PRIMARY KEY (destination, agent, session)) WITHOUT ROWID""",
        ),
        ("ALTER TABLE session ADD COLUMN masking TEXT",),
        (  # version 10
            """CREATE TABLE requested (
                agent TEXT, session TEXT, environment TEXT,
                PRIMARY KEY (agent, session, environment)) WITHOUT ROWID""",
        ),
        ("ALTER TABLE session ADD COLUMN slimmed_at INTEGER",),
        (  # the session that started a subagent; empty for all others
            "ALTER TABLE session ADD COLUMN parent TEXT",
            "UPDATE session SET parent = substr(id, 1, instr(id, ':') - 1) WHERE instr(id, ':')",
        ),
        (
            """CREATE TABLE checkpoint (
                number INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT, agent TEXT,
                session TEXT, rules TEXT, state TEXT, totals TEXT,
                UNIQUE (destination, agent, session))""",
            """CREATE TABLE checkpoint_name (
                number INTEGER, name INTEGER, PRIMARY KEY (number, name)) WITHOUT ROWID""",
        ),
    ),
    # NORMAL: a confirmation that a power cut takes back costs one more request, and no data.
    pragmas=("PRAGMA synchronous = NORMAL",),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_VALUES = 500
"""In one query: SQLite takes only so many."""


class Note(NamedTuple):
    """A line of text, and when it was written in ms since 1970."""

    text: str
    at: int


class Execute:
    """Executes statements in one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __call__(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Execute one statement with its values and return the rows."""
        rows = self._connection.execute(statement, tuple(map(_to_sql, values))).fetchall()
        return [tuple(map(_from_sql, row)) for row in rows]

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement with each of these rows."""
        self._connection.executemany(statement, (tuple(map(_to_sql, row)) for row in rows))


class Ledger:
    """An open ledger, for any number of threads and processes.

    Every method raises UnreachableError, or UnusableDestinationError if the path is not a file's.
    """

    def __init__(self, path: Path, *, lock_timeout: float = LOCK_TIMEOUT_S) -> None:
        """Open the file, or create it; `lock_timeout`: seconds to wait for another writer."""
        self._path = path
        self._is_damaged = False
        existing = file_id(path)
        try:
            self._database = SqliteFile(path, _SCHEMA, lock_timeout)
        except DamagedError:
            self._move_aside(existing)
            self._database = SqliteFile(path, _SCHEMA, lock_timeout)

    def _move_aside(self, damaged: tuple[int, int] | None) -> None:
        """Make room for a new ledger, unless another run has already begun one at this path.

        A lost ledger costs only work: everything is sent again, and the destination stores it once.
        """
        if file_id(self._path) != damaged:
            return
        for suffix in ("-wal", "-shm"):  # first: once the path is free, they may be a new ledger's
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        backup = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        with suppress(FileNotFoundError):
            self._path.replace(backup)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()
        if self._is_damaged:
            self._move_aside(self._database.file_id)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._damage_noted():
            rows = self._database.rows(query, tuple(map(_to_sql, values)))
        return [tuple(map(_from_sql, row)) for row in rows]

    def rows_in(
        self, query: str, *values: object, among: Iterable[object]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query that ends with `IN`, for any number of values behind it."""
        remaining = iter(among)
        while some := tuple(islice(remaining, _MAX_VALUES)):
            yield from self.rows(f"{query} ({', '.join('?' * len(some))})", *values, *some)

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """Execute statements, all of them or none."""
        with self._damage_noted(), self._database.writing() as connection:
            yield Execute(connection)

    @contextmanager
    def _damage_noted(self) -> Iterator[None]:
        try:
            yield
        except DamagedError as error:
            self._is_damaged = True
            raise UnreachableError(str(error), "The next run starts a new ledger.") from error

    def note(self, name: str) -> Note | None:
        rows = self.rows("SELECT text, at FROM note WHERE name = ?", name)
        return Note(*rows[0]) if rows else None

    def set_note(self, name: str, text: str | None) -> None:
        """Keep one line of text under a name, with the time; None deletes it."""
        with self.transaction() as execute:
            execute("DELETE FROM note WHERE name = ?", name)
            if text is not None:
                execute("INSERT INTO note VALUES (?, ?, ?)", name, text, clock.now())


def _to_sql(value: object) -> object:
    """Encode text with lone surrogates as bytes: agents' ids may hold them, SQLite refuses them."""
    if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
        return value.encode("utf-8", "surrogatepass")
    return value


def _from_sql(value: object) -> object:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
