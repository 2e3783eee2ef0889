"""Times, tokens and costs, in the words of the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from opensync_hooks.model import Json
from opensync_hooks.server.html import Html, element


def day(ms: Any) -> str:
    at = _moment(ms)
    return f"{at.day} {at:%B %Y}" if at else "At an unknown time"


def tokens(counted: Json) -> str:
    """`1,200 tokens in, 34 out`; nothing where none were counted."""
    read, written = counted.get("promptTokens") or 0, counted.get("completionTokens") or 0
    return f"{read:,} tokens in, {written:,} out" if read or written else ""


def cost(dollars: float) -> str:
    """Nothing for a cost of zero: a model without a price has one, too."""
    return f"${dollars:,.2f}" if dollars >= 0.01 else f"${dollars:.4f}" if dollars > 0 else ""


def moment(ms: Any, form: str = "{0.day} %b %Y, %H:%M") -> Html:
    """In this machine's zone; `form` is one of `strftime`, with the moment as `{0}`."""
    at = _moment(ms)
    if at is None:
        return Html("unknown time")
    return element("time", at.strftime(form.format(at)), datetime=at.isoformat(timespec="seconds"))


def _moment(ms: Any) -> datetime | None:
    """None for what is no time that a calendar has."""
    try:
        return datetime.fromtimestamp(float(ms) / 1000).astimezone()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
