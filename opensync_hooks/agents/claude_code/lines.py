"""One transcript file as lines of JSON. What the lines mean is the business of `line_types`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from opensync_hooks.agents.claude_code import salvage
from opensync_hooks.agents.json_access import decode_dict
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.model import Json, Skipped

MAX_LINE_BYTES = 256 << 20
TORN = Skipped("unreadable", "torn last line")


class Span(NamedTuple):
    """The bytes of a record in its file."""

    offset: int
    length: int
    file: int = 0
    """Which of the session's transcripts it is in."""


def scan(
    file: BinaryIO,
    end: int,
    on_skip: Callable[[Skipped], None],
    offset: int = 0,
    is_read: Callable[[bytes], bool] = lambda _: True,
) -> Iterator[tuple[Span, Json]]:
    """Yield every record before `end`: each line that is a JSON object, or the objects in it.

    `on_skip` gets the reason for each piece that is passed over. `offset`: where the first line
    begins. `is_read`: tells from the bytes of a line whether it has to be decoded at all.
    """
    file.seek(offset)
    while offset < end:
        # Only newlines separate lines: U+2028 is unescaped in texts, and str.splitlines breaks it.
        raw = file.readline(min(MAX_LINE_BYTES, end - offset))
        start, offset, is_complete = offset, offset + len(raw), raw.endswith(b"\n")
        if is_complete or offset == end:
            if not is_read(raw):
                continue
            text = raw.decode("utf-8-sig", "replace")
            del raw  # a line may have 100 MB, which must not be in memory three times
            line = decode_dict(text)
            del text
            if line is not None:
                yield Span(start, offset - start), line
                continue
            file.seek(start)
            reason = Skipped("unreadable", "unreadable line") if is_complete else TORN
            pieces = _salvage(file.read(offset - start), partial(on_skip, reason))
            for (position, length), record in pieces:
                yield Span(start + position, length), record
            file.seek(offset)
        elif not raw:
            return  # the file has become shorter
        else:
            offset += _skip_line(file)
            on_skip(Skipped("unreadable", "line too long"))


def _salvage(raw: bytes, on_skip: Callable[[], None]) -> Iterator[tuple[tuple[int, int], Json]]:
    """Yield the offset and the length of each record in a damaged line, and the record."""
    for piece in salvage.records(raw):
        record = piece and decode_dict(raw[piece[0] : sum(piece)])
        if piece and record:
            yield piece, record
        else:
            on_skip()


def _skip_line(file: BinaryIO) -> int:
    """Read to the end of the current line in small pieces; returns how many bytes that were."""
    skipped = 0
    while raw := file.readline(1 << 20):
        skipped += len(raw)
        if raw.endswith(b"\n"):
            break
    return skipped


def read_span(file: BinaryIO, span: Span) -> Json | None:
    """Read the line at `span`; None if the file no longer holds it there."""
    file.seek(span.offset)
    return decode_dict(file.read(span.length).decode("utf-8-sig", "replace"))


def last_lines(path: Path, window: int) -> Iterator[Json]:
    """Yield the whole lines in the last `window` bytes, last one first. Raises SourceError."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = max(0, size - window)
        file.seek(start)
        raw_lines = file.read(size - start).split(b"\n")
    first_complete = 1 if start else 0
    for raw in reversed(raw_lines[first_complete:]):
        line = decode_dict(raw)
        if line is not None:
            yield line
