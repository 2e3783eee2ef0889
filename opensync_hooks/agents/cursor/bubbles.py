"""One bubble of the editor's window as a step: the fields that are sent, and no others.

A bubble has some ninety fields, nearly all of them empty or private; what is not named here stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opensync_hooks.agents.cursor import timestamps, tools
from opensync_hooks.agents.cursor.conversation import Step, known_model, text_parts
from opensync_hooks.agents.json_access import Value, count, decode, items, part, record, string
from opensync_hooks.model import Attachment, Part, Reasoning, Role, Text, Usage

_COMPACTION = (
    22  # `capabilityType` of the mark that the window shows where the context was shortened
)
_DEEPEST = 200


def step(bubble: Value, bubble_id: str, header: Value, tool: Value) -> Step:
    """`tool` is the bubble's tool call, wherever its version keeps it."""
    role = role_of(bubble)
    return Step(
        id=bubble_id,
        role=role,
        parts=tuple(_parts(bubble, bubble_id, tool, role)),
        created_at=created_at(bubble, header),
        ended_at=timestamps.moment(bubble.get("completedAtMs")) or _timing(bubble, "clientEndTime"),
        model=known_model(string(part(bubble, "modelInfo"), "modelName")),
        usage=_usage(part(bubble, "tokenCount")),
        request_id=string(bubble, "requestId"),
    )


def role_of(bubble: Value) -> Role:
    if bubble.get("capabilityType") == _COMPACTION:
        return "system"
    if bubble.get("type") == 1:
        # A prompt that the user did not type: a background task ended, a plan is carried out.
        return "system" if bubble.get("isSimulatedMsg") is True else "user"
    return "assistant"


def _parts(bubble: Value, bubble_id: str, tool: Value, role: Role) -> Iterator[Part]:
    yield from (Reasoning(thought) for thought in _thoughts(bubble))
    yield from text_parts(_text(bubble))
    yield from tools.parts(tool, bubble_id)
    if role == "user":
        yield from _attachments(bubble)
    yield from _error(bubble)


def _thoughts(bubble: Value) -> Iterator[str]:
    found = [_thought(bubble.get("thinking"))]
    if not found[0]:
        found = [_thought(block) for block in items(bubble, "allThinkingBlocks")]
    yield from (thought for thought in found if thought and thought.strip())


def _thought(value: Any) -> str | None:
    if isinstance(value, dict):
        return string(value, "text") or string(value, "thinking")
    return value if isinstance(value, str) else None


def _text(bubble: Value) -> str:
    """The plain text; else the same out of the editor's document, else the code it showed."""
    text = string(bubble, "text")
    if text and text.strip():
        return text
    document = bubble.get("richText")
    rich = "".join(_rich(decode(document) if isinstance(document, str) else document, 0))
    if rich.strip():
        return rich.strip("\n")
    blocks = (string(record(block), "content") for block in items(bubble, "codeBlocks"))
    return "\n\n".join(filter(None, blocks))


def _rich(node: Any, depth: int) -> Iterator[str]:
    """The words of a Lexical or ProseMirror tree, a line a paragraph."""
    if isinstance(node, list):
        for one in node:
            yield from _rich(one, depth + 1)
    if not isinstance(node, dict) or depth > _DEEPEST:
        return
    yield string(node, "text") or ""
    for key in ("root", "children", "content"):
        if isinstance(node.get(key), dict | list):
            yield from _rich(node[key], depth + 1)
    if node.get("type") in ("paragraph", "linebreak", "hardBreak", "heading", "listitem"):
        yield "\n"


def _attachments(bubble: Value) -> Iterator[Attachment]:
    """What the user pointed to, by path: the contents stay."""
    context = part(bubble, "context")
    for key, kind in (("fileSelections", "file"), ("folderSelections", "folder")):
        for one in items(context, key):
            uri = part(record(one), "uri")
            path = string(uri, "fsPath") or string(uri, "path")
            if path:
                yield Attachment(kind, None, path)
    for chunk in items(bubble, "attachedCodeChunks"):
        path = string(record(chunk), "relativeWorkspacePath")
        if path:
            yield Attachment("file", None, path)
    yield from (Attachment("image", None) for _ in items(bubble, "images"))


def _error(bubble: Value) -> Iterator[Part]:
    """A failed turn says why."""
    details = bubble.get("errorDetails")
    said = details if isinstance(details, str) else None
    for key in ("message", "error", "title", "detail"):
        said = said or string(record(details), key)
    if said:
        yield Text(f"[{said}]")


def created_at(bubble: Value, header: Value) -> int | None:
    for value in (bubble.get("createdAt"), header.get("createdAt"), bubble.get("startedAtMs")):
        found = timestamps.moment(value)
        if found is not None:
            return found
    return _timing(bubble, "clientRpcSendTime") or _timing(bubble, "clientStartTime")


def _timing(bubble: Value, name: str) -> int | None:
    """Some of these count from the start of the process; only a date counts here."""
    return timestamps.absolute(part(bubble, "timingInfo").get(name))


def _usage(counted: Value) -> Usage | None:
    """Zero is unknown: since 2026 the editor writes nothing else."""
    read, written = count(counted, "inputTokens"), count(counted, "outputTokens")
    return Usage(input_tokens=read, output_tokens=written) if read or written else None
