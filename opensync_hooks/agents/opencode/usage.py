"""What a message says that it cost: tokens and money, as OpenCode itself counted them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.layouts import Entry, digest
from opensync_hooks.agents.opencode.values import amount, mapping, number, text
from opensync_hooks.model import Charge, Usage


def charge(entry: Entry) -> Charge | None:
    """None for what no model was asked for: a prompt, a command of the user's, an early error."""
    tokens = _tokens(entry)
    cost = amount(entry.info, "cost")
    if tokens == Usage() and not cost:
        return None
    if not cost and entry.info.get("unpriced"):
        cost = None
    return Charge(_call_id(entry.info), text(entry.info, "modelID"), tokens, cost)


def _tokens(entry: Entry) -> Usage:
    """Until 1.0 one message held all steps of a turn, and its own count is that of the last."""
    steps = [part for part in entry.parts if part.get("type") == "step-finish"]
    if len(steps) > 1:
        return _sum(mapping(step, "tokens") for step in steps)
    return usage(mapping(entry.info, "tokens"))


def _sum(tokens: Iterable[Value]) -> Usage:
    return sum((usage(one) for one in tokens), Usage())


def usage(tokens: Value) -> Usage:
    """Until 1.3 `output` held the reasoning, since 1.14 it does not; `total` tells both apart."""
    fresh = number(tokens, "input") or 0
    read = number(tokens, "cache", "read") or 0
    written = number(tokens, "cache", "write") or 0
    output = number(tokens, "output") or 0
    total = number(tokens, "total") or 0
    return Usage(
        input_tokens=fresh,
        output_tokens=max(total - fresh - read - written, output),
        cache_read_tokens=read,
        cache_write_5m_tokens=written,
        reasoning_tokens=number(tokens, "reasoning") or 0,
    )


def _call_id(info: Value) -> str:
    """A fork copies messages under new ids, but with their times, models and counts."""
    what = (info.get(key) for key in ("time", "providerID", "modelID", "agent", "tokens", "cost"))
    return digest(json.dumps(list(what), sort_keys=True, default=str))
