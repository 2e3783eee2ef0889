"""OpenCode 1.2 to 1.18: the tables session, message and part of one SQLite file.

session(id, parent_id, directory, title, version, revert, time_created, time_updated, ...)
message(id, session_id, time_created, time_updated, data)   data: role, model, tokens, times
part(id, message_id, session_id, time_updated, data)        data: one part; the ids are columns
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Any

from opensync_hooks.agents.json_access import decode_dict, get_int, get_str
from opensync_hooks.agents.opencode.layouts import (
    BOOKKEEPING,
    UNREADABLE_MESSAGE,
    UNREADABLE_PART,
    ContentState,
    RevertPoint,
    SessionHeader,
    StoredMessage,
    TailState,
)
from opensync_hooks.agents.opencode.session_rows import MessageRow, SessionRows
from opensync_hooks.agents.opencode.table_reader import SESSION_COLUMNS, Row, TableReader, as_text
from opensync_hooks.model import Json, Skipped

LABEL = "tables of 1.x"
_ORPHAN = Skipped("unreadable", "part without its message")
_SAMPLE = 50
"""How many parts are looked at for one with words; each answer has two without any."""


def session_rows(reader: TableReader, condition: str, *values: object) -> list[Row]:
    rows = reader.select("session", SESSION_COLUMNS, condition, *values)
    return [row for row in rows if isinstance(row["id"], bytes)]


def content(reader: TableReader, session_id: str) -> ContentState:
    """Look at the newest messages only: times never fall, and long sessions have many parts."""
    messages = reader.select(
        "message",
        ("id", "data"),
        "WHERE session_id = ? ORDER BY time_created DESC, id DESC LIMIT 2",
        session_id,
    )
    parts = [
        part
        for message in messages
        for part in reader.select("part", ("data",), "WHERE message_id = ?", as_text(message["id"]))
    ]
    sample = "WHERE session_id = ? LIMIT ?"
    return ContentState.judge(
        (decode_dict(row["data"]) for row in (*messages, *parts)),
        (
            decode_dict(row["data"])
            for row in reader.select("part", ("data",), sample, session_id, _SAMPLE)
        ),
    )


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


def worktree(reader: TableReader, table: str, session_id: str) -> str | None:
    """Return the folder of the session's project; None outside of a repository."""
    for row in reader.select(table, ("project_id",), "WHERE id = ?", session_id):
        project = reader.select(
            "project", ("worktree",), "WHERE id = ?", as_text(row["project_id"])
        )
        folders = [as_text(columns["worktree"]) for columns in project]
        return next((folder for folder in folders if folder != "/"), None)
    return None


def fetch(reader: TableReader, row: Row) -> SessionRows:
    session_id = as_text(row["id"])
    condition = "WHERE session_id = ? ORDER BY time_created, id"
    messages = reader.tuples("message", ("id", "time_created", "data"), condition, session_id)
    columns = ("message_id", "id", "data")
    parts: dict[Any, list[Any]] = {}
    for part in reader.tuples("part", columns, "WHERE session_id = ?", session_id):
        message_id, part_id, data = part
        if message_id in parts:
            parts[message_id] += (part_id, data)
        else:
            parts[message_id] = [part_id, data]
    rows = [(*message, parts.pop(message[0], [])) for message in messages]
    info = replace(header(row), worktree=worktree(reader, "session", session_id))
    return SessionRows(info, rows, _to_message, LABEL, partial(_count_orphans, parts))


def _to_message(row: MessageRow, skipped: Counter[Skipped]) -> StoredMessage | None:
    message_id, created_at, data, parts = row
    if not isinstance(message_id, bytes):
        skipped[UNREADABLE_MESSAGE] += 1
        return None
    info = decode_dict(data)
    if info is not None:
        info.setdefault("time", {"created": created_at})
    own = tuple(_parse_parts(parts, skipped))
    is_torn = len(own) < len(parts) // 2
    return StoredMessage(as_text(message_id), info, own, is_torn)


def _count_orphans(parts_by_message: dict[Any, list[Any]], skipped: Counter[Skipped]) -> None:
    for values in parts_by_message.values():
        orphans = _parse_parts(values, skipped)
        skipped[_ORPHAN] += sum(part.get("type") not in BOOKKEEPING for part in orphans)


def _parse_parts(values: Sequence[Any], skipped: Counter[Skipped]) -> list[Json]:
    """Decode parts; `values`: the id and the data of each, one after the other."""
    parts = []
    ids = (str(as_text(part_id)) for part_id in values[::2])
    rows = zip(ids, values[1::2], strict=True)
    for part_id, data in sorted(rows, key=itemgetter(0)):
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
    if not reader.columns("message") or not reader.columns("part"):
        return ()
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
    columns = ("id", "time_updated", "data")
    condition = "WHERE session_id = ? ORDER BY time_created DESC, id DESC LIMIT 1"
    for row in reader.select("message", columns, condition, session_id):
        part_times = "SELECT max(time_updated) FROM part WHERE message_id = ?"
        parts_updated_at = reader.run(part_times, as_text(row["id"]))[0][0]
        times = {"message": row["time_updated"], "parts": parts_updated_at}
        changed_at = max(get_int(times, name) or 0 for name in times)
        return TailState.of_message(decode_dict(row["data"]) or {}, changed_at)
    return None
