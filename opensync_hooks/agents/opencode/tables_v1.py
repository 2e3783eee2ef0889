"""OpenCode 1.2 to 1.18: the tables session, message and part of one SQLite file.

    session(id, parent_id, directory, title, version, revert, time_created, time_updated, ...)
    message(id, session_id, time_created, time_updated, data)   data: role, model, tokens, times
    part(id, message_id, session_id, time_updated, data)        data: one part; the ids are columns

Columns came and went with the versions, so each is looked for before it is asked for.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.layouts import Entry, Head, Pulse, Record, Revert
from opensync_hooks.agents.opencode.values import number, parse, text

Row = dict[str, Any]


class View:
    """One state of the file, and what its tables look like, which is asked for once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._columns: dict[str, frozenset[str]] = {}

    def columns(self, table: str) -> frozenset[str]:
        """The names of a table's columns; none if there is no such table."""
        if table not in self._columns:
            found = self._db.execute(f"PRAGMA table_info({table})").fetchall()
            self._columns[table] = frozenset(plain(row[1]) for row in found)
        return self._columns[table]

    def rows(self, table: str, wanted: tuple[str, ...], where: str, *values: object) -> list[Row]:
        """The columns that are there, of the rows that match; nothing if there is no table."""
        names = [name for name in wanted if name in self.columns(table)]
        if wanted[0] not in names:
            return []
        found = self.run(f"SELECT {', '.join(names)} FROM {table} {where}", *values)  # noqa: S608 - names of our own
        return [dict(zip(names, row, strict=True)) for row in found]

    def run(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall()


def plain(value: Any) -> Any:
    """Texts come from the file as bytes, whatever they hold."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def head(row: Row) -> Head:
    """Of a row of `session`, or of its heir `session_v2`."""
    found = {name: plain(value) for name, value in row.items()}
    return Head(
        id=found["id"],
        title=text(found, "title"),
        directory=text(found, "directory"),
        parent_id=text(found, "parent_id"),
        forked_from=text(found, "fork_session_id"),
        version=text(found, "version"),
        created_at=number(found, "time_created"),
        updated_at=number(found, "time_updated"),
        revert=Revert.of(row.get("revert")),
    )


def record(view: View, row: Row) -> Record:
    """All rows of the session, taken out now; they are read as JSON when the record is walked."""
    session_id = plain(row["id"])
    of = "WHERE session_id = ?"
    messages = view.run(
        f"SELECT id, time_created, data FROM message {of} ORDER BY time_created, id",  # noqa: S608
        session_id,
    )
    parts = view.run(f"SELECT message_id, id, data FROM part {of}", session_id)  # noqa: S608
    skipped: Counter[str] = Counter()
    return Record(head(row), _entries(messages, parts, skipped), skipped)


def _entries(
    messages: list[tuple[Any, ...]], parts: list[tuple[Any, ...]], skipped: Counter[str]
) -> Iterator[Entry]:
    by_message: dict[Any, list[tuple[Any, Any]]] = {}
    for message_id, part_id, data in parts:
        by_message.setdefault(message_id, []).append((part_id, data))
    for message_id, created_at, data in messages:
        info = parse(data)
        if info is None or not isinstance(message_id, bytes):
            skipped["unreadable message"] += 1
            continue
        info.setdefault("time", {"created": created_at})
        own = sorted(by_message.pop(message_id, []), key=lambda one: str(plain(one[0])))
        yield Entry(plain(message_id), info, tuple(_parts(own, skipped)))


def _parts(found: list[tuple[Any, Any]], skipped: Counter[str]) -> Iterator[Value]:
    for part_id, data in found:
        part = parse(data)
        if part is None:
            skipped["unreadable part"] += 1
        else:
            yield {**part, "id": plain(part_id)}


def sequence(view: View, session_id: str) -> object:
    """How many changes there have been; None where they were not counted."""
    rows = view.rows("event_sequence", ("seq",), "WHERE aggregate_id = ?", session_id)
    return rows[0]["seq"] if rows else None


def trace(view: View, session_id: str) -> tuple[object, ...]:
    """Changes with everything that is written of the session's messages.

    Since 1.16 a sequence counts every change. Before, the last part of a message changes the time
    of that part alone.
    """
    of = "WHERE session_id = ?"
    events = sequence(view, session_id)
    if events is not None:
        return view.run(f"SELECT count(*) FROM message {of}", session_id)[0][0], events  # noqa: S608
    changed = (
        view.run(f"SELECT count(*), max(time_updated) FROM {table} {of}", session_id)  # noqa: S608
        for table in ("message", "part")
    )
    return tuple(found[0] for found in changed)


def pulse(view: View, session_id: str) -> Pulse | None:
    last = "ORDER BY time_created DESC, id DESC LIMIT 1"
    query = f"SELECT id, time_updated, data FROM message WHERE session_id = ? {last}"  # noqa: S608
    for message_id, updated_at, data in view.run(query, session_id):
        of_parts = "SELECT max(time_updated) FROM part WHERE message_id = ?"
        touched = view.run(of_parts, plain(message_id))[0][0]
        times = {"message": updated_at, "parts": touched}
        return Pulse.of_info(parse(data), max(number(times, name) or 0 for name in times))
    return None
