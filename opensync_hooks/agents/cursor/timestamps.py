"""The many ways in which Cursor writes a time, each as milliseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_FIRST_MS = 946_684_800_000  # the year 2000: a smaller number counts from the start of a process
_LAST_MS = 4_102_444_800_000
_TAG = re.compile(
    r"([A-Z][a-z]{2})[a-z]*\.? (\d{1,2}), (\d{4}),? (?:at )?(\d{1,2}):(\d{2})(?::(\d{2}))?"
    r"\s?([AP]M)? \((?:UTC|GMT)(?:([+-])(\d{1,2})(?:(:|\.)(\d{1,2}))?)?\)"
)
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def absolute(value: Any) -> int | None:
    """A number of milliseconds that can be a date."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value) if _FIRST_MS <= value < _LAST_MS else None


def moment(value: Any) -> int | None:
    """A time as ISO text, as milliseconds or seconds, also those written as text."""
    if isinstance(value, str):
        if not value.isascii() or not value.isdigit():
            return _of_iso(value)
        value = int(value) if len(value) < 20 else 0
    if isinstance(value, int | float) and _FIRST_MS <= value * 1000 < _LAST_MS:
        value *= 1000
    return absolute(value)


def _of_iso(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    try:
        return absolute(found.timestamp() * 1000)
    except (OverflowError, ValueError, OSError):
        return None


def tagged(text: str) -> int | None:
    """The time in a `<timestamp>` tag, `Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)`, to the minute.

    Without an offset it is nobody's time: the machine that syncs may be in another zone.
    """
    found = _TAG.search(text)
    if not found:
        return None
    month, day, year, hour, minute, second, half, sign, hours, mark, rest = found.groups()
    place = _MONTHS.find(month)
    offset = timedelta(hours=int(hours or 0), minutes=_minutes(mark, rest))
    try:
        at = datetime(
            int(year), place // 3 + 1, int(day), _hour(int(hour), half), int(minute),
            int(second or 0), tzinfo=timezone(-offset if sign == "-" else offset),
        )  # fmt: skip
    except ValueError:
        return None
    return absolute(at.timestamp() * 1000) if place % 3 == 0 else None


def _hour(hour: int, half: str | None) -> int:
    return hour if half is None else hour % 12 + (12 if half == "PM" else 0)


def _minutes(mark: str | None, rest: str | None) -> int:
    """`+5:30` has minutes behind the mark, `+5.5` a part of an hour."""
    if not rest:
        return 0
    return int(rest) if mark == ":" else round(float(f"0.{rest}") * 60)
