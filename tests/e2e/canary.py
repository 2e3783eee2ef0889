"""Compares the names that the newest agents write with those that the package declares.

Claude Code and OpenCode are taken from what they wrote while the tests played conversations with
them, and the events from their own lists; Cursor's from the program text of its SDK.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from opensync_hooks.agents.claude_code import vocabulary as claude_code
from opensync_hooks.agents.cursor import vocabulary as cursor
from opensync_hooks.agents.opencode import table_reader
from opensync_hooks.agents.opencode import vocabulary as opencode

Name = tuple[str, str]
"""A category, such as `line type`, and a name in it."""
Names = dict[str, frozenset[str]]

CLAUDE_CODE_DECLARED: Names = {
    "line type": claude_code.LINE_TYPES,
    "line field": claude_code.LINE_FIELDS,
    "system subtype": claude_code.SYSTEM_SUBTYPES,
    "attachment type": claude_code.ATTACHMENT_TYPES,
    "command mode": claude_code.COMMAND_MODES,
    "queue operation": claude_code.QUEUE_OPERATIONS,
    "message field": claude_code.MESSAGE_FIELDS,
    "block type": frozenset({*claude_code.BLOCK_TYPES, "tool_use", "tool_result"}),
    "block field": claude_code.BLOCK_FIELDS,
    "usage field": claude_code.USAGE_FIELDS,
    "origin": claude_code.ORIGINS,
    "prompt source": claude_code.PROMPT_SOURCES,
    "hook event": claude_code.HOOK_EVENTS,
}
CLAUDE_CODE_NEEDED: Names = {
    "line type": frozenset({"user", "assistant", "system", "attachment", "queue-operation"}),
    "line field": frozenset(
        {
            *("uuid", "parentUuid", "timestamp", "sessionId", "cwd", "version", "message"),
            *("requestId", "promptSource", "origin", "isMeta", "isSidechain", "isCompactSummary"),
        }
    ),
    "system subtype": frozenset({"local_command", "compact_boundary"}),
    "attachment type": frozenset({claude_code.QUEUED_COMMAND}),
    "command mode": frozenset({"prompt"}),
    "queue operation": frozenset({"enqueue", "dequeue", "remove"}),
    "message field": frozenset({"id", "model", "content", "usage"}),
    "block type": frozenset({"text", "thinking", "image", "tool_use", "tool_result"}),
    "block field": frozenset({"id", "name", "input", "tool_use_id", "content", "is_error"}),
    "usage field": frozenset(claude_code.USAGE_COUNTS) | {"cache_creation"},
    "origin": frozenset({"human", "task-notification"}),
    "prompt source": frozenset({"typed", "sdk"}),
    "hook event": frozenset({"Stop", "SessionEnd"}),
}
OPENCODE_DECLARED: Names = {
    "table": opencode.TABLES,
    "column of session": opencode.SESSION_COLUMNS,
    "column of message": opencode.MESSAGE_COLUMNS,
    "column of part": opencode.PART_COLUMNS,
    "role": opencode.ROLES,
    "message field": opencode.MESSAGE_FIELDS,
    "tokens field": opencode.TOKENS,
    "part type": opencode.PART_TYPES,
    "part field": opencode.PART_FIELDS,
    "tool state field": opencode.TOOL_STATE_FIELDS,
    "event": opencode.EVENTS,
}
OPENCODE_NEEDED: Names = {
    "table": frozenset({"session", "message", "part", "project", "event_sequence"}),
    "column of session": frozenset(table_reader.SESSION_COLUMNS)
    - {"fork_session_id", "time_idle"},  # of 2.x
    "column of message": opencode.MESSAGE_COLUMNS,
    "column of part": opencode.PART_COLUMNS,
    "role": frozenset({"user", "assistant"}),
    "message field": frozenset(
        {"role", "time", "modelID", "providerID", "tokens", "cost", "finish", "error", "summary"}
    ),
    "tokens field": opencode.TOKENS - {"cache."},
    "part type": frozenset({"text", "reasoning", "tool", "file"}),
    "part field": frozenset({"type", "text", "tool", "callID", "state", "synthetic", "filename"}),
    "tool state field": frozenset({"status", "input", "output", "error"}),
    "event": frozenset({"session.idle", "session.updated", "session.error", "session.status"}),
}
CURSOR_DECLARED: Names = {
    "hook event": cursor.HOOK_EVENTS,
    "table": cursor.TABLES,
    **{f"field of {message}": fields for message, fields in cursor.MESSAGES.items()},
}
CURSOR_NEEDED: Names = {
    "hook event": frozenset({"stop", "sessionEnd"}),
    "table": frozenset({"blobs", "meta"}),
    **{f"field of {message}": fields for message, fields in cursor.READ_FIELDS.items()},
}


def compare(seen: Collection[Name], declared: Names, needed: Names) -> tuple[list[str], list[str]]:
    """Return which names were seen that nothing declares, and which needed ones were not seen."""
    new = [
        f"{category} {name}"
        for category, name in seen
        if name not in declared[category] and not _is_tool_block(category, name)
    ]
    gone = [
        f"{category} {name}"
        for category, names in needed.items()
        for name in names
        if (category, name) not in seen
    ]
    return sorted(new), sorted(gone)


def _is_tool_block(category: str, name: str) -> bool:
    return category == "block type" and name.endswith(("_tool_use", "_tool_result"))


def claude_code_names(folder: Path, program: Path) -> Counter[Name]:
    """Count the names in all transcripts below a folder; hook events as the program lists them."""
    names: Counter[Name] = Counter()
    for path in folder.rglob("*.jsonl"):
        if ".claude" in path.parts and "projects" in path.parts and path.name != "journal.jsonl":
            for raw in path.read_bytes().split(b"\n"):
                names.update(_names_in_line(json.loads(raw)) if raw else ())
    listed = re.search(rb'"PreToolUse"(?:,"\w+")+', program.read_bytes())
    events = json.loads(b"[%s]" % listed[0]) if listed else ()
    names.update(("hook event", event) for event in events)
    return names


def _names_in_line(line: dict[str, Any]) -> Iterator[Name]:
    yield "line type", line["type"]
    if line["type"] == "queue-operation":
        yield "queue operation", line["operation"]
    if line["type"] not in ("user", "assistant", "system", "attachment"):
        return
    yield from (("line field", field) for field in line)
    if line["type"] == "system":
        yield "system subtype", line["subtype"]
    attachment = line.get("attachment", {})
    if attachment:
        yield "attachment type", attachment["type"]
    if "commandMode" in attachment:
        yield "command mode", attachment["commandMode"]
    for source in (line, attachment):
        if isinstance(source.get("origin"), dict):
            yield "origin", source["origin"]["kind"]
        if "promptSource" in source:
            yield "prompt source", source["promptSource"]
    message = line.get("message", {})
    yield from (("message field", field) for field in message)
    yield from (("usage field", field) for field in fields(message.get("usage") or {}))
    yield from _names_in_content(message.get("content"))


def _names_in_content(content: object) -> Iterator[Name]:
    for block in content if isinstance(content, list) else ():
        yield "block type", block["type"]
        yield from (("block field", field) for field in block)
        yield from _names_in_content(block.get("content"))  # of a tool's result


def opencode_names(folder: Path) -> Counter[Name]:
    """Count the names in all databases below a folder, and the events that plugins have heard."""
    names: Counter[Name] = Counter()
    for path in folder.rglob("opencode*.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            names.update(_names_in_database(db))
    for path in folder.rglob("opencode-events"):
        names.update(("event", event) for event in path.read_text().split())
    return names


def _names_in_database(db: sqlite3.Connection) -> Iterator[Name]:
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table.startswith(("sqlite_", "__drizzle")):
            continue
        yield "table", table
        if table in ("session", "message", "part"):
            columns = db.execute(f"PRAGMA table_info({table})").fetchall()
            yield from ((f"column of {table}", column[1]) for column in columns)
    for (raw,) in db.execute("SELECT data FROM message"):
        message = json.loads(raw)
        yield "role", message["role"]
        yield from (("message field", field) for field in message)
        yield from (("tokens field", field) for field in fields(message.get("tokens", {})))
    for (raw,) in db.execute("SELECT data FROM part"):
        part = json.loads(raw)
        yield "part type", part["type"]
        yield from (("part field", field) for field in part)
        yield from (("tool state field", field) for field in part.get("state", ()))


def fields(counts: dict[str, Any]) -> Iterator[str]:
    """Return the names of counts, and `field.field` for those of an object."""
    for name, value in counts.items():
        yield name
        yield from (f"{name}.{inner}" for inner in value) if isinstance(value, dict) else ()


def cursor_names(program: str) -> set[Name]:
    """Return the names in the text of Cursor's SDK."""
    names: set[Name] = set()
    events = re.search(r'\{(?:\w+:"\w+",)*stop:"stop"(?:,\w+:"\w+")*\}', program)
    if events:
        names.update(("hook event", event) for event in re.findall(r':"(\w+)"', events[0]))
    tables = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", program)
    names.update(("table", table) for table in tables)
    for message in cursor.MESSAGES:
        descriptor = re.search(rf'"{message}\|([^"]+)"', program)
        fields: Iterable[str] = descriptor[1].split("|") if descriptor else ()
        names.update((f"field of {message}", " ".join(field.split()[:2])) for field in fields)
    return names
