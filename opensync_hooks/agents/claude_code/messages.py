"""The second pass over a transcript: one message at a time, from where its lines lie."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from opensync_hooks.agents.claude_code import line_types
from opensync_hooks.agents.claude_code.index import Unit
from opensync_hooks.agents.claude_code.lines import read_span
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.errors import SourceError
from opensync_hooks.model import (
    Attachment,
    Charge,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Messages:
    """The messages of one thread, read from the file anew on each walk, one message in memory."""

    path: Path
    identity: tuple[int, int]
    units: tuple[Unit, ...]

    def __iter__(self) -> Iterator[Message]:
        with open_regular(self.path) as file:
            if identity(file) != self.identity:
                raise SourceError(f"{self.path}: replaced while it was read.", "It is read again.")
            for unit in self.units:
                message = build(unit, _lines(file, unit, self.path))
                if message.parts:
                    yield message


def identity(file: BinaryIO) -> tuple[int, int]:
    """The same for as long as the file is only appended to."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


def _lines(file: BinaryIO, unit: Unit, path: Path) -> Iterator[dict[str, Any]]:
    for span in unit.spans:
        line = read_span(file, span)
        if line is None:
            raise SourceError(f"{path}: changed while it was read.", "It is read again.")
        yield line


def build(unit: Unit, lines: Iterable[dict[str, Any]]) -> Message:
    """The message that a unit's lines add up to; without parts when they say nothing."""
    blocks: list[Block] = []
    results: dict[str, list[Block]] = {}
    for line in lines:
        own = unit.kind != "assistant" or line.get("type") == "assistant"
        for block in line_types.content_blocks(line):
            if "tool_use_id" not in block:
                blocks.extend([block] if own else [])
            elif str(block["tool_use_id"]) in unit.tool_ids:
                results.setdefault(str(block["tool_use_id"]), []).append(block)
    return Message(
        id=unit.id,
        role=_ROLES.get(unit.kind, "system"),
        parts=tuple(_parts(blocks, results)),
        created_at=unit.created_at,
        model=unit.model,
        charge=charge(unit),
        duration_ms=duration(unit),
        undone=unit.undone,
    )


_ROLES: dict[str, Role] = {"prompt": "user", "assistant": "assistant"}


def charge(unit: Unit) -> Charge | None:
    return Charge(unit.id, unit.model, unit.usage) if unit.usage is not None else None


def duration(unit: Unit) -> int | None:
    """How long the agent worked on a response: from the line before it to its last result."""
    if unit.kind != "assistant" or unit.began_at is None or unit.ended_at is None:
        return None
    return max(0, unit.ended_at - unit.began_at)


def _parts(blocks: list[Block], results: dict[str, list[Block]]) -> Iterator[Part]:
    """The blocks in order, each tool call followed by its results where they are there."""
    for block in blocks:
        part = _part(block)
        if part is None:
            continue
        yield part
        if isinstance(part, ToolCall):
            for result in results.pop(part.id, ()):
                yield _result(result, part.name)
    for orphans in results.values():
        yield from (_result(orphan, "") for orphan in orphans)


def _part(block: Block) -> Part | None:
    of = block.get("type")
    if of == "text":
        text = block.get("text")
        return Text(text) if isinstance(text, str) and text.strip() else None
    if of == "thinking":
        thought = block.get("thinking")
        return Reasoning(thought) if isinstance(thought, str) and thought.strip() else None
    if isinstance(of, str) and of.endswith("tool_use"):
        return ToolCall(str(block.get("id")), str(block.get("name")), block.get("input"))
    return _attachment(block)


def _attachment(block: Block) -> Attachment | None:
    """An image or a document that lies in the transcript whole, in base64."""
    if block.get("type") not in ("image", "document"):
        return None
    source = block.get("source")
    source = source if isinstance(source, dict) else {}
    data = source.get("data")
    size = len(data) * 3 // 4 - data[-2:].count("=") if isinstance(data, str) else 0
    media_type = source.get("media_type")
    name = block.get("title")
    return Attachment(
        media_type if isinstance(media_type, str) else str(block["type"]),
        size,
        name if isinstance(name, str) else "",
    )


def _result(block: Block, name: str) -> ToolResult:
    content = block.get("content")
    if isinstance(content, list):
        content = "\n".join(_said(item) for item in content if isinstance(item, dict))
    output = content if isinstance(content, str) else ""
    return ToolResult(str(block["tool_use_id"]), name, output, bool(block.get("is_error")))


def _said(item: Block) -> str:
    """One item of a tool's result in words."""
    attachment = _attachment(item)
    if attachment is not None:
        return f"[{attachment.media_type}, {attachment.size} bytes]"
    found = (item.get(key) for key in ("text", "title", "url"))
    return " ".join(text for text in found if isinstance(text, str)) or f"[{item.get('type')}]"
