"""What each destination has confirmed, by content hash; and which session owns each API call.

One SQLite file. A row is written before a message is sent and confirmed after the answer, each in a
transaction of its own: a kill in between leaves the row in doubt, and the message is sent again.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.files import private_folder

State = Literal["in doubt", "confirmed", "parked"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    destination TEXT, agent TEXT, id TEXT, remote_id TEXT, head TEXT, title TEXT,
    end_reason TEXT, fingerprint TEXT, synced_at INTEGER, unpriced TEXT,
    PRIMARY KEY (destination, agent, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    destination TEXT, agent TEXT, session TEXT, id TEXT, hash TEXT, state TEXT, reason TEXT,
    PRIMARY KEY (destination, agent, session, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charge (
    destination TEXT, agent TEXT, id TEXT, session TEXT,
    PRIMARY KEY (destination, agent, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, text TEXT, at INTEGER) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_SOUND = (
    *(*_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM),
)
"""Troubles of a file that is as it should be."""
_RUINED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_RIGHTS = "Check the space on the disk, and who may write this file and its folder."
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

    Every method raises UnreachableError, or OpenSyncError where there can be no file.
    """

    def __init__(self, path: Path, *, patience: float = 10) -> None:
        self._path = path
        self._patience = patience
        self._ruined = False
        with self._foreseen():
            private_folder(path.parent)
            try:
                self._db = self._open()
            except sqlite3.Error as error:
                if _code(error) in _SOUND:
                    raise
                self._set_aside()
                self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        # One that is there is not opened here: closing it would drop the locks that SQLite holds.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if self._path.is_symlink() or not self._path.is_file():
            raise OpenSyncError(f"{self._path}: is not a regular file.", "Move it away.")
        db = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None)
        try:
            self._log_ahead(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return db

    def _log_ahead(self, db: sqlite3.Connection) -> None:
        """SQLite itself does not wait where two processes switch a new file to WAL at once."""
        end = time.monotonic() + self._patience
        while db.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            try:
                db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.01)

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
        self._db.close()
        if self._ruined:
            self._set_aside()

    @contextmanager
    def _foreseen(self) -> Iterator[None]:
        """Every error of SQLite or of the disk leaves here as one of ours."""
        try:
            yield
        except sqlite3.Error as error:
            self._ruined = self._ruined or _code(error) in _RUINED
            cure = "It is tried again later." if _code(error) in _BUSY else _RIGHTS
            raise UnreachableError(f"{self._path}: {error}.", cure) from error
        except OSError as error:
            raise OpenSyncError(f"{self._path}: {error.strerror}.", _RIGHTS) from error

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of one statement. For the pages of this ledger only."""
        with self._foreseen():
            rows = self._db.execute(statement, [_bound(value) for value in values]).fetchall()
        return [tuple(map(_unbound, row)) for row in rows]

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """All statements inside, or none. For the pages of this ledger only."""
        self.run("BEGIN IMMEDIATE")
        with self._foreseen(), self._db:
            yield

    def account(self, destination: str, agent: str, session_id: str) -> Account:
        return Account(self, destination, agent, session_id)

    def fingerprint(self, destination: str, agent: str, session_id: str) -> str | None:
        """How the session looked on the disk when all of it had been confirmed."""
        query = "SELECT fingerprint FROM session WHERE destination = ? AND agent = ? AND id = ?"
        rows = self.run(query, destination, agent, session_id)
        return rows[0][0] if rows else None

    def summary(self, destination: str) -> Summary:
        of = "WHERE destination = ?"
        heads = f"SELECT count(remote_id), max(synced_at) FROM session {of}"  # noqa: S608
        states = f"SELECT state, count(*) FROM message {of} GROUP BY state"  # noqa: S608
        prices = f"SELECT unpriced FROM session {of} AND unpriced <> ''"  # noqa: S608
        ((sessions, last_sync),) = self.run(heads, destination)
        counts = dict(self.run(states, destination))
        names = {one for (lines,) in self.run(prices, destination) for one in lines.split("\n")}
        confirmed, parked = counts.get("confirmed", 0), counts.get("parked", 0)
        return Summary(sessions, confirmed, parked, last_sync, tuple(sorted(names)))

    def note(self, name: str, text: str | None) -> None:
        """Keep one line of text under a name, with the time; None takes it away."""
        if text is None:
            self.run("DELETE FROM note WHERE name = ?", name)
        else:
            self.run("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", name, text, _now())

    def noted(self, name: str) -> tuple[str, int] | None:
        rows = self.run("SELECT text, at FROM note WHERE name = ?", name)
        return (rows[0][0], rows[0][1]) if rows else None


class Account:
    """The ledger's page of one session at one destination."""

    def __init__(self, ledger: Ledger, destination: str, agent: str, session_id: str) -> None:
        self._ledger = ledger
        self._run = ledger.run
        self._key = (destination, agent, session_id)

    def head(self) -> Head | None:
        rows = self._run(
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
        names = ", ".join(columns)
        places = ", ?" * len(columns)
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
        self._run(
            f"INSERT INTO session (destination, agent, id, {names})"  # noqa: S608 - names of our own
            f" VALUES (?, ?, ?{places}) ON CONFLICT DO UPDATE SET {changes}",
            *(*self._key, *columns.values()),
        )

    def doubt(self) -> None:
        """Have all of the session sent again, as new versions of what may be there."""
        with self._ledger.at_once():
            self._put(head=None, fingerprint=None)
            self._run(
                "UPDATE message SET state = 'in doubt'"
                " WHERE destination = ? AND agent = ? AND session = ?",
                *self._key,
            )

    def forget(self) -> None:
        """The destination lost the session: nothing of it is confirmed any more."""
        with self._ledger.at_once():
            for table, column in (("message", "session"), ("session", "id")):
                self._run(
                    f"DELETE FROM {table} WHERE destination = ? AND agent = ? AND {column} = ?",  # noqa: S608
                    *self._key,
                )

    def entry(self, message_id: str) -> Entry | None:
        of = "WHERE destination = ? AND agent = ? AND session = ? AND id = ?"
        rows = self._run(f"SELECT hash, state FROM message {of}", *self._key, message_id)  # noqa: S608
        return Entry(*rows[0]) if rows else None

    def write(self, message_id: str, hashed: str, state: State, reason: str | None = None) -> None:
        row = (*self._key, message_id, hashed, state, reason)
        self._run("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?)", *row)

    def claim(self, charge_ids: Iterable[str]) -> dict[str, str]:
        """The session that owns each API call: the first that ever claimed it, perhaps this one.

        A fork copies the calls of the session it came from; they are billed to one of the two.
        """
        destination, agent, session_id = self._key
        insert = "INSERT OR IGNORE INTO charge VALUES (?, ?, ?, ?)"
        select = "SELECT session FROM charge WHERE destination = ? AND agent = ? AND id = ?"
        owners: dict[str, str] = {}
        with self._ledger.at_once():
            for one in charge_ids:
                self._run(insert, destination, agent, one, session_id)
                ((owners[one],),) = self._run(select, destination, agent, one)
        return owners


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _bound(value: object) -> object:
    """SQLite takes no lone surrogates, which an agent's ids may hold: then it gets the bytes."""
    lone = isinstance(value, str) and _SURROGATE.search(value)
    return str(value).encode("utf-8", "surrogatepass") if lone else value


def _unbound(value: object) -> object:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _now() -> int:
    return time.time_ns() // 1_000_000
