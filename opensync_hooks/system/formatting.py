"""Counts, sizes and times in the words that people use for them."""

from __future__ import annotations

from opensync_hooks.system import clock

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_SIZES = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


def count(number: int, what: str) -> str:
    """`1 session`, `2 sessions`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def ago(at: int | None) -> str:
    """A time in ms since 1970, as seen from now."""
    if at is None:
        return "never"
    seconds = max(0, clock.now() - at) // 1000
    return f"{span(seconds)} ago" if seconds else "just now"


def span(seconds: float) -> str:
    """`2 minutes`: the largest unit that fits, rounded down."""
    for size, unit in _UNITS:
        if seconds >= size:
            return count(int(seconds // size), unit)
    return "0 seconds"


def size(weight: int) -> str:
    """Bytes as `1.2 MB`."""
    for unit, name in _SIZES:
        if weight >= unit:
            return f"{weight / unit:.1f} {name}"
    return count(weight, "byte")
