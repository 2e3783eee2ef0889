"""One state of OpenCode's SQLite file, whose tables and columns differ between versions."""

from __future__ import annotations

import sqlite3
from typing import Any

Row = dict[str, Any]
SESSION_COLUMNS = (
    *("id", "parent_id", "fork_session_id", "directory", "title", "version", "revert"),
    *("time_created", "time_updated", "time_idle", "time_archived"),
    *("cost", "tokens_input", "tokens_output"),
)
"""Columns that describe a session, or that change with it; ledgers hold fingerprints of them."""


class TableReader:
    """Selects only what is there; asks for the columns of each table once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._columns: dict[str, frozenset[str]] = {}

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of a table's columns; none if there is no such table."""
        if table not in self._columns:
            columns = self.run(f"PRAGMA table_info({table})")
            self._columns[table] = frozenset(as_text(column[1]) for column in columns)
        return self._columns[table]

    def tables(self) -> list[str]:
        return [
            as_text(name)
            for (name,) in self.run("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]

    def select(
        self, table: str, columns: tuple[str, ...], condition: str, *values: object
    ) -> list[Row]:
        """Return the rows that match, with those `columns` that exist; none without the first."""
        names = [name for name in columns if name in self.columns(table)]
        if columns[0] not in names:
            return []
        rows = self.run(f"SELECT {', '.join(names)} FROM {table} {condition}", *values)  # noqa: S608 - names of our own
        return [dict(zip(names, row, strict=True)) for row in rows]

    def tuples(
        self, table: str, columns: tuple[str, ...], condition: str, *values: object
    ) -> list[tuple[Any, ...]]:
        """Return the same without the names; None in place of a column that does not exist."""
        existing = self.columns(table)
        if columns[0] not in existing:
            return []
        names = [name if name in existing else "NULL" for name in columns]
        return self.run(f"SELECT {', '.join(names)} FROM {table} {condition}", *values)  # noqa: S608

    def run(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall()


def as_text(value: Any) -> Any:
    """Decode what came as bytes, as every text does here, whether or not it is valid UTF-8."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
