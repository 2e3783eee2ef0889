"""The parts of OpenCode's messages as parts of ours."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.values import mapping, number, objects, text
from opensync_hooks.model import Attachment, Part, Reasoning, Text, ToolCall, ToolResult

_BOOKKEEPING = ("step-start", "step-finish", "patch", "snapshot")
_CALLED = re.compile(r"Called the (\w+) tool with the following input: (.*)", re.DOTALL)


def answered(parts: Iterable[Value], skipped: Counter[str]) -> Iterator[Part]:
    """What a model said and did, in order; each call of a tool is followed by its result."""
    for part in parts:
        of = part.get("type")
        if of == "text":
            yield from _text(part)
        elif of == "reasoning":
            thought = text(part, "text")
            yield from [Reasoning(thought)] if thought and thought.strip() else []
        elif of == "tool":
            yield from _tool(part)
        elif of == "file":
            yield attachment(part)
        elif of == "retry":
            yield Text(f"[retry {number(part, 'attempt') or ''}: {complaint(part.get('error'))}]")
        elif of not in _BOOKKEEPING:
            skipped[f"part of type {str(of)[:40]}"] += 1


def asked(parts: Iterable[Value], skipped: Counter[str]) -> Iterator[Part]:
    """What the user typed, named and attached."""
    parts = list(parts)
    typed = "\n".join(text(part, "text") or "" for part in parts if is_typed(part))
    for part in parts:
        of = part.get("type")
        if is_typed(part):
            yield from _text(part)
        elif of == "file":
            yield attachment(part)
        elif of == "agent":
            name = f"@{text(part, 'name') or 'agent'}"
            yield from [] if name in typed else [Text(name)]
        elif of == "subtask":
            yield Text(_subtask(part))
        elif of not in (*_BOOKKEEPING, "text", "compaction"):
            skipped[f"part of type {str(of)[:40]}"] += 1


def is_typed(part: Value) -> bool:
    injected = part.get("synthetic") or part.get("ignored")
    return part.get("type") == "text" and not injected


def injected(parts: Iterable[Value]) -> Iterator[Part]:
    """What OpenCode itself put beside a prompt. Of a file that was attached it tells as of a call:

    "Called the Read tool with the following input: {...}", then the contents as the next text.
    """
    call: ToolCall | None = None
    for part in parts:
        if part.get("type") == "compaction":
            how = "automatically" if part.get("auto") else "by the user"
            yield Text(f"[conversation compacted {how}]")
        elif part.get("type") == "text" and not is_typed(part):
            said = text(part, "text") or ""
            found = _CALLED.fullmatch(said)
            if found:
                call = ToolCall(str(part.get("id", "")), found[1].lower(), _object(found[2]))
                yield call
            elif call:
                yield ToolResult(call.id, call.name, said)
                call = None
            else:
                yield from _text(part)


def _object(raw: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return {"input": raw}


def _text(part: Value) -> Iterator[Text]:
    said = text(part, "text")
    if said and said.strip():
        yield Text(said)


def _subtask(part: Value) -> str:
    command, agent = text(part, "command"), text(part, "agent")
    head = " ".join(filter(None, (f"/{command}" if command else "", f"@{agent}" if agent else "")))
    return "\n".join(filter(None, (head, text(part, "prompt"))))


def _tool(part: Value) -> Iterator[Part]:
    """A call that is still pending, running, or was cut off has no result."""
    state = mapping(part, "state")
    name = text(part, "tool") or "unknown"
    call_id = text(part, "callID") or str(part.get("id", ""))
    title = text(state, "title") or ""
    yield ToolCall(call_id, name, state.get("input"), title=title)
    status = state.get("status")
    if status in ("completed", "error"):
        failed = status == "error" or bool(number(state, "metadata", "exit"))
        output = text(state, "output") or ""
        error = text(state, "error", "message") or text(state, "error")
        said = output if status == "completed" else (error or output)
        yield ToolResult(call_id, name, said, failed)
    for file in objects(state, "attachments"):
        yield attachment(file)


def complaint(error: Any) -> str:
    """An error in words: of an API's answer neither headers nor body, which may hold anything."""
    if isinstance(error, str):
        return error
    name = text(error, "name") or text(error, "type")
    status = number(error, "data", "statusCode")
    said = text(error, "data", "message") or text(error, "message")
    if name == "MessageAbortedError":
        return "aborted"
    head = " ".join(str(one) for one in (name, status) if one)
    return ": ".join(filter(None, (head, said)))


def attachment(part: Value) -> Attachment:
    """A file by its path, or an image that lies in the message whole, as a data URL."""
    url = text(part, "url") or text(part, "uri") or ""
    media_type = text(part, "mime") or text(part, "mediaType") or "file"
    name = text(part, "filename") or text(part, "name") or ""
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        size = len(data) * 3 // 4 - data[-2:].count("=") if head.endswith(";base64") else len(data)
        return Attachment(media_type, size, name)
    return Attachment(media_type, None, _path(url) or name)


def _path(url: str) -> str:
    try:
        found = urlsplit(url)
    except ValueError:
        return ""
    return str(Path(unquote(found.path))) if found.scheme == "file" else url
