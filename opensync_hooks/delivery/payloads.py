"""Sessions and messages as the bodies of OpenSync's requests, within the limits of its server."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from typing import Any

from opensync_hooks.agents import registry
from opensync_hooks.delivery.costs import Costs
from opensync_hooks.delivery.json_values import (
    MAX_INTEGER,
    Truncator,
    clean,
    count_omitted,
    size_in_bytes,
    to_text,
    truncate,
)
from opensync_hooks.delivery.spending import Spending
from opensync_hooks.ledger.losses import CUT_TEXTS, DEEP_VALUES, OMITTED_PARTS, WITHHELD_DOUBTFUL
from opensync_hooks.model import (
    Attachment,
    Json,
    Message,
    Part,
    Reasoning,
    Session,
    Text,
    ToolCall,
    Usage,
)
from opensync_hooks.privacy import thoughts
from opensync_hooks.privacy.excerpt import Excerpt, more_bytes
from opensync_hooks.privacy.omitted import Omitted

MAX_NAME_BYTES = 5_000
"""Of titles, paths and models: several of them share one row, and the title is in it twice."""
MAX_PARTS = 4_000
MAX_PARTS_BYTES = 8 << 20
"""Of a message's parts together: half of what one request may carry, as the heap is small too."""
_MAX_TOOL_NAME_BYTES = 500
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
UNDONE_MARK = "[undone] "
TOOLS_MARK = "[tools] "
"""Begins the text beside the parts of a message that has no text of its own."""
_MAX_TOOLS_LENGTH = 1_000
_MAX_ARGUMENT_LENGTH = 120


def session_body(session: Session, costs: Costs) -> Json:
    """Return everything that OpenSync stores of a session besides its messages."""
    path = session.project_path
    folders = [name for name in re.split(r"[/\\]", path or "") if name]
    return _present(
        externalId=truncate(session.id),
        source=_name(registry.opensync_name(session.agent)),
        title=_name(session.title),
        projectPath=_name(path),
        projectName=_name(folders[-1] if folders else path),
        model=_name(_main_model(session, costs)),
        provider=_name(session.provider),
        promptTokens=_number(costs.usage.prompt_tokens),
        completionTokens=_number(costs.usage.completion_tokens),
        cost=_number(costs.cost),
        durationMs=_number(session.duration_ms),
        createdAt=_number(session.created_at),
    )


def _main_model(session: Session, costs: Costs) -> str | None:
    """Return the model with most of the session's tokens; without any, the one it names last."""
    name, count = next(iter(Counter(costs.tokens).most_common(1)), ("", 0))
    return name if count else session.model


def _tools_text(parts: list[Json]) -> str:
    """Return the tools that cleaned parts call, each with what it was called with, on one line.

    OpenSync's search, exports and evaluations show an empty message without it.
    """
    calls = [part["content"] for part in parts if part["type"] == "tool-call"]
    if not calls:
        return ""
    text = TOOLS_MARK + "; ".join(map(_call_text, calls))
    return text if len(text) <= _MAX_TOOLS_LENGTH else f"{text[: _MAX_TOOLS_LENGTH - 1]}…"


def _call_text(call: Json) -> str:
    """Return the name, and the call's title or its first argument if that is a short text."""
    arguments = call["args"] if isinstance(call["args"], dict) else {}
    shown = call.get("title") or next(iter(arguments.values()), None)
    if not isinstance(shown, str) or len(shown) > _MAX_ARGUMENT_LENGTH or not shown.isprintable():
        return str(call["name"])
    return f"{call['name']}: {shown}"


def session_extra(session: Session, costs: Costs) -> Json:
    """Return what only the embedded store has fields for."""
    return _present(
        parentExternalId=truncate(session.parent_id) if session.parent_id else None,
        forkedFromExternalId=costs.forked_from or session.forked_from,
        gitBranch=_name(session.git_branch),
        agentVersion=_name(session.agent_version),
        endReason=_name(session.end_reason),
        lastActivityAt=session.updated_at,
        skipped={skipped.name: number for skipped, number in session.skipped.items()} or None,
        agentCost=_number(costs.agent_cost),
        agentCostIsGuess=costs.agent_cost_is_guess or None,
        unpriced=list(costs.unpriced) or None,
        spending=[_spending(entry) for entry in costs.spending] or None,
        **_tokens(costs.usage),
    )


def _spending(entry: Spending) -> Json:
    return _present(
        day=entry.day.isoformat() if entry.day else None,
        model=_name(entry.model),
        basis=entry.basis,
        calls=entry.calls,
        cost=_number(entry.cost) if entry.basis else None,
        listPrice=_number(entry.list_price or None),
        **_tokens(entry.usage),
    )


def message_body(message: Message, created_at: int | None) -> tuple[Json, Counter[str]]:
    """Return the body without ids, which differ between destinations; and what was cut, by kind."""
    parts, truncator = _parts(message.parts[:MAX_PARTS])
    omitted = len(message.parts) - len(parts)
    if omitted:
        parts.append({"type": "text", "content": f"[{omitted} more parts left out]"})
    usage = message.charge.usage if message.charge else None
    body = _present(
        role=message.role,
        textContent=truncate(_text(message)) or _tools_text(parts) or None,
        model=_name(message.model),
        promptTokens=_number(usage.prompt_tokens) if usage else None,
        completionTokens=_number(usage.completion_tokens) if usage else None,
        durationMs=_number(message.duration_ms),
        createdAt=_number(created_at),
        parts=parts,
    )
    body = marked_undone(body) if message.undone else body
    doubtful = thoughts.count_doubtful(message.parts, message.role)
    cuts = {CUT_TEXTS: truncator.cuts, DEEP_VALUES: truncator.omitted}
    return body, +Counter({**cuts, OMITTED_PARTS: omitted, WITHHELD_DOUBTFUL: doubtful})


def _text(message: Message) -> str:
    """Return the texts of a message as one, which is an excerpt if one of them is."""
    more = sum(more_bytes(part.text) for part in message.parts if isinstance(part, Text))
    return Excerpt(message.text, more) if more else message.text


def marked_undone(body: Json) -> Json:
    """Return a message's body with the mark of what the user took back, which it bears once."""
    text = body.get("textContent") or ""
    if text.startswith(UNDONE_MARK):
        return body
    parts = [dict(part) for part in body.get("parts", ())]
    texts = [part for part in parts if part["type"] == "text"]
    for part in texts[:1]:
        part["content"] = UNDONE_MARK + part["content"]
    if not texts:
        parts.insert(0, {"type": "text", "content": UNDONE_MARK.rstrip()})
    return {**body, "textContent": truncate(UNDONE_MARK + text), "parts": parts}


def message_extra(message: Message) -> Json:
    """Return what only the embedded store has fields for."""
    charge = message.charge
    return _present(
        cost=_number(charge.cost) if charge else None,
        costBasis=charge.basis if charge and charge.basis != "list" else None,
        undone=message.undone or None,
        aliases=[truncate(alias, _MAX_TOOL_NAME_BYTES) for alias in message.aliases] or None,
        **(_tokens(charge.usage) if charge else {}),
    )


def digest(*bodies: Json) -> str:
    """Return a hash of the content, the same at whichever destination it is stored."""
    return hashlib.sha256(_ENCODER.encode(bodies).encode()).hexdigest()


def _parts(parts: tuple[Part, ...]) -> tuple[list[Json], Truncator]:
    """Return all parts, cut shorter where they exceed one request together; and what was cut."""
    truncator = Truncator()
    rows = [_part(part, truncator) for part in parts]
    sizes = [size_in_bytes(row) for row in rows]
    max_bytes = truncator.max_bytes
    while sum(min(size, max_bytes) for size in sizes) > MAX_PARTS_BYTES:
        max_bytes //= 2
    if max_bytes < truncator.max_bytes:
        truncator = Truncator(max_bytes)
        rows = [_part(part, truncator) for part in parts]
    return rows, truncator


def _part(part: Part, truncator: Truncator) -> Json:
    """Return one of the kinds that OpenSync's page shows; it keeps reasoning without showing it."""
    match part:
        case Text(text):
            return {"type": "text", "content": truncator(text)}
        case Reasoning(text):
            return {"type": "reasoning", "content": truncator(text)}
        case Attachment():
            size = "" if part.size is None else f", {part.size} bytes"
            label = " ".join(filter(None, (part.name, part.media_type + size)))
            return {"type": "text", "content": truncator(f"[{label}]")}
        case ToolCall():
            content = _tool(part.id, part.name, truncator)
            content |= _present(
                category=part.category or None,
                title=truncator(part.title, MAX_NAME_BYTES) if part.title else None,
            )
            content["args"] = _arguments(part.arguments, truncator)
            return {"type": "tool-call", "content": content}
    content = _tool(part.call_id, part.name, truncator)
    # The page shows an object with an empty result as JSON, not as nothing.
    truncator.omitted += isinstance(part.output, Omitted)
    content["result"] = truncator(part.output) or "(no output)"
    if part.is_error:
        content["isError"] = True
    return {"type": "tool-result", "content": content}


def _tool(call_id: str, name: str, truncator: Truncator) -> Json:
    return {
        "id": truncator(call_id, _MAX_TOOL_NAME_BYTES),
        "name": truncator(name, _MAX_TOOL_NAME_BYTES),
    }


def _arguments(arguments: Any, truncator: Truncator) -> Any:
    cleaned = clean({} if arguments is None else arguments)
    truncator.omitted += count_omitted(cleaned)
    if size_in_bytes(cleaned) > truncator.max_bytes and not isinstance(cleaned, str):
        cleaned = to_text(cleaned)
    return truncator(cleaned) if isinstance(cleaned, str) else cleaned


def _tokens(usage: Usage) -> Json:
    return _present(
        inputTokens=_number(usage.input_tokens),
        outputTokens=_number(usage.output_tokens),
        cacheReadTokens=_number(usage.cache_read_tokens),
        cacheWrite5mTokens=_number(usage.cache_write_5m_tokens),
        cacheWrite1hTokens=_number(usage.cache_write_1h_tokens),
        reasoningTokens=_number(usage.reasoning_tokens),
        webSearches=_number(usage.web_searches or None),
    )


def _present(**fields: Any) -> Json:
    """Leave out what is unknown: OpenSync refuses a null."""
    return {name: value for name, value in fields.items() if value is not None}


def _name(text: str | None) -> str | None:
    return truncate(text, MAX_NAME_BYTES) if text else None


def _number(value: float | None) -> float | None:
    """Leave out what no count and no cost can be: the server holds no such number exactly."""
    return value if value is not None and abs(value) <= MAX_INTEGER else None
