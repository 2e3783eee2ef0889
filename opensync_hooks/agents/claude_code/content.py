"""The content blocks of a line, wherever the line has them."""

from __future__ import annotations

from collections.abc import Iterator

from opensync_hooks.agents.json_access import get
from opensync_hooks.model import Json

_PLACES = (("message", "content"), ("content",), ("attachment", "prompt"))


def content_blocks(line: Json) -> Iterator[Json]:
    """Yield the content blocks of a line; a plain text, as in prompts, is one text block."""
    contents = (get(line, *keys) for keys in _PLACES)
    content = next((content for content in contents if content is not None), None)
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    elif isinstance(content, list):
        yield from (block for block in content if isinstance(block, dict))


def text_of(line: Json) -> str:
    """Return the texts of a line, without thoughts and tools."""
    texts = (block.get("text") for block in content_blocks(line) if block.get("type") == "text")
    return "\n\n".join(text for text in texts if isinstance(text, str))
