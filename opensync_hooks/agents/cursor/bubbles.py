"""One bubble of the editor's window as a step: the fields that are sent, and no others.

A bubble has some ninety fields, nearly all of them empty or private; what is not named here stays
on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opensync_hooks.agents.cursor import timestamps, tools
from opensync_hooks.agents.cursor.conversation import Step, answer_parts, model_name, text_parts
from opensync_hooks.agents.json_access import (
    as_dict,
    decode,
    get_count,
    get_dict,
    get_dicts,
    get_list,
    get_str,
)
from opensync_hooks.model import Attachment, Json, Part, Reasoning, Role, Text, Usage

_COMPACTION = 22  # the `capabilityType` of the mark at which the context was shortened
_MAX_DEPTH = 200
_BLOCK_ENDS = ("paragraph", "linebreak", "hardBreak", "heading", "listitem")


def to_step(bubble: Json, bubble_id: str, header: Json, tool: Json) -> Step:
    """Convert a bubble; `tool` is its tool call, wherever its version keeps it."""
    input_tokens = get_count(bubble, "tokenCount", "inputTokens")
    output_tokens = get_count(bubble, "tokenCount", "outputTokens")
    is_counted = input_tokens or output_tokens  # since 2026 the editor writes nothing but zeros
    ended_at = timestamps.parse(bubble.get("completedAtMs"))
    return Step(
        id=bubble_id,
        role=role(bubble),
        parts=tuple(_parts(bubble, bubble_id, tool)),
        created_at=created_at(bubble, header),
        ended_at=ended_at or _timing(bubble, "clientEndTime"),
        model=model_name(get_str(bubble, "modelInfo", "modelName")),
        usage=Usage(input_tokens, output_tokens) if is_counted else None,
        request_id=get_str(bubble, "requestId"),
    )


def role(bubble: Json) -> Role:
    if bubble.get("capabilityType") == _COMPACTION:
        return "system"
    if bubble.get("type") == 1:
        # A simulated prompt is not typed by the user: a background task ended, a plan is executed.
        return "system" if bubble.get("isSimulatedMsg") is True else "user"
    return "assistant"


def created_at(bubble: Json, header: Json) -> int | None:
    for value in (bubble.get("createdAt"), header.get("createdAt"), bubble.get("startedAtMs")):
        time = timestamps.parse(value)
        if time is not None:
            return time
    return _timing(bubble, "clientRpcSendTime") or _timing(bubble, "clientStartTime")


def _timing(bubble: Json, name: str) -> int | None:
    """Return a time of versions of 2025, unless it counts from the start of a process."""
    return timestamps.valid_ms(get_dict(bubble, "timingInfo").get(name))


def _parts(bubble: Json, bubble_id: str, tool: Json) -> Iterator[Part]:
    thoughts = [_thought(bubble.get("thinking"))]
    if not thoughts[0]:
        thoughts = [_thought(block) for block in get_list(bubble, "allThinkingBlocks")]
    yield from (Reasoning(thought) for thought in thoughts if thought and thought.strip())
    text = _text(bubble)
    yield from answer_parts(text) if role(bubble) == "assistant" else text_parts(text)
    yield from tools.parts(tool, bubble_id)
    if role(bubble) == "user":
        yield from _attachments(bubble)
    error = _error_text(bubble.get("errorDetails"))
    if error:
        yield Text(f"[{error}]")


def _thought(value: Any) -> str | None:
    if isinstance(value, dict):
        return get_str(value, "text") or get_str(value, "thinking")
    return value if isinstance(value, str) else None


def _text(bubble: Json) -> str:
    """Return the plain text, else that of the rich text, else the code that the bubble showed.

    A plain text that is not a string is read like a rich one.
    """
    text = get_str(bubble, "text")
    if text and text.strip():
        return text
    for document in (bubble.get("richText"), None if text else bubble.get("text")):
        rich = "".join(_rich_text(decode(document) if isinstance(document, str) else document, 0))
        if rich.strip():
            return rich.strip("\n")
    blocks = (get_str(block, "content") for block in get_dicts(bubble, "codeBlocks"))
    return "\n\n".join(filter(None, blocks))


def _rich_text(node: Any, depth: int) -> Iterator[str]:
    """Yield the words of a Lexical or ProseMirror tree, with a line end after each block."""
    if isinstance(node, list):
        for child in node:
            yield from _rich_text(child, depth + 1)
    if not isinstance(node, dict) or depth > _MAX_DEPTH:
        return
    yield get_str(node, "text") or ""
    for key in ("root", "children", "content"):
        if isinstance(node.get(key), dict | list):
            yield from _rich_text(node[key], depth + 1)
    if node.get("type") in _BLOCK_ENDS:
        yield "\n"


def _attachments(bubble: Json) -> Iterator[Attachment]:
    """Yield what the user pointed to, by path; the contents stay on this machine."""
    for key, kind in (("fileSelections", "file"), ("folderSelections", "folder")):
        for selection in get_dicts(bubble, "context", key):
            path = get_str(selection, "uri", "fsPath") or get_str(selection, "uri", "path")
            if path:
                yield Attachment(kind, None, path)
    for chunk in get_dicts(bubble, "attachedCodeChunks"):
        path = get_str(chunk, "relativeWorkspacePath")
        if path:
            yield Attachment("file", None, path)
    yield from (Attachment("image", None) for _ in get_list(bubble, "images"))


def _error_text(details: Any) -> str | None:
    if isinstance(details, str):
        return details
    texts = (get_str(as_dict(details), key) for key in ("message", "error", "title", "detail"))
    return next(filter(None, texts), None)
