"""The names by which the lines of a transcript refer to one another.

A line that is read without those before it is understood only if it refers to none of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from opensync_hooks.agents.claude_code.content import content_blocks, text_of
from opensync_hooks.agents.claude_code.queued import queued_id
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.model import Json


def introduced(line: Json) -> Iterator[str]:
    """Yield the names under which later lines may mean this one."""
    yield from _own_names(line)
    if line.get("type") == "queue-operation":
        yield from _queued_text(line)
    if line.get("type") == "assistant":
        for block in content_blocks(line):
            if isinstance(block.get("id"), str) and "name" in block:
                yield block["id"]


def mentioned(line: Json) -> Iterator[str]:
    """Yield the names that have to be new, and those of other lines; not that of the parent."""
    yield from _own_names(line)
    if line.get("operation") == "remove":
        yield from _queued_text(line)


def answered_calls(line: Json) -> Iterator[str]:
    """Yield the ids of the calls whose results are in the line."""
    for block in content_blocks(line):
        if isinstance(block.get("tool_use_id"), str):
            yield block["tool_use_id"]


def _own_names(line: Json) -> Iterator[str]:
    if line.get("type") == "queue-operation":
        yield queued_id(line)
        return
    names = (get_str(line, "uuid"), get_str(line, "attachment", "source_uuid"))
    yield from filter(None, (*names, get_str(line, "message", "id")))


def _queued_text(line: Json) -> Iterator[str]:
    if text := text_of(line):
        yield f"queued: {text}"
