"""OpenCode 2.x, and sessions that 1.18 made for its `/api/session`: the table session_message.

    session_message(id, session_id, type, seq, time_created, time_updated, data)
    type: user assistant synthetic system skill shell compaction idle *-switched

A response has its content, its tool calls and their results in `data`; they are read into what 1.x
would have stored. The shapes are those of packages/schema/src/session-message.ts in
anomalyco/opencode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from opensync_hooks.agents.json_access import decode_dict, get_dict, get_dicts, get_int, get_str
from opensync_hooks.agents.opencode import tables_v1
from opensync_hooks.agents.opencode.layouts import (
    UNREADABLE_MESSAGE,
    ContentState,
    StoredMessage,
    TailState,
)
from opensync_hooks.agents.opencode.session_rows import MessageRow, SessionRows
from opensync_hooks.agents.opencode.table_reader import SESSION_COLUMNS, Row, TableReader, as_text
from opensync_hooks.agents.opencode.tables_v1 import event_count, header, worktree
from opensync_hooks.model import Json, Skipped

LABEL = "tables of 2.x"
_IS_V2 = "is_new"
"""Marks a row of `session_v2`. The name is part of fingerprints that ledgers already hold."""
_SAMPLE = 50
"""How many of the newest messages are looked at for one with words."""
_NOT_MESSAGES = ("idle", "agent-switched", "model-switched", "location-switched")


def has_messages(reader: TableReader) -> bool:
    """In 1.15 the table had no `seq` yet, and only noted switches of agent and model."""
    return {"session_id", "seq"} <= reader.columns("session_message")


def session_rows(reader: TableReader, condition: str, *values: object) -> list[Row]:
    """Return the rows of `session_v2`; and those of `session` whose messages are only here."""
    rows = reader.select("session_v2", SESSION_COLUMNS, condition, *values)
    rows = [{**row, _IS_V2: True} for row in rows if isinstance(row["id"], bytes)]
    session_ids = {row["id"] for row in rows}
    old_rows = tables_v1.session_rows(reader, condition, *values) if has_messages(reader) else []
    for row in old_rows:
        if row["id"] not in session_ids and _is_made_by_api(reader, as_text(row["id"])):
            rows.append(row)
    return rows


def _is_made_by_api(reader: TableReader, session_id: str) -> bool:
    """Whether a session of 1.18 has its messages here, and no successor that this row is not."""
    key = "WHERE id = ?"
    if reader.select("session_v2", ("id",), key, session_id):
        return False
    rows = reader.select("session_message", ("type",), "WHERE session_id = ?", session_id)
    return any(as_text(row["type"]) not in _NOT_MESSAGES for row in rows)


def content(reader: TableReader, session_id: str) -> ContentState:
    if not has_messages(reader):
        return ContentState.judge((), ())
    condition = "WHERE session_id = ? ORDER BY seq DESC LIMIT ?"
    rows = reader.select("session_message", ("type", "data"), condition, session_id, _SAMPLE)
    messages = [
        _convert(as_text(row["type"]), decode_dict(row["data"]) or {})
        for row in rows
        if as_text(row["type"]) not in _NOT_MESSAGES
    ]
    newest = (value for info, parts in messages[:2] for value in (info, *parts))
    return ContentState.judge(newest, (part for _, parts in messages for part in parts))


def fetch(reader: TableReader, row: Row) -> SessionRows:
    columns = ("id", "type", "time_created", "data")
    condition = "WHERE session_id = ? ORDER BY seq"
    session_id, is_v2 = as_text(row["id"]), _IS_V2 in row
    rows: list[MessageRow] = []
    if has_messages(reader):
        rows = reader.tuples("session_message", columns, condition, session_id)
    messages = [row for row in rows if as_text(row[1]) not in _NOT_MESSAGES]
    table = "session_v2" if is_v2 else "session"
    info = replace(header(row), worktree=worktree(reader, table, session_id))
    # A cost of 0 is unknown in 1.18, which did not count the cost of these sessions yet.
    to_message = partial(_to_message, has_cost=is_v2)
    return SessionRows(info, messages, to_message, f"{LABEL}, {table}")


def change_marker(reader: TableReader, session_id: str) -> tuple[object, ...]:
    """Return values that change with whatever is written of the session's messages."""
    if not has_messages(reader):
        return ()
    query = "SELECT count(*), max(seq), max(time_updated) FROM session_message WHERE session_id = ?"
    return *reader.run(query, session_id)[0], event_count(reader, session_id)


def tail(reader: TableReader, session_id: str) -> TailState | None:
    if not has_messages(reader):
        return None
    columns = ("type", "time_updated", "data")
    condition = "WHERE session_id = ? ORDER BY seq DESC LIMIT 1"
    for row in reader.select("session_message", columns, condition, session_id):
        kind, changed_at = as_text(row["type"]), get_int(row, "time_updated") or 0
        if kind != "assistant":
            return TailState(kind != "user", changed_at)
        return TailState.of_message({"role": kind, **(decode_dict(row["data"]) or {})}, changed_at)
    return None


def _to_message(
    row: MessageRow, skipped: Counter[Skipped], *, has_cost: bool
) -> StoredMessage | None:
    message_id, kind, data = as_text(row[0]), as_text(row[1]), decode_dict(row[3])
    if not isinstance(message_id, str):
        skipped[UNREADABLE_MESSAGE] += 1
        return None
    if data is None:
        return StoredMessage(message_id, None)
    data.setdefault("time", {"created": row[2]})
    info, parts = _convert(kind, data)
    return StoredMessage(message_id, info if has_cost else {**info, "unpriced": True}, tuple(parts))


def _convert(kind: str, data: Json) -> tuple[Json, list[Json]]:
    """Return the info and the parts of a message as 1.x would have stored them."""
    time = get_dict(data, "time")
    if kind == "user":
        return {"role": "user", "time": time}, list(_prompt_parts(data))
    if kind in ("synthetic", "system", "skill"):
        part = {"type": "text", "synthetic": True, "text": get_str(data, "text")}
        return {"role": "user", "time": time}, [part]
    if kind == "assistant":
        return _response_info(data), list(_response_parts(data))
    if kind == "shell":
        return {"role": "assistant", "time": time, "by_user": True}, [_shell_part(data)]
    if kind == "compaction":
        summary = {"type": "text", "text": get_str(data, "summary")}
        return {**_response_info(data), "summary": True}, [summary]
    return {"role": kind, "time": time}, []


def _prompt_parts(data: Json) -> Iterator[Json]:
    yield {"type": "text", "text": get_str(data, "text")}
    yield from ({**file, "type": "file"} for file in get_dicts(data, "files"))
    yield from ({**agent, "type": "agent"} for agent in get_dicts(data, "agents"))


def _response_info(data: Json) -> Json:
    tokens = get_dict(data, "tokens")
    counted = (("input",), ("output",), ("reasoning",), ("cache", "read"), ("cache", "write"))
    # 1.x stored the total; without one, `output` would be taken to include the reasoning.
    total = sum(get_int(tokens, *keys) or 0 for keys in counted)
    return {
        "role": "assistant",
        "time": get_dict(data, "time"),
        "agent": get_str(data, "agent"),
        "modelID": get_str(data, "model", "id"),
        "providerID": get_str(data, "model", "providerID"),
        "finish": get_str(data, "finish"),
        "cost": data.get("cost"),
        "tokens": {**tokens, "total": total},
        "error": data.get("error"),
    }


def _response_parts(data: Json) -> Iterator[Json]:
    for content in get_dicts(data, "content"):
        yield _tool_part(content) if content.get("type") == "tool" else content
    if data.get("retry"):
        yield {**get_dict(data, "retry"), "type": "retry"}


def _tool_part(content: Json) -> Json:
    state = get_dict(content, "state")
    output = get_dicts(state, "content")
    return {
        "type": "tool",
        "tool": get_str(content, "name"),
        "callID": get_str(content, "id"),
        "state": {
            **state,
            "output": "\n".join(get_str(part, "text") or "" for part in output if "text" in part),
            "metadata": get_dict(state, "metadata") or get_dict(state, "structured"),
            "attachments": [part for part in output if part.get("type") == "file"],
        },
    }


def _shell_part(data: Json) -> Json:
    return {
        "type": "tool",
        "tool": "shell",
        "callID": get_str(data, "shellID"),
        "state": {
            "status": "running" if data.get("status") == "running" else "completed",
            "input": {"command": get_str(data, "command")},
            "output": get_str(data, "output", "text") or get_str(data, "output"),
            "metadata": {"exit": data.get("exit")},
        },
    }
