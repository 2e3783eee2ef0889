"""One SQLite file of OpenCode's, with sessions in the tables of 1.x, of 2.x, or in both.

A file that 2.x has taken over still has the rows of 1.x, which are no longer updated: `session_v2`
wins. A session in `session` may have its messages in the tables of either version.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import TypeVar

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.json_access import get_int, get_str
from opensync_hooks.agents.opencode import tables_v1, tables_v2
from opensync_hooks.agents.opencode.layouts import (
    SessionStamp,
    StoredSession,
    TailState,
    fingerprint,
)
from opensync_hooks.agents.opencode.table_reader import Row, TableReader, as_text

_COLUMNS = (
    *("id", "parent_id", "fork_session_id", "directory", "title", "version", "revert"),
    *("time_created", "time_updated", "time_idle", "time_archived"),
    *("cost", "tokens_input", "tokens_output"),
)
"""Columns that describe a session, or that change with it."""
_IS_V2 = "is_new"
"""Marks a row of `session_v2`. The name is part of fingerprints that ledgers already hold."""
_SECRET_TABLES = frozenset(
    {"account", "account_state", "control_account", "credential", "session_share"}
)
"""Logins and keys, which OpenCode keeps in the same file."""
_MAX_FAMILY = 10_000
"""A damaged database must not name children without end."""

T = TypeVar("T")


class OpenCodeDatabase:
    def __init__(self, path: Path) -> None:
        self.path = path

    def stamps(self, exclude: Container[str]) -> list[SessionStamp]:
        return self._read(
            lambda reader: [
                self._stamp(reader, row)
                for row in _sessions(reader, "")
                if as_text(row["id"]) not in exclude
            ]
        )

    def family(self, session_id: str) -> list[SessionStamp]:
        return self._read(
            lambda reader: [self._stamp(reader, row) for row in _family(reader, session_id)]
        )

    def load(self, session_ids: list[str]) -> Iterator[StoredSession]:
        """Take all rows out in one transaction, which ends before the first is parsed."""
        parsers = self._read(lambda reader: list(_fetch(reader, session_ids)))
        return (parse() for parse in parsers)

    def tail(self, session_id: str) -> TailState | None:
        return self._read(lambda reader: _tail(reader, session_id))

    def _read(self, work: Callable[[TableReader], T]) -> T:
        return sqlite_snapshot.read(
            self.path, lambda db: work(TableReader(db)), forbidden=_SECRET_TABLES
        )

    def _stamp(self, reader: TableReader, row: Row) -> SessionStamp:
        session_id = as_text(row["id"])
        tables = tables_v1 if _is_in_v1(reader, row) else tables_v2
        columns = {name: as_text(value) for name, value in row.items()}
        marker = tables.change_marker(reader, session_id)
        return SessionStamp(
            session_id=session_id,
            parent_id=get_str(columns, "parent_id"),
            path=self.path,
            changed_at=get_int(columns, "time_updated") or 0,
            fingerprint=fingerprint(sorted(columns.items()), marker),
        )


def _sessions(reader: TableReader, condition: str, *values: object) -> Iterator[Row]:
    """Yield the rows of sessions, each id once, from `session_v2` where it is there."""
    seen: set[bytes] = set()
    for row in reader.select("session_v2", _COLUMNS, condition, *values):
        if isinstance(row["id"], bytes) and row["id"] not in seen:
            seen.add(row["id"])
            yield {**row, _IS_V2: True}
    for row in reader.select("session", _COLUMNS, condition, *values):
        if not isinstance(row["id"], bytes) or row["id"] in seen:
            continue
        seen.add(row["id"])
        # The condition may hold for this row, and no longer for its successor.
        if not reader.select("session_v2", ("id",), "WHERE id = ?", as_text(row["id"])):
            yield row


def _family(reader: TableReader, session_id: str) -> list[Row]:
    """Return the session's row, then those of its descendants."""
    family = list(_sessions(reader, "WHERE id = ?", session_id))
    seen = {row["id"] for row in family}
    for row in family:
        children = _sessions(reader, "WHERE parent_id = ?", as_text(row["id"]))
        fresh = [child for child in children if child["id"] not in seen]
        fresh.sort(key=lambda child: child["id"], reverse=True)  # ids fall with time
        seen.update(child["id"] for child in fresh)
        family += fresh[: _MAX_FAMILY - len(family)]
    return family


def _fetch(reader: TableReader, session_ids: list[str]) -> Iterator[Callable[[], StoredSession]]:
    for session_id in session_ids:
        for row in _sessions(reader, "WHERE id = ?", session_id):
            if _is_in_v1(reader, row):
                yield tables_v1.fetch(reader, row)
            else:
                yield tables_v2.fetch(reader, row, has_cost=_IS_V2 in row)


def _tail(reader: TableReader, session_id: str) -> TailState | None:
    for row in _sessions(reader, "WHERE id = ?", session_id):
        if _is_in_v1(reader, row):
            return tables_v1.tail(reader, session_id)
        return tables_v2.tail(reader, session_id)
    return None


def _is_in_v1(reader: TableReader, row: Row) -> bool:
    """Whether the messages are in `message`: 1.15 noted mere switches in session_message, too."""
    condition = "WHERE session_id = ? LIMIT 1"
    messages = reader.select("message", ("id",), condition, as_text(row["id"]))
    return _IS_V2 not in row and bool(messages)
