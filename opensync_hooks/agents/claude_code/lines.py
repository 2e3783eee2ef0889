"""One transcript file as its lines. Knows JSON and bytes, nothing of what the lines mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from opensync_hooks.agents.json_access import Value, decode
from opensync_hooks.agents.safe_open import open_regular

LONGEST_LINE = 256 << 20

Skip = Callable[[str], None]
"""Told the name of each thing that was passed over."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a line lies in its file, in bytes, without the newline."""

    offset: int
    length: int


def scan(file: BinaryIO, end: int, skip: Skip) -> Iterator[tuple[Span, Value]]:
    """Every complete line before `end` that holds a JSON object, split at newlines alone."""
    offset = 0
    while offset < end:
        raw = file.readline(LONGEST_LINE)
        start, offset = offset, offset + len(raw)
        if not raw.endswith(b"\n"):
            if len(raw) < LONGEST_LINE:
                return skip("torn last line")
            offset += _to_next_line(file)
            skip("line too long")
        elif raw.strip():
            value = parse(raw)
            if value is None:
                skip("unreadable line")
            else:
                yield Span(start, len(raw) - 1), value
    return None


def _to_next_line(file: BinaryIO) -> int:
    skipped = 0
    while raw := file.readline(1 << 20):
        skipped += len(raw)
        if raw.endswith(b"\n"):
            break
    return skipped


def parse(raw: bytes) -> Value | None:
    """The JSON object in `raw`, if it holds one."""
    value = decode(raw)
    return value if isinstance(value, dict) else None


def read_span(file: BinaryIO, span: Span) -> Value | None:
    """The line at `span`; None when the file no longer holds it there."""
    file.seek(span.offset)
    return parse(file.read(span.length))


def last_values(path: Path, window: int) -> Iterator[Value]:
    """The complete lines in the last `window` bytes, last one first."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = max(0, size - window)
        file.seek(start)
        raw_lines = file.read(size - start).split(b"\n")
    first_whole = 1 if start else 0
    for raw in reversed(raw_lines[first_whole:-1]):
        value = parse(raw)
        if value is not None:
            yield value
