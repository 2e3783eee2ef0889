"""Takes the intact records out of a damaged line.

A crash leaves null bytes before a line. Two writers leave two records on one line, or one of them
behind half of another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from opensync_hooks.model import Json

_PADDING = re.compile(r"[\0\s\ufeff]*")
_MAX_ATTEMPTS = 100
"""On a line of many damaged pieces, each attempt may read all the rest of it."""
_decode = json.JSONDecoder().raw_decode


class Record(NamedTuple):
    """A whole record, from `start` to before `end` in the text of its line."""

    start: int
    end: int
    value: Json


def records(raw: bytes) -> Iterator[tuple[int, int] | None]:
    """Yield the offset and the length of each record of a line; None for each damaged piece."""
    text = raw.decode("utf-8", "surrogateescape")
    position = _skip_padding(text, 0)
    while position < len(text):
        record = _record_at(text, position)
        if record is None:
            yield None
            record = _next_record(text, position + 1)
        if record is None:
            return
        before, within = text[: record.start], text[record.start : record.end]
        yield _size(before), _size(within)
        position = _skip_padding(text, record.end)


def _record_at(text: str, start: int) -> Record | None:
    try:
        value, end = _decode(text, start)
    except (ValueError, RecursionError):
        return None
    return Record(start, end, value) if isinstance(value, dict) else None


def _next_record(text: str, position: int) -> Record | None:
    """Return the first record behind half of another one, and not the objects in that half."""
    for _ in range(_MAX_ATTEMPTS):
        position = text.find('{"', position)
        record = _record_at(text, position) if position >= 0 else None
        while record and not {"type", "sessionId"} <= record.value.keys():
            position = text.find('{"', record.end)
            record = _record_at(text, position) if position >= 0 else None
        if record or position < 0:
            return record
        position += 1
    return None


def _skip_padding(text: str, position: int) -> int:
    padding = _PADDING.match(text, position)
    return padding.end() if padding else position


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
