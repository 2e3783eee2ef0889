"""One SQLite file of OpenCode's, with sessions in the tables of 1.x, of 2.x, or in both.

Each generation of tables is a storage layout of its own: 2.x copies the sessions of 1.x within the
file, and a client of 1.x may go on in its own tables afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.json_access import get_int, get_str
from opensync_hooks.agents.opencode import unknown
from opensync_hooks.agents.opencode.layouts import (
    ContentState,
    SessionStamp,
    TailState,
    fingerprint,
)
from opensync_hooks.agents.opencode.session_rows import SessionRows
from opensync_hooks.agents.opencode.table_reader import Row, TableReader, as_text

_SECRET_TABLES = frozenset(
    {"account", "account_state", "control_account", "credential", "session_share"}
)
"""Logins and keys, which OpenCode keeps in the same file."""
_MAX_FAMILY = 10_000
"""A damaged database must not name children without end."""

T = TypeVar("T")


class Tables(Protocol):
    """The tables of one generation: the modules `tables_v1` and `tables_v2`."""

    LABEL: str

    def session_rows(self, reader: TableReader, condition: str, *values: object) -> list[Row]:
        """Return the rows of sessions that match, each with the SESSION_COLUMNS that exist."""
        ...

    def content(self, reader: TableReader, session_id: str) -> ContentState: ...

    def change_marker(self, reader: TableReader, session_id: str) -> tuple[object, ...]:
        """Return values that change with whatever is written of the session's messages."""
        ...

    def fetch(self, reader: TableReader, row: Row) -> SessionRows:
        """Take out all rows of a session."""
        ...

    def tail(self, reader: TableReader, session_id: str) -> TailState | None: ...


class DatabaseTables:
    """A storage layout: the tables of one generation in one file."""

    def __init__(self, path: Path, tables: Tables) -> None:
        self.path = path
        self.label = f"{path} ({tables.LABEL})"
        self._tables = tables

    def session_ids(self) -> list[str]:
        rows = self._read(lambda reader: self._tables.session_rows(reader, ""))
        return [as_text(row["id"]) for row in rows]

    def family_ids(self, session_id: str) -> list[str]:
        return self._read(lambda reader: self._family_ids(reader, session_id))

    def stamps(self, session_ids: Collection[str]) -> list[SessionStamp]:
        return self._read(
            lambda reader: [self._stamp(reader, row) for row in self._rows(reader, session_ids)]
        )

    def contents(self, session_ids: Collection[str]) -> dict[str, ContentState]:
        return self._read(
            lambda reader: {
                as_text(row["id"]): self._tables.content(reader, as_text(row["id"]))
                for row in self._rows(reader, session_ids)
            }
        )

    def load(self, session_ids: Collection[str]) -> dict[str, SessionRows]:
        """Take all rows out in one transaction, which ends before the first is parsed."""
        return self._read(
            lambda reader: {
                as_text(row["id"]): self._fetch(reader, row)
                for row in self._rows(reader, session_ids)
            }
        )

    def _fetch(self, reader: TableReader, row: Row) -> SessionRows:
        rows = self._tables.fetch(reader, row)
        return replace(rows, unknown=unknown.in_tables(reader, as_text(row["id"])))

    def tail(self, session_id: str) -> TailState | None:
        return self._read(lambda reader: self._tables.tail(reader, session_id))

    def _read(self, work: Callable[[TableReader], T]) -> T:
        return sqlite_snapshot.read(
            self.path,
            lambda db: work(TableReader(db)),
            forbidden=_SECRET_TABLES,
            follows_link=True,
        )

    def _rows(self, reader: TableReader, session_ids: Collection[str]) -> Iterator[Row]:
        for session_id in session_ids:
            yield from self._tables.session_rows(reader, "WHERE id = ?", session_id)

    def _family_ids(self, reader: TableReader, session_id: str) -> list[str]:
        """Return the session if it is here, then its descendants."""
        family = [session_id]
        for parent_id in family:
            rows = self._tables.session_rows(reader, "WHERE parent_id = ?", parent_id)
            children = sorted({as_text(row["id"]) for row in rows} - set(family), reverse=True)
            family += children[: _MAX_FAMILY - len(family)]  # ids fall with time
        is_here = bool(self._tables.session_rows(reader, "WHERE id = ?", session_id))
        return family if is_here else family[1:]

    def _stamp(self, reader: TableReader, row: Row) -> SessionStamp:
        columns = {name: as_text(value) for name, value in row.items()}
        marker = self._tables.change_marker(reader, columns["id"])
        return SessionStamp(
            session_id=columns["id"],
            parent_id=get_str(columns, "parent_id"),
            path=self.path,
            changed_at=get_int(columns, "time_updated") or 0,
            fingerprint=fingerprint(sorted(columns.items()), marker),
        )


def newest_version(path: Path) -> tuple[int, str]:
    """Return when the newest session was created, and by which version of OpenCode.

    A file that 2.x has taken over counts as its own and as the newest, whatever is in it. Raises
    SourceError.
    """

    def work(reader: TableReader) -> tuple[int, str]:
        if reader.columns("session_v2"):
            return sys.maxsize, "2.0.0"
        columns = ("version", "time_created")
        rows = reader.select("session", columns, "ORDER BY time_created DESC LIMIT 1")
        newest = {name: as_text(value) for row in rows for name, value in row.items()}
        return get_int(newest, "time_created") or 0, get_str(newest, "version") or ""

    return sqlite_snapshot.read(path, lambda db: work(TableReader(db)), follows_link=True)
