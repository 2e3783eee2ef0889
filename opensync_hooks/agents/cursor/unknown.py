"""What may hold words in Cursor's databases, and no reader knows.

A newer version may keep something in a table, under a key or in a form of its own. It is counted by
its name. Rows of the session that look like something said make it incomplete.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.json_access import content_blocks
from opensync_hooks.agents.sqlite_snapshot import as_parameter
from opensync_hooks.model import Json, Part, Skipped, Text

_TABLES = ("ItemTable", "cursorDiskKV", "composerHeaders", "blobs", "meta")
_OWNER_COLUMNS = ("composerId", "conversationId", "conversation_id", "sessionId", "session_id")
_KEYS = (
    *("composerData:", "bubbleId:", "agentKv:", "checkpointId:", "messageRequestContext:"),
    *("codeBlockDiff:", "codeBlockPartialInlineDiffFates:", "inlineDiff", "ofsContent:"),
    *("composer.content.", "composerVirtualRowHeights:", "composerDraft:"),
    *("composerRootWriterDiagnostic:", "localAgentMailboxCursor:"),
)
"""How the keys of `cursorDiskKV` begin."""
_WINDOW_KEYS = (
    "aiService.",
    "composer.",
    "workbench.panel.aichat.",
    "workbench.backgroundComposer",
)
_KNOWN_WINDOW_KEYS = (
    *("aiService.prompts", "aiService.generations", "composer.composerData"),
    "workbench.panel.aichat.view.aichat.chatdata",
)
_MAX_KEYS = 100
_WORD = re.compile(r"[A-Za-z]*[.:/_-]?")
_SPEECH = re.compile(rb'"(?:text|content|message|role|prompt|parts)"\s*:')
_MAX_SAMPLE = 4_096
_MAX_ROWS = 1_000
"""Of a table that cannot be searched for a session, no more are counted."""
_MAX_NAME_LENGTH = 40
_CAPABILITIES = (None, 15, 22, 30)
"""Of bubbles: none, a call, a compaction, a thought."""
_BLOCKS = ("text", "reasoning", "redacted-reasoning", "image", "file", "tool-call", "tool-result")


def in_database(db: sqlite3.Connection, session_id: str) -> Counter[Skipped]:
    """Count rows in tables, and under keys, that no version has had. Raises sqlite3.Error.

    Nothing is counted from where the file is damaged on: that concerns other sessions.
    """
    skipped: Counter[Skipped] = Counter()
    try:
        for rows, count in _unknown_rows(db, session_id):
            skipped[rows] += count
    except sqlite3.DatabaseError as error:
        if not sqlite_snapshot.is_damage(error):
            raise
    return +skipped


def _unknown_rows(db: sqlite3.Connection, session_id: str) -> Iterator[tuple[Skipped, int]]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = {_text(name) for (name,) in db.execute(query)}
    for table in sorted(tables.difference(_TABLES)):
        if not table.startswith("sqlite_"):
            count, is_said = _in_table(db, table, session_id)
            yield _row(f"table {table}", is_said=is_said), count
    for beginning in _unknown_keys(db) if "cursorDiskKV" in tables else ():
        bounds = (f"{beginning}{session_id}", f"{beginning}{session_id};")
        where = "FROM cursorDiskKV WHERE key >= ? AND key < ?"
        rows = f"SELECT count(*) {where}", f"SELECT substr(value, 1, {_MAX_SAMPLE}) {where} LIMIT 1"
        count, is_said = _sampled(db, *rows, *bounds)
        yield _row(f"key {beginning}", is_said=is_said), count or 1


def _row(name: str, *, is_said: bool) -> Skipped:
    return Skipped("unreadable" if is_said else "unknown", f"row of {name[:_MAX_NAME_LENGTH]}")


def _in_table(db: sqlite3.Connection, table: str, session_id: str) -> tuple[int, bool]:
    """Return how many rows there are, of the session if that is indexed, and if they speak."""
    name = '"{}"'.format(table.replace('"', '""'))
    columns = [_text(row[1]) for row in db.execute(f"PRAGMA table_info({name})")]
    for column in (column for column in _OWNER_COLUMNS if column in columns):
        where = f"FROM {name} WHERE {column} = ?"
        plan = db.execute(f"EXPLAIN QUERY PLAN SELECT * {where}", (session_id,)).fetchone()
        if _text(plan[3]).startswith("SEARCH"):
            rows = f"SELECT count(*) {where}", f"SELECT * {where} LIMIT 1"
            return _sampled(db, *rows, session_id)
    limited = f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {_MAX_ROWS})"  # noqa: S608
    return db.execute(limited).fetchone()[0], False


def _sampled(db: sqlite3.Connection, count: str, sample: str, *bounds: str) -> tuple[int, bool]:
    parameters = tuple(map(as_parameter, bounds))
    number = db.execute(count, parameters).fetchone()[0]
    values = db.execute(sample, parameters).fetchone() or ()
    texts = (value[:_MAX_SAMPLE] for value in values if isinstance(value, bytes))
    return number, any(map(_SPEECH.search, texts))


def _unknown_keys(db: sqlite3.Connection) -> Iterator[str]:
    """Yield how unknown keys begin; each beginning takes one step in the index."""
    query = "SELECT key FROM cursorDiskKV WHERE key > ? ORDER BY key LIMIT 1"
    after = ""
    for _ in range(_MAX_KEYS):
        row = db.execute(query, (after,)).fetchone()
        if row is None:
            return
        key = _text(row[0])
        beginning = next((prefix for prefix in _KEYS if key.startswith(prefix)), "")
        if not beginning:
            word = _WORD.match(key)
            beginning = (word[0] if word else "") or key[:1]
            yield beginning
        after = f"{beginning}\U0010ffff"


def in_window(db: sqlite3.Connection) -> Counter[Skipped]:
    """Count the keys of chats in a window's ItemTable that no version has had, if they speak."""
    query = "SELECT key, value FROM ItemTable WHERE key >= ? AND key < ?"
    skipped: Counter[Skipped] = Counter()
    for beginning in _WINDOW_KEYS:
        for key, value in db.execute(query, (beginning, f"{beginning}\U0010ffff")):
            is_said = isinstance(value, bytes) and _SPEECH.search(value[:_MAX_SAMPLE])
            if is_said and _text(key) not in _KNOWN_WINDOW_KEYS:
                skipped[_row(f"key {_text(key)}", is_said=True)] += 1
    return skipped


def in_bubble(bubble: Json, parts: Iterable[Part]) -> Iterator[Skipped]:
    """Yield what is in a bubble besides the parts that were made of it."""
    kind, capability, text = (bubble.get(key) for key in ("type", "capabilityType", "text"))
    read = tuple(parts)
    if bubble and kind not in (1, 2):
        yield Skipped("unknown" if read else "unreadable", f"bubble of type {_short(kind)}")
    if capability not in _CAPABILITIES and not read:
        yield Skipped("unknown", f"bubble of capability {_short(capability)}")
    if text and not isinstance(text, str):
        is_lost = not any(isinstance(part, Text) for part in read)
        yield Skipped("unreadable" if is_lost else "unknown", "text that is not a string")


def in_message(message: Json) -> Iterator[Skipped]:
    """Yield the roles and blocks that no version of a graph has had."""
    role, content = message.get("role"), message.get("content")
    if message and role not in ("system", "user", "assistant", "tool"):
        yield Skipped("unreadable", f"message of role {_short(role)}")
    if not isinstance(content, str | list | None):
        yield Skipped("unreadable", "text that is not a string")
    yield from in_blocks(content_blocks(message), _BLOCKS)


def in_blocks(blocks: Iterable[Json], types: tuple[str, ...]) -> Iterator[Skipped]:
    for block in blocks:
        kind, text = block.get("type"), block.get("text")
        if kind not in types:
            yield Skipped("unreadable", f"block of type {_short(kind)}")
        elif text and not isinstance(text, str):
            yield Skipped("unreadable", "text that is not a string")


def _short(value: Any) -> str:
    return str(value)[:_MAX_NAME_LENGTH]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
