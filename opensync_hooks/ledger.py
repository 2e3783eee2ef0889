"""What each destination has confirmed, by content hash; and which session owns each API call.

One SQLite file. A row is written before a message is sent and confirmed after the answer, each in a
transaction of its own: a kill in between leaves the row in doubt, and the message is sent again.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from opensync_hooks.database import PATIENCE_S, DamagedError, Database, Layout
from opensync_hooks.errors import UnreachableError

State = Literal["in doubt", "confirmed", "parked", "dropped"]
Run = Callable[..., list[tuple[Any, ...]]]
"""Runs one statement with its values; the rows it gives."""

_LAYOUT = Layout(
    application=0x4F534C47,
    version=2,
    statements=(
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
    settings=("PRAGMA synchronous = NORMAL",),
)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger knows of one message: the version that was last sent, and what came of it."""

    hash: str
    state: State


@dataclass(frozen=True, slots=True)
class Head:
    """What the destination has of a session besides its messages."""

    remote_id: str
    hash: str | None
    title: str | None
    end_reason: str | None


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

    def __init__(self, path: Path, *, patience: float = PATIENCE_S) -> None:
        self._path = path
        self._is_ruined = False
        try:
            self._file = Database(path, _LAYOUT, patience)
        except DamagedError:
            self._set_aside()
            self._file = Database(path, _LAYOUT, patience)

    def _set_aside(self) -> None:
        """A ruined ledger costs only work: all is sent again, and stored once all the same."""
        ruined = self._path.with_name(f"{self._path.name}.ruined-{time.time_ns()}")
        with suppress(FileNotFoundError):
            self._path.replace(ruined)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        if self._is_ruined:
            self._set_aside()

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
                run("INSERT INTO note VALUES (?, ?, ?)", name, text, _now())

    def noted(self, name: str) -> tuple[str, int] | None:
        rows = self.rows("SELECT text, at FROM note WHERE name = ?", name)
        return (rows[0][0], rows[0][1]) if rows else None


class Account:
    """The ledger's page of one session at one destination."""

    def __init__(self, ledger: Ledger, destination: str, agent: str, session_id: str) -> None:
        self._ledger = ledger
        self._key = (destination, agent, session_id)

    def head(self) -> Head | None:
        rows = self._ledger.rows(
            "SELECT remote_id, head, title, end_reason FROM session"
            " WHERE destination = ? AND agent = ? AND id = ? AND remote_id IS NOT NULL",
            *self._key,
        )
        return Head(*rows[0]) if rows else None

    def opened(self, remote_id: str) -> None:
        self._put(remote_id=remote_id)

    def closed(
        self, hashed: str, title: str | None, end_reason: str | None, unpriced: Iterable[str]
    ) -> None:
        self._put(head=hashed, title=title, end_reason=end_reason, unpriced="\n".join(unpriced))

    def finished(self, fingerprint: str) -> None:
        """Also of a session that had nothing to send: it is not looked through again either."""
        self._put(fingerprint=fingerprint, synced_at=_now())

    def _put(self, **columns: object) -> None:
        with self._ledger.at_once() as run:
            self._upsert(run, columns)

    def _upsert(self, run: Run, columns: dict[str, object]) -> None:
        names = ", ".join(columns)
        places = ", ?" * len(columns)
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
        run(
            f"INSERT INTO session (destination, agent, id, {names})"  # noqa: S608 - names of our own
            f" VALUES (?, ?, ?{places}) ON CONFLICT DO UPDATE SET {changes}",
            *(*self._key, *columns.values()),
        )

    def doubt(self, message_ids: Iterable[str] | None = None) -> None:
        """Have all of the session sent again, or these messages, as new versions of what is there.

        Also its title and totals.
        """
        of = "WHERE destination = ? AND agent = ? AND session = ?"
        with self._ledger.at_once() as run:
            self._upsert(run, {"head": None, "title": None, "fingerprint": None})
            update = f"UPDATE message SET state = 'in doubt' {of}"  # noqa: S608
            if message_ids is None:
                run(update, *self._key)
            for one in message_ids or ():
                run(f"{update} AND id = ?", *self._key, one)

    def forget(self) -> None:
        """The destination lost the session: nothing of it is confirmed any more."""
        of = "WHERE destination = ? AND agent = ?"
        with self._ledger.at_once() as run:
            run(f"DELETE FROM message {of} AND session = ?", *self._key)  # noqa: S608
            run(f"DELETE FROM session {of} AND id = ?", *self._key)  # noqa: S608

    def entry(self, message_id: str) -> Entry | None:
        of = "WHERE destination = ? AND agent = ? AND session = ? AND id = ?"
        rows = self._ledger.rows(f"SELECT hash, state FROM message {of}", *self._key, message_id)  # noqa: S608
        return Entry(*rows[0]) if rows else None

    def write(self, message_id: str, hashed: str, state: State, reason: str | None = None) -> None:
        row = (*self._key, message_id, hashed, state, reason)
        with self._ledger.at_once() as run:
            run("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?)", *row)

    def drop(self, message_id: str) -> None:
        """Say no more of a parked message, and do not send it again as it is."""
        of = "WHERE destination = ? AND agent = ? AND session = ? AND id = ? AND state = 'parked'"
        with self._ledger.at_once() as run:
            run(f"UPDATE message SET state = 'dropped' {of}", *self._key, message_id)  # noqa: S608

    def claim(self, charge_ids: Iterable[str]) -> dict[str, str]:
        """The session that owns each API call: the first that ever claimed it, perhaps this one.

        A fork copies the calls of the session it came from; they are billed to one of the two.
        """
        destination, agent, session_id = self._key
        insert = "INSERT OR IGNORE INTO charge VALUES (?, ?, ?, ?)"
        select = "SELECT session FROM charge WHERE destination = ? AND agent = ? AND id = ?"
        owners: dict[str, str] = {}
        with self._ledger.at_once() as run:
            for one in charge_ids:
                run(insert, destination, agent, one, session_id)
                ((owners[one],),) = run(select, destination, agent, one)
        return owners

    def owners(self, charge_ids: Iterable[str]) -> dict[str, str]:
        """What `claim` would say, without claiming any."""
        destination, agent, session_id = self._key
        select = "SELECT session FROM charge WHERE destination = ? AND agent = ? AND id = ?"
        found = {one: self._ledger.rows(select, destination, agent, one) for one in charge_ids}
        return {one: rows[0][0] if rows else session_id for one, rows in found.items()}


def _run(db: sqlite3.Connection, statement: str, *values: object) -> list[tuple[Any, ...]]:
    rows = db.execute(statement, [_bound(value) for value in values]).fetchall()
    return [tuple(map(_unbound, row)) for row in rows]


def _bound(value: object) -> object:
    """SQLite takes no lone surrogates, which an agent's ids may hold: then it gets the bytes."""
    lone = isinstance(value, str) and _SURROGATE.search(value)
    return str(value).encode("utf-8", "surrogatepass") if lone else value


def _unbound(value: object) -> object:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _now() -> int:
    return time.time_ns() // 1_000_000
