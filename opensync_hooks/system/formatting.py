"""Counts, sizes and times as people write them."""

from opensync_hooks.system import clock

_TIME_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_SIZE_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


def count(number: int, noun: str) -> str:
    """Return `1 session`, `2 sessions`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ago(timestamp: int | None) -> str:
    """Return the age of a time in ms since 1970: `2 minutes ago`, or `never` for None."""
    if timestamp is None:
        return "never"
    seconds = max(0, clock.now() - timestamp) // 1000
    return f"{duration(seconds)} ago" if seconds else "just now"


def duration(seconds: float) -> str:
    """Return `2 minutes`: in the largest unit that fits, rounded down."""
    for length, unit in _TIME_UNITS:
        if seconds >= length:
            return count(int(seconds // length), unit)
    return "0 seconds"


def size(bytes_: int) -> str:
    """Return `1.2 MB`, `17 bytes`."""
    for length, unit in _SIZE_UNITS:
        if bytes_ >= length:
            return f"{bytes_ / length:.1f} {unit}"
    return count(bytes_, "byte")


def money(dollars: float) -> str:
    """Return `$1,234.50`; below a cent the first two digits that are not zero: `$0.0013`."""
    if 1e-9 < dollars < 0.01:  # less than that is what adding and subtracting floats leaves of zero
        exponent = int(f"{dollars:e}".partition("e")[2])
        return f"${dollars:.{1 - exponent}f}"
    return f"${dollars:,.2f}"
