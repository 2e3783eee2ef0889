"""The ledger's page of one session at one destination: what was sent, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from opensync_hooks.system import clock

State = Literal["in doubt", "confirmed", "parked", "dropped"]
Run = Callable[..., list[tuple[Any, ...]]]
"""Runs one statement with its values; the rows it gives."""


class Book(Protocol):
    """What a page needs of the whole ledger."""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the query finds."""
        ...

    def at_once(self) -> AbstractContextManager[Run]:
        """Runs statements, all of them or none."""
        ...


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


class Account:
    """The ledger's page of one session at one destination."""

    def __init__(self, ledger: Book, destination: str, agent: str, session_id: str) -> None:
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
        self._put(fingerprint=fingerprint, synced_at=clock.now())

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
        asked = tuple(charge_ids)
        return dict.fromkeys(asked, self._key[2]) | self.claimed(asked)

    def claimed(self, charge_ids: Iterable[str]) -> dict[str, str]:
        """The owners of those that any session has claimed so far."""
        destination, agent, _ = self._key
        select = "SELECT session FROM charge WHERE destination = ? AND agent = ? AND id = ?"
        found = {one: self._ledger.rows(select, destination, agent, one) for one in charge_ids}
        return {one: rows[0][0] for one, rows in found.items() if rows}
