"""The tokens and the cost of a message, as OpenCode itself counted them."""

from __future__ import annotations

import json
import re

from opensync_hooks.agents.json_access import get_dict, get_float, get_int, get_str
from opensync_hooks.agents.opencode import OPENCODE
from opensync_hooks.agents.opencode.layouts import StoredMessage, fingerprint
from opensync_hooks.agents.opencode.product import Product
from opensync_hooks.model import Charge, Json, Usage


def charge_of(
    message: StoredMessage, version: str | None = None, product: Product = OPENCODE
) -> Charge | None:
    """Return None where no model was called: a command of the user's, an early error.

    `version` is that of the session, which tells whether `output` includes the reasoning.
    """
    apart = _counts_reasoning_apart(version)
    steps = [part for part in message.parts if part.get("type") == "step-finish"]
    if len(steps) > 1:
        # Until 1.0 one message held all steps of a turn, and its own count is that of the last.
        usage = sum((usage_of(get_dict(step, "tokens"), apart=apart) for step in steps), Usage())
    else:
        usage = usage_of(get_dict(message.info, "tokens"), apart=apart)
    info = message.info or {}
    cost = _own_cost(message) if product.adds_subagent_costs else get_float(info, "cost")
    if usage == Usage() and not cost:
        return None
    if not cost and info.get("unpriced"):
        cost = None
    at = get_int(info, "time", "created")
    return Charge(_call_id(info), get_str(info, "modelID"), usage, cost, at=at)


def _own_cost(message: StoredMessage) -> float | None:
    """Return the cost of the message without that of the subagents it started."""
    cost = get_float(message.info, "cost")
    has_subagent = any(get_str(part, "state", "metadata", "sessionId") for part in message.parts)
    if cost is None or not has_subagent:
        return cost
    steps = (part for part in message.parts if part.get("type") == "step-finish")
    return sum(get_float(step, "cost") or 0 for step in steps)


def _counts_reasoning_apart(version: str | None) -> bool:
    numbers = tuple(int(number) for number in re.findall(r"\d+", version or "")[:3])
    return numbers >= (1, 14) or numbers == (0, 0, 0)  # 0.0.0-dev is a development build


def usage_of(tokens: Json, *, apart: bool = False) -> Usage:
    """Read counts. Up to 1.3 `output` includes the reasoning; from 1.14 on only `total` does.

    `apart`: where there is no `total`, the reasoning is not in `output`.
    """
    uncached = get_int(tokens, "input") or 0
    read = get_int(tokens, "cache", "read") or 0
    written = get_int(tokens, "cache", "write") or 0
    output = get_int(tokens, "output") or 0
    reasoning = get_int(tokens, "reasoning") or 0
    total = get_int(tokens, "total") or 0
    if apart and not total:
        output += reasoning
    return Usage(
        input_tokens=uncached,
        output_tokens=max(total - uncached - read - written, output),
        cache_read_tokens=read,
        cache_write_5m_tokens=written,
        reasoning_tokens=reasoning,
    )


def _call_id(info: Json) -> str:
    """Identify the API call; a fork copies messages under new ids, but keeps all of these."""
    keys = ("time", "providerID", "modelID", "agent", "tokens", "cost")
    call = [info.get(key) for key in keys]
    return fingerprint(json.dumps(call, sort_keys=True, default=str))
