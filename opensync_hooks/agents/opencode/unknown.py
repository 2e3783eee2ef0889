"""What may hold words in OpenCode's database and in its messages, and no reader knows.

A newer version may keep something in a table, a column or a form of its own. It is counted by its
name, so that a session which may lack something is never called complete.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from opensync_hooks.agents.json_access import get_dict
from opensync_hooks.agents.opencode.layouts import UNREADABLE_PART
from opensync_hooks.agents.opencode.table_reader import TableReader
from opensync_hooks.agents.opencode.vocabulary import TOKENS
from opensync_hooks.agents.vocabulary import unknown_fields
from opensync_hooks.model import Json, Skipped

TOOL_STATES = ("pending", "running", "streaming", "completed", "error")
_COLUMNS = {
    "message": {"id", "session_id", "time_created", "time_updated", "data"},
    "part": {"id", "message_id", "session_id", "time_created", "time_updated", "data"},
    "session_message": {"id", "session_id", "type", "seq", "time_created", "time_updated", "data"},
}
"""The tables with what was said."""
_OTHER_TABLES = {
    *("todo", "session_share", "session_input", "session_context_epoch", "permission"),
    *("kilo_board", "kilo_board_message"),
}
"""Tables with rows of a session that hold nothing of the conversation."""
_WORD = re.compile(r"\w+")
_UNREADABLE_COUNT = Skipped("unknown", "unreadable token count or cost")


def in_tables(reader: TableReader, session_id: str) -> Counter[Skipped]:
    """Count the session's rows in tables, and its values in columns, that no version has had."""
    skipped: Counter[Skipped] = Counter()
    for table in filter(_WORD.fullmatch, reader.tables()):
        columns = reader.columns(table)
        if table in _OTHER_TABLES or "session_id" not in columns:
            continue
        count = f"SELECT count(*) FROM {table} WHERE session_id = ?"  # noqa: S608 - a plain word
        if table not in _COLUMNS:
            name = Skipped("unreadable", f"row of table {table[:40]}")
            skipped[name] += reader.run(count, session_id)[0][0]
            continue
        for column in filter(_WORD.fullmatch, columns - _COLUMNS[table]):
            values = reader.run(f"{count} AND {column} IS NOT NULL", session_id)[0][0]
            skipped[Skipped("unreadable", f"column {table}.{column[:40]}")] += values
    return +skipped


def in_message(info: Json, parts: tuple[Json, ...]) -> Iterator[Skipped]:
    """Yield what is of a type that no version has written."""
    tokens = get_dict(info, "tokens")
    for field, _ in unknown_fields(tokens, TOKENS):
        yield Skipped("unknown", f"count tokens.{field[:40]}")
    cache = tokens.get("cache")
    others = (value for name, value in tokens.items() if name != "cache")
    counts = (*others, *(cache.values() if isinstance(cache, dict) else [cache]), info.get("cost"))
    if not isinstance(info.get("tokens", {}), dict | None) or not all(map(_is_count, counts)):
        yield _UNREADABLE_COUNT
    for part in parts:
        kind, state = part.get("type"), part.get("state")
        text = part.get("text") or ""
        if kind == "tool" and isinstance(state, dict):
            if state.get("status") not in TOOL_STATES:
                yield Skipped("unknown", f"tool call of status {str(state.get('status'))[:40]}")
        elif kind == "tool" or (kind in ("text", "reasoning") and not isinstance(text, str)):
            yield UNREADABLE_PART


def _is_count(value: Any) -> bool:
    if value is None:
        return True
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # An integer may be beyond every float, which `isfinite` refuses.
    return is_number and (isinstance(value, int) or math.isfinite(value)) and value >= 0
