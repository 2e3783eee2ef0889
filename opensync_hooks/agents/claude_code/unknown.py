"""Counts what the reader does not understand of a transcript, line by line.

A new version of Claude Code may write in unknown types and fields what no message has: they are
named, not passed over. What may have been said is `unreadable`, as a damaged line is; an unknown
line of bookkeeping is only `unknown`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from opensync_hooks.agents.claude_code import vocabulary
from opensync_hooks.agents.claude_code.content import content_blocks
from opensync_hooks.agents.json_access import get, get_dict, get_str
from opensync_hooks.agents.vocabulary import unknown_fields
from opensync_hooks.model import Json, Skipped

_SPEECH = frozenset({"uuid", "message", "content", "text", "prompt", "body", "role"})
"""A line of an unknown type with such a field, however deep, may be part of the conversation."""
_MAX_NAME_LENGTH = 40
_MAX_DEPTH = 4


def skipped(line: Json) -> Iterator[Skipped]:
    """Yield what the reader passes over in one line; nothing for lines that it knows."""
    match line.get("type"):
        case "user" | "assistant" | "system" | "attachment" as placed if not get_str(line, "uuid"):
            yield Skipped("unplaced", f"{placed} line without an id")
        case "user" | "assistant":
            yield from _in_utterance(line)
        case "attachment":
            yield from _in_attachment(line.get("attachment"))
        case "queue-operation":
            yield from _in_queue_operation(line)
        case "system":
            subtype = line.get("subtype")
            has_text = get_str(line, "content") is not None
            if not has_text and _is_one_of(subtype, vocabulary.NOTICES):
                yield _loss(f"{subtype} line without content")
            elif has_text and not _is_one_of(subtype, vocabulary.SYSTEM_SUBTYPES):
                yield Skipped("unknown", f"system line of subtype {_short(subtype)}")
        case None:
            yield _loss("line without a type")
        case line_type if not _is_one_of(line_type, vocabulary.LINE_TYPES):
            name = f"line of type {_short(line_type)}"
            yield _loss(name) if _may_speak(line) else Skipped("unknown", name)


def _in_utterance(line: Json) -> Iterator[Skipped]:
    line_type, message = line["type"], get_dict(line, "message")
    if not isinstance(message.get("content"), str | list):
        yield _loss(f"{line_type} line without content")
    for block in content_blocks(line):
        yield from _in_block(block)
    if line_type == "assistant" and not line.get("isApiErrorMessage"):
        yield from _in_usage(message.get("usage"))
        if get_str(message, "id") is None:  # its lines count as so many responses
            yield _loss("response without id")
        if get_str(message, "model") is None:
            yield Skipped("unknown", "response without model")


def _in_block(block: Json) -> Iterator[Skipped]:
    block_type = str(block.get("type"))
    if block_type.endswith("tool_use"):
        fields: tuple[str, ...] = ("id", "name", "input")
    elif block_type.endswith("tool_result"):
        fields = ("tool_use_id", "content")
    elif block_type in vocabulary.BLOCK_TYPES:
        fields = (vocabulary.BLOCK_TYPES[block_type],)
    else:
        yield _loss(f"block of type {_short(block_type)}")
        return
    for field in fields:
        if field not in block:
            yield _loss(f"{block_type} block without {field}")


def _in_usage(usage: Any) -> Iterator[Skipped]:
    if not isinstance(usage, dict):
        yield _loss("response without usage")
        return
    for field in vocabulary.USAGE_COUNTS[:2]:
        if field not in usage:
            yield _loss(f"usage without {field}")
    for field, value in unknown_fields(usage, vocabulary.USAGE_FIELDS):
        name = f"usage field {_short(field)}"
        # Perhaps tokens by a new name; those in an object are part of a total beside it.
        is_count = type(value) is int and value > 0 and "." not in field
        yield _loss(name) if is_count else Skipped("unknown", name)


def _in_attachment(attachment: Any) -> Iterator[Skipped]:
    """Attachments are context for the model, of ever new types, unless somebody said them."""
    kind = get_str(attachment, "type")
    if kind is None:
        yield _loss("attachment without a type")
    elif kind != vocabulary.QUEUED_COMMAND:
        if not attachment.keys().isdisjoint(("commandMode", "humanTurn")):
            yield _loss(f"attachment of type {_short(kind)}")
    elif not _is_one_of(mode := attachment.get("commandMode", "prompt"), vocabulary.COMMAND_MODES):
        yield _loss(f"queued command of mode {_short(mode)}")
    elif not isinstance(attachment.get("prompt"), str | list):
        yield _loss("queued command without prompt")


def _in_queue_operation(line: Json) -> Iterator[Skipped]:
    operation = line.get("operation")
    if not _is_one_of(operation, vocabulary.QUEUE_OPERATIONS):
        yield _loss(f"queue operation {_short(operation)}")
    elif operation == "enqueue" and not isinstance(line.get("content"), str | list):
        yield _loss("enqueued prompt without content")


def _may_speak(value: Any, depth: int = 0) -> bool:
    if isinstance(value, list):
        return any(_may_speak(element, depth + 1) for element in value)
    if not isinstance(value, dict) or depth > _MAX_DEPTH:
        return False
    return not _SPEECH.isdisjoint(value) or any(
        _may_speak(get(value, key), depth + 1) for key in value
    )


def _is_one_of(name: Any, names: Container[str]) -> bool:
    return isinstance(name, str) and name in names


def _loss(name: str) -> Skipped:
    return Skipped("unreadable", name)


def _short(name: object) -> str:
    return str(name)[:_MAX_NAME_LENGTH]
