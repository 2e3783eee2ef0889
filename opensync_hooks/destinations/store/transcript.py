"""A stored session as a document, complete and in order, with tool calls and their results."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from opensync_hooks.destinations.store.export import plain_text
from opensync_hooks.model import Json

_SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def json_lines(session: Json, messages: Iterable[Json]) -> Iterator[str]:
    """Yield one JSON object a line: the session, then each message with its parts."""
    for kind, row in (("session", session), *(("message", message) for message in messages)):
        fields = {name: value for name, value in row.items() if name not in ("id", "session")}
        yield json.dumps({"type": kind, **fields}, ensure_ascii=False) + "\n"


def markdown(session: Json, messages: Iterable[Json]) -> Iterator[str]:
    """Yield a document with a heading for each message."""
    yield f"# {_line(session.get('title')) or 'Untitled'}\n\n"
    branch = session["extra"].get("gitBranch")
    tokens = f"{session['promptTokens']} in, {session['completionTokens']} out"
    facts = (
        ("Session", session["externalId"]), ("Agent", session.get("source")),
        ("Project", session.get("projectPath")), ("Branch", branch),
        ("Model", session.get("model")), ("Started", _time(session["createdAt"])),
        ("Tokens", tokens), ("Cost", f"${session['cost']:.4f}"),
    )  # fmt: skip
    yield "".join(f"- **{name}:** {_line(value)}\n" for name, value in facts if value)
    for message in messages:
        speaker = _SPEAKERS.get(message["role"], "Unknown")
        yield f"\n## {speaker} · {_time(message['createdAt'])}\n"
        yield from _parts(message)


def _parts(message: Json) -> Iterator[str]:
    parts = [part for part in message["parts"] if isinstance(part, dict)]
    if message.get("textContent") and not any(part.get("type") == "text" for part in parts):
        yield f"\n{message['textContent']}\n"
    for part in parts:
        content, kind = part.get("content"), part.get("type")
        if kind == "text":
            yield f"\n{plain_text(content)}\n"
        elif kind == "tool-call" and isinstance(content, dict):
            arguments = content.get("args")
            text = arguments if isinstance(arguments, str) else _pretty(arguments)
            yield f"\n### {_line(content.get('name'))}\n\n{_fenced(text, 'json')}"
        elif kind == "tool-result" and isinstance(content, dict):
            result = content.get("result")
            text = result if isinstance(result, str) else _pretty(result)
            failed = " (failed)" if content.get("isError") else ""
            yield f"\nResult{failed}:\n\n{_fenced(text, '')}"
        else:
            text = content if isinstance(content, str) else _pretty(content)
            yield f"\n{_line(kind).capitalize()}:\n\n{_fenced(text, '')}"


def _fenced(text: str, language: str) -> str:
    """Return a block of code, with a fence that does not occur in the text."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _line(value: Any) -> str:
    return " ".join(str(value or "").split())


def _time(milliseconds: Any) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000).astimezone():%Y-%m-%d %H:%M:%S}"
    except (TypeError, ValueError, OverflowError, OSError):
        return "unknown time"
