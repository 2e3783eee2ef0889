"""Sessions and messages as OpenSync's bodies, cleaned of everything that its server refuses.

The server answers 500 to a single lone surrogate or a `$` key and stores nothing of the message, so
what cannot travel as it is travels as a text. What had to be cut says so where it was cut.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any

from opensync_hooks.destination import Json
from opensync_hooks.model import (
    Attachment,
    Charge,
    Message,
    Part,
    Reasoning,
    Session,
    Text,
    ToolCall,
    Usage,
)

LONGEST_TEXT = 900_000
MOST_PARTS = 4_000
_MOST_ITEMS = 8_000
_MOST_FIELDS = 1_000
_DEEPEST = 12
_EXACT_INTEGER = 2**53
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"(?!\$|__proto__\Z)[\x20-\x7e]{0,1000}")


def session_body(session: Session, usage: Usage, cost: float | None) -> Json:
    """All that OpenSync holds of a session besides its messages."""
    path = session.project_path
    return _present(
        externalId=session.id,
        source=session.agent,
        title=_maybe(session.title),
        projectPath=_maybe(path),
        projectName=_maybe(_last_name(path) if path else None),
        model=_maybe(session.model),
        provider=session.provider,
        promptTokens=usage.prompt_tokens,
        completionTokens=usage.completion_tokens,
        cost=cost,
        durationMs=session.duration_ms,
        createdAt=session.created_at,
    )


def session_extra(session: Session, usage: Usage, forked_from: str | None) -> Json:
    """What only the embedded store has room for."""
    return _present(
        parentExternalId=session.parent_id,
        forkedFromExternalId=forked_from or session.forked_from,
        gitBranch=_maybe(session.git_branch),
        agentVersion=_maybe(session.agent_version),
        endReason=_maybe(session.end_reason),
        lastActivityAt=session.updated_at,
        skipped=dict(session.skipped) or None,
        **_tokens(usage),
    )


def message_body(message: Message, created_at: int | None) -> Json:
    """A message without its ids, which differ from destination to destination."""
    parts = [_part(part) for part in message.parts[:MOST_PARTS]]
    left_out = len(message.parts) - len(parts)
    if left_out:
        parts.append({"type": "text", "content": f"[{left_out} more parts left out]"})
    text = "[undone] " + message.text if message.undone else message.text
    if message.undone:
        _mark_undone(parts)
    usage = message.charge.usage if message.charge else None
    return _present(
        role=message.role,
        textContent=fitting(text) or None,
        model=_maybe(message.model),
        promptTokens=usage.prompt_tokens if usage else None,
        completionTokens=usage.completion_tokens if usage else None,
        durationMs=message.duration_ms,
        createdAt=created_at,
        parts=parts,
    )


def message_extra(charge: Charge | None, cost: float | None, *, undone: bool) -> Json:
    tokens = _tokens(charge.usage) if charge else {}
    return _present(cost=cost, undone=undone or None, **tokens)


def digest(*bodies: Json) -> str:
    """The same for the same content, whatever session row it ends up in."""
    text = json.dumps(bodies, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def fitting(text: str) -> str:
    """The text without lone surrogates, and short enough for one row of the server."""
    text = _SURROGATE.sub("\ufffd", text)
    encoded = text.encode()
    if len(encoded) <= LONGEST_TEXT:
        return text
    kept = encoded[:LONGEST_TEXT].decode(errors="ignore")
    return f"{kept}\n[cut here: {len(encoded) - len(kept.encode())} more bytes]"


def clean(value: Any, depth: int = 0) -> Any:
    """A JSON value as the server takes it; what it would not take becomes its own JSON text."""
    if isinstance(value, str):
        return fitting(value)
    if isinstance(value, dict):
        return _clean_object(value, depth)
    if isinstance(value, list):
        if len(value) > _MOST_ITEMS or depth >= _DEEPEST:
            return as_text(value)
        return [clean(item, depth + 1) for item in value]
    return _clean_number(value) if isinstance(value, int | float) else value


def _clean_object(value: dict[str, Any], depth: int) -> Any:
    if len(value) > _MOST_FIELDS or depth >= _DEEPEST:
        return as_text(value)
    if not all(_PLAIN_KEY.fullmatch(key) for key in value):
        return as_text(value)
    return {key: clean(item, depth + 1) for key, item in value.items()}


def _clean_number(value: float) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, bool) or abs(value) <= _EXACT_INTEGER else str(value)


def as_text(value: Any) -> str:
    try:
        return fitting(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "[nested too deeply to be kept]"


def _part(part: Part) -> Json:
    """The three kinds of part that OpenSync's page shows, and reasoning, which it keeps unseen."""
    if isinstance(part, Text):
        return {"type": "text", "content": fitting(part.text)}
    if isinstance(part, Reasoning):
        return {"type": "reasoning", "content": fitting(part.text)}
    if isinstance(part, Attachment):
        about = " ".join(filter(None, (part.name, f"{part.media_type}, {part.size} bytes")))
        return {"type": "text", "content": fitting(f"[{about}]")}
    if isinstance(part, ToolCall):
        content = {"id": fitting(part.id), "name": fitting(part.name)}
        return {"type": "tool-call", "content": {**content, "args": _arguments(part.arguments)}}
    content = {"id": fitting(part.call_id), "name": fitting(part.name)}
    # The page shows an object with an empty result as JSON, not as nothing.
    result: Json = {**content, "result": fitting(part.output) or "(no output)"}
    return {
        "type": "tool-result",
        "content": {**result, **({"isError": True} if part.is_error else {})},
    }


def _arguments(arguments: Any) -> Any:
    cleaned = clean({} if arguments is None else arguments)
    if isinstance(cleaned, str):
        return cleaned
    return cleaned if len(json.dumps(cleaned).encode()) <= LONGEST_TEXT else as_text(cleaned)


def _mark_undone(parts: list[Json]) -> None:
    for part in parts:
        if part["type"] == "text":
            part["content"] = "[undone] " + part["content"]
            return
    parts.insert(0, {"type": "text", "content": "[undone]"})


def _tokens(usage: Usage) -> Json:
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheWrite5mTokens": usage.cache_write_5m_tokens,
        "cacheWrite1hTokens": usage.cache_write_1h_tokens,
        "reasoningTokens": usage.reasoning_tokens,
    }


def _present(**fields: Any) -> Json:
    """OpenSync refuses a null: what is not known is not sent."""
    return {name: value for name, value in fields.items() if value is not None}


def _maybe(text: str | None) -> str | None:
    return fitting(text) if text else None


def _last_name(path: str) -> str:
    names: Iterable[str] = filter(None, re.split(r"[/\\]", path))
    return list(names)[-1] if path.strip("/\\") else path
