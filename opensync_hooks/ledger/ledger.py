"""What each destination has confirmed, by content hash; and which session owns each API call.

One SQLite file. A row is written before a message is sent and confirmed after the answer, each in a
transaction of its own: a kill in between leaves the row in doubt, and the message is sent again.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from opensync_hooks.errors import UnreachableError
from opensync_hooks.ledger.session_record import Account, Run
from opensync_hooks.system import clock
from opensync_hooks.system.sqlite import LOCK_TIMEOUT_S, DamagedError, Schema, SqliteFile, file_id

_SCHEMA = Schema(
    application_id=0x4F534C47,
    version=2,
    create_statements=(
        """CREATE TABLE IF NOT EXISTS session (
            destination TEXT, agent TEXT, id TEXT, remote_id TEXT, head TEXT, title TEXT,
            end_reason TEXT, fingerprint TEXT, synced_at INTEGER, unpriced TEXT,
            PRIMARY KEY (destination, agent, id)) WITHOUT ROWID""",
        """CREATE TABLE IF NOT EXISTS message (
            destination TEXT, agent TEXT, session TEXT, id TEXT, hash TEXT, state TEXT, reason TEXT,
            PRIMARY KEY (destination, agent, session, id)) WITHOUT ROWID""",
        """CREATE TABLE IF NOT EXISTS charge (
            destination TEXT, agent TEXT, id TEXT, session TEXT,
            PRIMARY KEY (destination, agent, id)) WITHOUT ROWID""",
        """CREATE TABLE IF NOT EXISTS note
            (name TEXT PRIMARY KEY, text TEXT, at INTEGER) WITHOUT ROWID""",
        # Since version 2:
        """CREATE TABLE IF NOT EXISTS rest (
            destination TEXT PRIMARY KEY, cause TEXT, reason TEXT, since INTEGER, until INTEGER,
            tries INTEGER, login TEXT) WITHOUT ROWID""",
        """CREATE TABLE IF NOT EXISTS loss (
            destination TEXT, agent TEXT, session TEXT, kind TEXT, count INTEGER,
            PRIMARY KEY (destination, agent, session, kind)) WITHOUT ROWID""",
    ),
    # NORMAL: a confirmation that a power cut takes back costs one more request, and no row.
    pragmas=("PRAGMA synchronous = NORMAL",),
)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Summary:
    """One destination at a glance, for `status`."""

    sessions: int
    messages: int
    parked: int
    last_sync: int | None
    unpriced: tuple[str, ...]


class Ledger:
    """Safe for several processes; each waits `patience` seconds for the others.

    Every method raises UnreachableError, or WrongAddressError where there can be no file.
    """

    def __init__(self, path: Path, *, patience: float = LOCK_TIMEOUT_S) -> None:
        self._path = path
        self._is_ruined = False
        found = file_id(path)
        try:
            self._file = SqliteFile(path, _SCHEMA, patience)
        except DamagedError:
            self._set_aside(found)
            self._file = SqliteFile(path, _SCHEMA, patience)

    def _set_aside(self, ruin: tuple[int, int] | None) -> None:
        """A ruined ledger costs only work: all is sent again, and stored once all the same.

        But not the one that another run may have begun in its place.
        """
        if file_id(self._path) != ruin:
            return
        for suffix in ("-wal", "-shm"):  # first: once the path is free, they may be a new one's
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        aside = self._path.with_name(f"{self._path.name}.ruined-{time.time_ns()}")
        with suppress(FileNotFoundError):
            self._path.replace(aside)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        if self._is_ruined:
            self._set_aside(self._file.file_id)

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except DamagedError as error:
            self._is_ruined = True
            raise UnreachableError(str(error), "The next run begins a new one.") from error

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the query finds. For the pages of this ledger only."""
        with self._noticing(), self._file.reading() as db:
            return _run(db, query, *values)

    @contextmanager
    def at_once(self) -> Iterator[Run]:
        """Runs statements, all of them or none. For the pages of this ledger only."""
        with self._noticing(), self._file.writing() as db:
            yield partial(_run, db)

    def account(self, destination: str, agent: str, session_id: str) -> Account:
        return Account(self, destination, agent, session_id)

    def fingerprint(self, destination: str, agent: str, session_id: str) -> str | None:
        """How the session looked on the disk when all of it had been confirmed."""
        query = "SELECT fingerprint FROM session WHERE destination = ? AND agent = ? AND id = ?"
        rows = self.rows(query, destination, agent, session_id)
        return rows[0][0] if rows else None

    def summary(self, destination: str) -> Summary:
        of = "WHERE destination = ?"
        heads = f"SELECT count(remote_id), max(synced_at) FROM session {of}"  # noqa: S608
        states = f"SELECT state, count(*) FROM message {of} GROUP BY state"  # noqa: S608
        prices = f"SELECT unpriced FROM session {of} AND unpriced <> ''"  # noqa: S608
        ((sessions, last_sync),) = self.rows(heads, destination)
        counts = dict(self.rows(states, destination))
        names = {one for (lines,) in self.rows(prices, destination) for one in lines.split("\n")}
        confirmed, parked = counts.get("confirmed", 0), counts.get("parked", 0)
        return Summary(sessions, confirmed, parked, last_sync, tuple(sorted(names)))

    def by_agent(self, destination: str) -> dict[str, tuple[int, int]]:
        """How many sessions of each agent were delivered whole, and when the last one was."""
        whole = "WHERE destination = ? AND fingerprint IS NOT NULL GROUP BY agent"
        query = f"SELECT agent, count(*), max(synced_at) FROM session {whole}"  # noqa: S608
        return {agent: (count, last) for agent, count, last in self.rows(query, destination)}

    def note(self, name: str, text: str | None) -> None:
        """Keep one line of text under a name, with the time; None takes it away."""
        with self.at_once() as run:
            run("DELETE FROM note WHERE name = ?", name)
            if text is not None:
                run("INSERT INTO note VALUES (?, ?, ?)", name, text, clock.now())

    def noted(self, name: str) -> tuple[str, int] | None:
        rows = self.rows("SELECT text, at FROM note WHERE name = ?", name)
        return (rows[0][0], rows[0][1]) if rows else None


def _run(db: sqlite3.Connection, statement: str, *values: object) -> list[tuple[Any, ...]]:
    rows = db.execute(statement, [_bound(value) for value in values]).fetchall()
    return [tuple(map(_unbound, row)) for row in rows]


def _bound(value: object) -> object:
    """SQLite takes no lone surrogates, which an agent's ids may hold: then it gets the bytes."""
    lone = isinstance(value, str) and _SURROGATE.search(value)
    return str(value).encode("utf-8", "surrogatepass") if lone else value


def _unbound(value: object) -> object:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
