"""What each destination has confirmed, by content hash; and which session owns each API call.

One SQLite file. A row is written before a message is sent and confirmed after the answer, each in a
transaction of its own: a kill in between leaves the row in doubt, and the message is sent again.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from opensync_hooks.errors import OpenSyncError
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
    """Safe for several processes. Raises OpenSyncError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        private_folder(path.parent)
        self._path = path
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise OpenSyncError(f"{path}: {error}.") from error
            self._set_aside()
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
        db = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return db

    def _set_aside(self) -> None:
        """A ruined ledger costs only work: all is sent again, and stored once all the same."""
        ruined = self._path.with_name(f"{self._path.name}.ruined-{time.time_ns()}")
        self._path.replace(ruined)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def account(self, destination: str, agent: str, session_id: str) -> Account:
        return Account(self, destination, agent, session_id)

    def fingerprint(self, destination: str, agent: str, session_id: str) -> str | None:
        """How the session looked on the disk when all of it had been confirmed."""
        row = self._db.execute(
            "SELECT fingerprint FROM session WHERE destination = ? AND agent = ? AND id = ?",
            (destination, agent, session_id),
        ).fetchone()
        return row[0] if row else None

    def summary(self, destination: str) -> Summary:
        of = (destination,)
        query = self._db.execute
        sessions, last_sync = query(
            "SELECT count(remote_id), max(synced_at) FROM session WHERE destination = ?", of
        ).fetchone()
        states = dict(
            query("SELECT state, count(*) FROM message WHERE destination = ? GROUP BY state", of)
        )
        rows = query("SELECT unpriced FROM session WHERE destination = ? AND unpriced <> ''", of)
        unpriced = sorted({name for (names,) in rows for name in names.split("\n")})
        return Summary(
            sessions,
            states.get("confirmed", 0),
            states.get("parked", 0),
            last_sync,
            tuple(unpriced),
        )

    def note(self, name: str, text: str | None) -> None:
        """Keep one line of text under a name, with the time; None takes it away."""
        if text is None:
            self._db.execute("DELETE FROM note WHERE name = ?", (name,))
        else:
            row = (name, text, time.time_ns() // 1_000_000)
            self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", row)

    def noted(self, name: str) -> tuple[str, int] | None:
        row = self._db.execute("SELECT text, at FROM note WHERE name = ?", (name,)).fetchone()
        return (row[0], row[1]) if row else None


class Account:
    """The ledger's page of one session at one destination."""

    def __init__(self, ledger: Ledger, destination: str, agent: str, session_id: str) -> None:
        self._ledger = ledger
        self._db = ledger._db  # noqa: SLF001 - an account is a page of its ledger
        self._key = (destination, agent, session_id)

    def head(self) -> Head | None:
        row = self._db.execute(
            "SELECT remote_id, head, title, end_reason FROM session"
            " WHERE destination = ? AND agent = ? AND id = ? AND remote_id IS NOT NULL",
            self._key,
        ).fetchone()
        return Head(*row) if row else None

    def opened(self, remote_id: str) -> None:
        self._db.execute(
            "INSERT INTO session (destination, agent, id, remote_id) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET remote_id = excluded.remote_id",
            (*self._key, remote_id),
        )

    def closed(
        self, hashed: str, title: str | None, end_reason: str | None, unpriced: Iterable[str]
    ) -> None:
        self._update(
            "head = ?, title = ?, end_reason = ?, unpriced = ?",
            *(hashed, title, end_reason, "\n".join(unpriced)),
        )

    def finished(self, fingerprint: str) -> None:
        self._update("fingerprint = ?, synced_at = ?", fingerprint, time.time_ns() // 1_000_000)

    def _update(self, assignments: str, *values: object) -> None:
        self._db.execute(
            f"UPDATE session SET {assignments}"  # noqa: S608 - the assignments are our own text
            " WHERE destination = ? AND agent = ? AND id = ?",
            (*values, *self._key),
        )

    def doubt(self) -> None:
        """Have all of the session sent again, as new versions of what may be there."""
        self._update("head = NULL, fingerprint = NULL")
        self._db.execute(
            "UPDATE message SET state = 'in doubt'"
            " WHERE destination = ? AND agent = ? AND session = ?",
            self._key,
        )

    def forget(self) -> None:
        """The destination lost the session: nothing of it is confirmed any more."""
        with self._ledger._at_once():  # noqa: SLF001
            for table, column in (("message", "session"), ("session", "id")):
                self._db.execute(
                    f"DELETE FROM {table} WHERE destination = ? AND agent = ? AND {column} = ?",  # noqa: S608
                    self._key,
                )

    def entry(self, message_id: str) -> Entry | None:
        row = self._db.execute(
            "SELECT hash, state FROM message"
            " WHERE destination = ? AND agent = ? AND session = ? AND id = ?",
            (*self._key, message_id),
        ).fetchone()
        return Entry(row[0], row[1]) if row else None

    def write(self, message_id: str, hashed: str, state: State, reason: str | None = None) -> None:
        row = (*self._key, message_id, hashed, state, reason)
        self._db.execute("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def claim(self, charge_ids: Iterable[str]) -> dict[str, str]:
        """The session that owns each API call: the first that ever claimed it, perhaps this one.

        A fork copies the calls of the session it came from; they are billed to one of the two.
        """
        destination, agent, session_id = self._key
        with self._ledger._at_once():  # noqa: SLF001
            wanted = list(charge_ids)
            self._db.executemany(
                "INSERT OR IGNORE INTO charge VALUES (?, ?, ?, ?)",
                ((destination, agent, one, session_id) for one in wanted),
            )
            owners = {}
            for one in wanted:
                owners[one] = self._db.execute(
                    "SELECT session FROM charge WHERE destination = ? AND agent = ? AND id = ?",
                    (destination, agent, one),
                ).fetchone()[0]
        return owners
