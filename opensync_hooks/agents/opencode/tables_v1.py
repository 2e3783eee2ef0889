"""OpenCode 1.2 to 1.18: the tables session, message and part of one SQLite file.

session(id, parent_id, directory, title, version, revert, time_created, time_updated, ...)
message(id, session_id, time_created, time_updated, data)   data: role, model, tokens, times
part(id, message_id, session_id, time_updated, data)        data: one part; the ids are columns
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from opensync_hooks.agents.json_access import decode_dict, get_int, get_str
from opensync_hooks.agents.opencode.layouts import (
    UNREADABLE_MESSAGE,
    UNREADABLE_PART,
    RevertPoint,
    SessionHeader,
    StoredMessage,
    StoredSession,
    TailState,
)
from opensync_hooks.agents.opencode.table_reader import Row, TableReader, as_text
from opensync_hooks.model import Json


def header(row: Row) -> SessionHeader:
    """Read a row of `session`, or of its successor `session_v2`."""
    columns = {name: as_text(value) for name, value in row.items()}
    return SessionHeader(
        id=columns["id"],
        title=get_str(columns, "title"),
        directory=get_str(columns, "directory"),
        parent_id=get_str(columns, "parent_id"),
        forked_from=get_str(columns, "fork_session_id"),
        version=get_str(columns, "version"),
        created_at=get_int(columns, "time_created"),
        updated_at=get_int(columns, "time_updated"),
        revert=RevertPoint.parse(row.get("revert")),
    )


def fetch(reader: TableReader, row: Row) -> Callable[[], StoredSession]:
    """Take out all rows of a session; the returned function reads them as JSON."""
    session_id = as_text(row["id"])
    messages = reader.run(
        "SELECT id, time_created, data FROM message WHERE session_id = ? ORDER BY time_created, id",
        session_id,
    )
    parts = reader.run("SELECT message_id, id, data FROM part WHERE session_id = ?", session_id)
    return partial(_parse, row, messages, parts)


def _parse(
    row: Row, messages: list[tuple[Any, ...]], parts: list[tuple[Any, ...]]
) -> StoredSession:
    skipped: Counter[str] = Counter()
    parts_by_message: dict[Any, list[tuple[str, object]]] = {}
    for message_id, part_id, data in parts:
        parts_by_message.setdefault(message_id, []).append((str(as_text(part_id)), data))
    stored: list[StoredMessage] = []
    for message_id, created_at, data in messages:
        info = decode_dict(data)
        if info is None or not isinstance(message_id, bytes):
            skipped[UNREADABLE_MESSAGE] += 1
            continue
        info.setdefault("time", {"created": created_at})
        own = _parse_parts(parts_by_message.pop(message_id, []), skipped)
        stored.append(StoredMessage(as_text(message_id), info, tuple(own)))
    return StoredSession(header(row), tuple(stored), skipped)


def _parse_parts(rows: list[tuple[str, object]], skipped: Counter[str]) -> list[Json]:
    parts = []
    for part_id, data in sorted(rows, key=lambda row: row[0]):
        part = decode_dict(data)
        if part is None:
            skipped[UNREADABLE_PART] += 1
        else:
            parts.append({**part, "id": part_id})
    return parts


def event_count(reader: TableReader, session_id: str) -> object:
    """Return how many changes there have been; None where they were not counted."""
    rows = reader.select("event_sequence", ("seq",), "WHERE aggregate_id = ?", session_id)
    return rows[0]["seq"] if rows else None


def change_marker(reader: TableReader, session_id: str) -> tuple[object, ...]:
    """Return values that change with whatever is written of the session's messages.

    Since 1.16 a sequence counts every change. Before, the end of a message's last part changes the
    time of that part alone.
    """
    events = event_count(reader, session_id)
    if events is not None:
        count = "SELECT count(*) FROM message WHERE session_id = ?"
        return reader.run(count, session_id)[0][0], events
    return tuple(
        reader.run(
            f"SELECT count(*), max(time_updated) FROM {table} WHERE session_id = ?",  # noqa: S608
            session_id,
        )[0]
        for table in ("message", "part")
    )


def tail(reader: TableReader, session_id: str) -> TailState | None:
    messages = reader.run(
        "SELECT id, time_updated, data FROM message WHERE session_id = ?"
        " ORDER BY time_created DESC, id DESC LIMIT 1",
        session_id,
    )
    for message_id, updated_at, data in messages:
        part_times = "SELECT max(time_updated) FROM part WHERE message_id = ?"
        parts_updated_at = reader.run(part_times, as_text(message_id))[0][0]
        times = {"message": updated_at, "parts": parts_updated_at}
        changed_at = max(get_int(times, name) or 0 for name in times)
        return TailState.of_message(decode_dict(data) or {}, changed_at)
    return None
