"""Times, tokens and costs as the pages show them."""

from datetime import datetime
from typing import Any

from opensync_hooks.model import Json
from opensync_hooks.server.html import Html, element


def day(ms: Any) -> str:
    time = _local_time(ms)
    return f"{time.day} {time:%B %Y}" if time else "Unknown date"


def tokens(row: Json) -> str:
    """`1,200 tokens in, 34 out`; empty if none were counted."""
    prompt, completion = row.get("promptTokens") or 0, row.get("completionTokens") or 0
    return f"{prompt:,} tokens in, {completion:,} out" if prompt or completion else ""


def cost(dollars: float) -> str:
    """`$1.20`; empty for zero, which a model without a known price has too."""
    return f"${dollars:,.2f}" if dollars >= 0.01 else f"${dollars:.4f}" if dollars > 0 else ""


def timestamp(ms: Any, form: str = "{0.day} %b %Y, %H:%M") -> Html:
    """A `time` element in this machine's time zone; `form` is for `str.format` and `strftime`."""
    time = _local_time(ms)
    if time is None:
        return Html("unknown time")
    text = time.strftime(form.format(time))
    return element("time", text, datetime=time.isoformat(timespec="seconds"))


def _local_time(ms: Any) -> datetime | None:
    """None for a number that is not a time of the calendar."""
    try:
        return datetime.fromtimestamp(float(ms) / 1000).astimezone()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
