"""The content blocks of a line, wherever the line has them."""

from __future__ import annotations

from opensync_hooks.agents.json_access import get
from opensync_hooks.model import Json


def content_blocks(line: Json) -> list[Json]:
    """Return the content blocks of a line; a plain text, as in prompts, is one text block."""
    content = get(line, "message", "content")
    if content is None:
        content = line.get("content") or get(line, "attachment", "prompt")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [block for block in content if isinstance(block, dict)]
    return []


def text_of(line: Json) -> str:
    """Return the texts of a line, without thoughts and tools."""
    texts = (block.get("text") for block in content_blocks(line) if block.get("type") == "text")
    return "\n\n".join(text for text in texts if isinstance(text, str))
