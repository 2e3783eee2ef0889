"""Turns the parts of OpenCode's messages into parts of ours."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from opensync_hooks.agents.json_access import get_dict, get_dicts, get_int, get_str
from opensync_hooks.agents.opencode.layouts import BOOKKEEPING
from opensync_hooks.agents.opencode.unknown import TOOL_STATES
from opensync_hooks.model import (
    Attachment,
    Json,
    Part,
    Reasoning,
    Skipped,
    Text,
    ToolCall,
    ToolResult,
)

_READ_NOTE = re.compile(r"Called the (\w+) tool with the following input: (.*)", re.DOTALL)


def response_parts(parts: Iterable[Json], skipped: Counter[Skipped]) -> Iterator[Part]:
    """Yield a response in its order; each tool call is followed by its result."""
    for part in parts:
        kind = part.get("type")
        if kind == "text":
            yield from _text(part)
        elif kind == "reasoning":
            yield from (Reasoning(text.text) for text in _text(part))
        elif kind == "tool":
            yield from _tool(part)
        elif kind == "file":
            yield attachment(part)
        elif kind == "retry":
            attempt = get_int(part, "attempt") or ""
            yield Text(f"[retry {attempt}: {error_text(part.get('error'))}]")
        elif kind not in BOOKKEEPING:
            skipped[Skipped("unreadable", f"part of type {str(kind)[:40]}")] += 1


def prompt_parts(parts: Iterable[Json], skipped: Counter[Skipped]) -> Iterator[Part]:
    """Yield what the user typed, named and attached."""
    parts = list(parts)
    typed = "\n".join(get_str(part, "text") or "" for part in parts if _is_typed(part))
    for part in parts:
        kind = part.get("type")
        if _is_typed(part):
            yield from _text(part)
        elif kind == "file":
            yield attachment(part)
        elif kind == "agent":
            name = f"@{get_str(part, 'name') or 'agent'}"
            yield from [] if name in typed else [Text(name)]
        elif kind == "subtask":
            yield _subtask(part)
        elif kind not in (*BOOKKEEPING, "text", "compaction"):
            skipped[Skipped("unreadable", f"part of type {str(kind)[:40]}")] += 1


def injected_parts(parts: Iterable[Json]) -> Iterator[Part]:
    """Yield what OpenCode itself added to a prompt.

    An attached file comes as the note of a call, "Called the Read tool with the following input:
    {...}", and its contents as the next text: they become a tool call and its result.
    """
    call: ToolCall | None = None
    for part in parts:
        if part.get("type") == "compaction":
            how = "automatically" if part.get("auto") else "by the user"
            yield Text(f"[conversation compacted {how}]")
        elif part.get("type") == "text" and not _is_typed(part):
            text = get_str(part, "text") or ""
            note = _READ_NOTE.fullmatch(text)
            if note:
                call = ToolCall(str(part.get("id", "")), note[1].lower(), _arguments(note[2]))
                yield call
            elif call:
                yield ToolResult(call.id, call.name, text)
                call = None
            else:
                yield from _text(part)


def _is_typed(part: Json) -> bool:
    is_injected = part.get("synthetic") or part.get("ignored")
    return part.get("type") == "text" and not is_injected


def _arguments(raw: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return {"input": raw}


def _text(part: Json) -> Iterator[Text]:
    text = get_str(part, "text")
    if text and text.strip():
        yield Text(text)


def _subtask(part: Json) -> Text:
    """Return the command and the agent in one line, and the prompt below."""
    command, agent = get_str(part, "command"), get_str(part, "agent")
    names = filter(None, (command and f"/{command}", agent and f"@{agent}"))
    return Text("\n".join(filter(None, (" ".join(names), get_str(part, "prompt")))))


def _tool(part: Json) -> Iterator[Part]:
    """Yield the call, and its result unless it is pending, running, or was cut off."""
    state = get_dict(part, "state")
    name = get_str(part, "tool") or "unknown"
    call_id = get_str(part, "callID") or str(part.get("id", ""))
    yield ToolCall(call_id, name, state.get("input"), title=get_str(state, "title") or "")
    output = _output(state.get("output"))
    status = state.get("status")
    if status == "completed" or (output and status not in TOOL_STATES):
        # A call of a tool that does not exist is stored as one of `invalid`, which completes.
        is_error = name == "invalid" or bool(get_int(state, "metadata", "exit"))
        yield ToolResult(call_id, name, output, is_error)
    elif status == "error":
        error = get_str(state, "error", "message") or get_str(state, "error")
        yield ToolResult(call_id, name, error or output, is_error=True)
    for file in get_dicts(state, "attachments"):
        yield attachment(file)


def _output(value: Any) -> str:
    """Return the text of a result; JSON for one of a form that no version has written."""
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else ""
    )


def error_text(error: Any) -> str:
    """Describe an error; empty for none.

    Headers and body of an API's answer stay out: they may hold anything.
    """
    if isinstance(error, str):
        return error
    name = get_str(error, "name") or get_str(error, "type")
    if name == "MessageAbortedError":
        return "aborted"
    status = get_int(error, "data", "statusCode")
    message = get_str(error, "data", "message") or get_str(error, "message")
    head = " ".join(str(word) for word in (name, status) if word)
    return ": ".join(filter(None, (head, message)))


def attachment(part: Json) -> Attachment:
    """Return a file by its path, or an image that is in the message as a data URL by its size."""
    url = get_str(part, "url") or get_str(part, "uri") or ""
    media_type = get_str(part, "mime") or get_str(part, "mediaType") or "file"
    name = get_str(part, "filename") or get_str(part, "name") or ""
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        size = len(data) * 3 // 4 - data[-2:].count("=") if head.endswith(";base64") else len(data)
        return Attachment(media_type, size, name)
    try:
        location = urlsplit(url)
    except ValueError:
        return Attachment(media_type, None, name)
    path = str(Path(unquote(location.path))) if location.scheme == "file" else url
    return Attachment(media_type, None, path or name)
