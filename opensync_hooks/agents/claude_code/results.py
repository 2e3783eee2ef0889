"""The results of tools as text. Tools of the API answer with objects of many shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from opensync_hooks.agents.json_access import get_dict, get_str
from opensync_hooks.model import Attachment, Json, ToolResult

_MAX_DEPTH = 20
_TITLE_KEYS = ("text", "title", "url")
_TEXT_KEYS = ("stdout", "stderr", "output", "content", "lines", "error_code", "error_message")


def tool_result(block: Json, tool_name: str) -> ToolResult:
    content = block.get("content")
    is_error = bool(block.get("is_error")) or "error_code" in get_dict(block, "content")
    return ToolResult(str(block["tool_use_id"]), tool_name, _text(content), is_error)


def attachment(block: Json) -> Attachment | None:
    """Return an image or a document, which the transcript holds in base64."""
    if block.get("type") not in ("image", "document"):
        return None
    source = get_dict(block, "source")
    data = get_str(source, "data") or ""
    size = len(data) * 3 // 4 - data[-2:].count("=")
    media_type = get_str(source, "media_type") or str(block["type"])
    return Attachment(media_type, size, get_str(block, "title") or "")


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(_describe(part) for part in content if isinstance(part, dict))
    if not isinstance(content, dict):
        return content if isinstance(content, str) else ""
    if texts := list(_texts(content)):
        return "\n".join(texts)
    readable = {key: value for key, value in content.items() if not key.startswith("encrypted_")}
    return json.dumps(readable, ensure_ascii=False, default=str)


def _describe(block: Json) -> str:
    """Return one block of a tool's result as text."""
    return "\n".join(_texts(block)) or f"[{block.get('type')}]"


def _texts(block: Json, depth: int = 0) -> Iterator[str]:
    """Yield the texts of an object and of those in it; the encrypted ones are for the API alone."""
    if get_str(block, "source", "type") == "text":
        yield from filter(None, (get_str(block, "title"), get_str(block, "source", "data")))
    elif file := attachment(block):
        yield f"[{file.media_type}, {file.size} bytes]"
    elif title := " ".join(filter(None, (get_str(block, key) for key in _TITLE_KEYS))):
        yield title
    for value in (block.get(key) for key in _TEXT_KEYS):
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, dict) and depth < _MAX_DEPTH:
                yield from _texts(part, depth + 1)
            elif isinstance(part, str) and part.strip():
                yield part.strip("\n")
