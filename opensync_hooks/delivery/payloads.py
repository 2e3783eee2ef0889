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

from opensync_hooks.model import (
    Attachment,
    Charge,
    Json,
    Message,
    Part,
    Reasoning,
    Session,
    Text,
    ToolCall,
    Usage,
)

LONGEST_TEXT = 900_000
LONGEST_NAME = 5_000
"""Of titles, paths and models: several of them share one row, and the title is in it twice."""
_LONGEST_TOOL = 500
MOST_PARTS = 4_000
MOST_BYTES = 8 << 20
"""Of a message's parts together: half of what one request may carry, as the heap is small too."""
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
        externalId=fitting(session.id),
        source=_maybe(session.agent),
        title=_maybe(session.title),
        projectPath=_maybe(path),
        projectName=_maybe(_last_name(path) if path else None),
        model=_maybe(session.model),
        provider=_maybe(session.provider),
        promptTokens=_number(usage.prompt_tokens),
        completionTokens=_number(usage.completion_tokens),
        cost=_number(cost),
        durationMs=_number(session.duration_ms),
        createdAt=_number(session.created_at),
    )


def session_extra(session: Session, usage: Usage, forked_from: str | None) -> Json:
    """What only the embedded store has room for."""
    return _present(
        parentExternalId=fitting(session.parent_id) if session.parent_id else None,
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
    parts = _parts(message.parts[:MOST_PARTS])
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
        promptTokens=_number(usage.prompt_tokens) if usage else None,
        completionTokens=_number(usage.completion_tokens) if usage else None,
        durationMs=_number(message.duration_ms),
        createdAt=_number(created_at),
        parts=parts,
    )


def message_extra(
    charge: Charge | None, cost: float | None, *, undone: bool, aliases: tuple[str, ...] = ()
) -> Json:
    tokens = _tokens(charge.usage) if charge else {}
    names = [fitting(name, _LONGEST_TOOL) for name in aliases] or None
    return _present(cost=_number(cost), undone=undone or None, aliases=names, **tokens)


def digest(*bodies: Json) -> str:
    """The same for the same content, whatever session row it ends up in."""
    text = json.dumps(bodies, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def fitting(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text without lone surrogates, and short enough for one row of the server."""
    text = _whole(text)
    encoded = text.encode()
    if len(encoded) <= longest:
        return text
    kept = encoded[:longest].decode(errors="ignore")
    return f"{kept}\n[cut here: {len(encoded) - len(kept.encode())} more bytes]"


def _whole(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def clean(value: Any, depth: int = 0) -> Any:
    """A JSON value as the server takes it; what it would not take becomes its own JSON text.

    Cuts nothing: of two cuts, the outer one would take the inner one's mark away.
    """
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, dict):
        return _clean_object(value, depth)
    if isinstance(value, list):
        if len(value) > _MOST_ITEMS or depth >= _DEEPEST:
            return _as_text(value)
        return [clean(item, depth + 1) for item in value]
    return _clean_number(value) if isinstance(value, int | float) else value


def _clean_object(value: dict[str, Any], depth: int) -> Any:
    if len(value) > _MOST_FIELDS or depth >= _DEEPEST:
        return _as_text(value)
    if not all(_PLAIN_KEY.fullmatch(key) for key in value):
        return _as_text(value)
    return {key: clean(item, depth + 1) for key, item in value.items()}


def _clean_number(value: float) -> Any:
    whole = isinstance(value, int)
    exact = abs(value) <= _EXACT_INTEGER if whole else math.isfinite(value)
    return value if exact else _as_text(value)


def _weight(value: Any) -> int:
    """A clean value's bytes, never fewer than the server counts; a number weighs nine."""
    if isinstance(value, str):
        return len(value.encode()) + 2
    if isinstance(value, dict):
        return 2 + sum(len(key) + 1 + _weight(item) for key, item in value.items())
    return 2 + sum(map(_weight, value)) if isinstance(value, list) else 9


def _as_text(value: Any) -> str:
    try:
        return _whole(json.dumps(value, ensure_ascii=False))
    except (RecursionError, ValueError):  # ValueError: Python writes no number of 4,301 digits
        return "[too deep or too long a value to be kept]"


def _parts(parts: tuple[Part, ...]) -> list[Json]:
    """All of them; where they are too much for one request, the longest ones are cut shorter."""
    made = [_part(part, LONGEST_TEXT) for part in parts]
    sizes = [_weight(part) for part in made]
    longest = LONGEST_TEXT
    while sum(min(size, longest) for size in sizes) > MOST_BYTES:
        longest //= 2
    return made if longest == LONGEST_TEXT else [_part(part, longest) for part in parts]


def _part(part: Part, longest: int) -> Json:
    """The three kinds of part that OpenSync's page shows, and reasoning, which it keeps unseen."""
    if isinstance(part, Text):
        return {"type": "text", "content": fitting(part.text, longest)}
    if isinstance(part, Reasoning):
        return {"type": "reasoning", "content": fitting(part.text, longest)}
    if isinstance(part, Attachment):
        size = "" if part.size is None else f", {part.size} bytes"
        about = " ".join(filter(None, (part.name, part.media_type + size)))
        return {"type": "text", "content": fitting(f"[{about}]", longest)}
    if isinstance(part, ToolCall):
        content = _named(part.id, part.name)
        content |= _present(category=part.category or None, title=_maybe(part.title))
        return {
            "type": "tool-call",
            "content": content | {"args": _arguments(part.arguments, longest)},
        }
    # The page shows an object with an empty result as JSON, not as nothing.
    result = {"result": fitting(part.output, longest) or "(no output)"}
    failed = {"isError": True} if part.is_error else {}
    return {
        "type": "tool-result",
        "content": _named(part.call_id, part.name) | result | failed,
    }


def _named(call_id: str, name: str) -> Json:
    return {"id": fitting(call_id, _LONGEST_TOOL), "name": fitting(name, _LONGEST_TOOL)}


def _arguments(arguments: Any, longest: int) -> Any:
    cleaned = clean({} if arguments is None else arguments)
    if _weight(cleaned) > longest and not isinstance(cleaned, str):
        cleaned = _as_text(cleaned)
    return fitting(cleaned, longest) if isinstance(cleaned, str) else cleaned


def _mark_undone(parts: list[Json]) -> None:
    for part in parts:
        if part["type"] == "text":
            part["content"] = "[undone] " + part["content"]
            return
    parts.insert(0, {"type": "text", "content": "[undone]"})


def _tokens(usage: Usage) -> Json:
    return _present(
        inputTokens=_number(usage.input_tokens),
        outputTokens=_number(usage.output_tokens),
        cacheReadTokens=_number(usage.cache_read_tokens),
        cacheWrite5mTokens=_number(usage.cache_write_5m_tokens),
        cacheWrite1hTokens=_number(usage.cache_write_1h_tokens),
        reasoningTokens=_number(usage.reasoning_tokens),
    )


def _present(**fields: Any) -> Json:
    """OpenSync refuses a null: what is not known is not sent."""
    return {name: value for name, value in fields.items() if value is not None}


def _maybe(text: str | None) -> str | None:
    return fitting(text, LONGEST_NAME) if text else None


def _number(value: float | None) -> float | None:
    """None for what no count and no cost can be: no number of the server holds it exactly."""
    return value if value is not None and abs(value) <= _EXACT_INTEGER else None


def _last_name(path: str) -> str:
    names: Iterable[str] = filter(None, re.split(r"[/\\]", path))
    return list(names)[-1] if path.strip("/\\") else path
