"""The second pass over a transcript: one message at a time, read from its lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import field
from pathlib import Path
from typing import BinaryIO

from opensync_hooks.agents.claude_code.content import content_blocks
from opensync_hooks.agents.claude_code.lines import read_span
from opensync_hooks.agents.claude_code.results import attachment, tool_result
from opensync_hooks.agents.claude_code.thread import IndexedMessage
from opensync_hooks.agents.claude_code.user_lines import typed_blocks
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import SourceError
from opensync_hooks.model import (
    Charge,
    Json,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
)

_ROLES: dict[str, Role] = {"prompt": "user", "queued": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One transcript, as it was when it was indexed."""

    path: Path
    identity: tuple[int, int]
    """It stays the same as long as the file is only appended to."""
    changed_at: float = field(compare=False)
    """In seconds since 1970."""

    @classmethod
    def describing(cls, path: Path, file: BinaryIO) -> IndexedFile:
        status = os.fstat(file.fileno())
        return cls(path, (status.st_dev, status.st_ino), status.st_mtime)

    def open(self) -> BinaryIO:
        file = open_regular(self.path)
        if self.describing(self.path, file) != self:
            file.close()
            raise SourceError(f"{self.path}: replaced while it was read.", "It is read again.")
        return file


@dataclass(frozen=True, slots=True)
class TranscriptMessages:
    """The messages of one thread. Each walk reads the files anew, one message at a time."""

    files: tuple[IndexedFile, ...]
    index: tuple[IndexedMessage, ...]

    def __iter__(self) -> Iterator[Message]:
        with ExitStack() as stack:
            opened = [stack.enter_context(file.open()) for file in self.files]
            for indexed in self.index:
                message = _message(indexed, self._lines(opened, indexed))
                if message.parts:
                    yield message

    def select(self, is_wanted: Callable[[str], bool]) -> TranscriptMessages:
        index = tuple(indexed for indexed in self.index if is_wanted(indexed.id))
        return TranscriptMessages(self.files, index)

    def _lines(self, opened: Sequence[BinaryIO], indexed: IndexedMessage) -> Iterator[Json]:
        for span in indexed.spans:
            line = read_span(opened[span.file], span)
            if line is None:
                path = self.files[span.file].path
                raise SourceError(f"{path}: changed while it was read.", "It is read again.")
            yield line


def charges(indexed: IndexedMessage) -> tuple[Charge, ...]:
    """Return the charge of a response, then those of requests that are billed beside it."""
    if indexed.usage is None:
        return ()
    call = (indexed.charge_id, indexed.model, indexed.created_at, indexed.made_in)
    return tuple(indexed.usage.charges(*call))


def duration(indexed: IndexedMessage) -> int | None:
    """Return how long a response took: from the line before it to the last result of its tools."""
    if indexed.type != "assistant" or indexed.began_at is None or indexed.ended_at is None:
        return None
    return max(0, indexed.ended_at - indexed.began_at)


def _message(indexed: IndexedMessage, lines: Iterable[Json]) -> Message:
    """Build the message from its lines; it has no parts when they say nothing."""
    blocks: list[Json] = []
    results: dict[str, list[Json]] = {}
    tool_ids = frozenset(indexed.tool_ids)
    for line in lines:
        # A result's line may hold texts of its own, which are not the model's.
        is_own = indexed.type != "assistant" or line.get("type") == "assistant"
        for block in typed_blocks(line) if indexed.type == "prompt" else content_blocks(line):
            if "tool_use_id" not in block:
                blocks += [block] if is_own else []
            elif str(block["tool_use_id"]) in tool_ids:
                results.setdefault(str(block["tool_use_id"]), []).append(block)
    return Message(
        id=indexed.id,
        role=_ROLES.get(indexed.type, "system"),
        parts=tuple(_parts(blocks, results)),
        created_at=indexed.created_at,
        model=indexed.model,
        charge=next(iter(charges(indexed)), None),
        duration_ms=duration(indexed),
        undone=indexed.undone,
        aliases=(indexed.queued_id,) if indexed.queued_id else (),
    )


def _parts(blocks: list[Json], results: dict[str, list[Json]]) -> Iterator[Part]:
    """Yield the blocks in order, each tool call followed by its results, if there are any."""
    for block in blocks:
        part = _part(block)
        if part is None:
            continue
        yield part
        if isinstance(part, ToolCall):
            yield from (tool_result(result, part.name) for result in results.pop(part.id, ()))
    for orphans in results.values():
        yield from (tool_result(orphan, "") for orphan in orphans)


def _part(block: Json) -> Part | None:
    block_type = get_str(block, "type") or ""
    if block_type == "text":
        text = get_str(block, "text") or ""
        return Text(text) if text.strip() else None
    if block_type == "thinking":
        thought = get_str(block, "thinking") or ""
        return Reasoning(thought) if thought.strip() else None
    if block_type.endswith("tool_use"):
        return ToolCall(str(block.get("id")), str(block.get("name")), block.get("input"))
    return attachment(block)
