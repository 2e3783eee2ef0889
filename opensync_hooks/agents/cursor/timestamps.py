"""Every form in which Cursor writes a time, read as milliseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_MIN_MS = 946_684_800_000  # the year 2000: a smaller number counts from the start of a process
_MAX_MS = 4_102_444_800_000
_TAG = re.compile(
    r"([A-Z][a-z]{2})[a-z]*\.? (\d{1,2}), (\d{4}),? (?:at )?(\d{1,2}):(\d{2})(?::(\d{2}))?"
    r"\s?([AP]M)? \((?:UTC|GMT)(?:([+-])(\d{1,2})(?:(:|\.)(\d{1,2}))?)?\)"
)
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def valid_ms(value: Any) -> int | None:
    """Return a number of milliseconds if it can be a date."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value) if _MIN_MS <= value < _MAX_MS else None


def parse(value: Any) -> int | None:
    """Read ISO text, or milliseconds or seconds as a number or as text."""
    if isinstance(value, str):
        if not value.isascii() or not value.isdigit():
            return _parse_iso(value)
        value = int(value) if len(value) < 20 else 0
    if isinstance(value, int | float) and _MIN_MS <= value * 1000 < _MAX_MS:
        value *= 1000
    return valid_ms(value)


def _parse_iso(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text)
        return valid_ms((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    except (OverflowError, ValueError, OSError):
        return None


def parse_tag(text: str) -> int | None:
    """Read the time in a `<timestamp>` tag: `Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)`.

    Returns None without an offset, because this machine may be in another time zone.
    """
    match = _TAG.search(text)
    if not match:
        return None
    month, day, year, hour, minute, second, half, sign, hours, mark, fraction = match.groups()
    index = _MONTHS.find(month)
    hour_of_day = int(hour) if half is None else int(hour) % 12 + (12 if half == "PM" else 0)
    offset = timedelta(hours=int(hours or 0), minutes=_offset_minutes(mark, fraction))
    try:
        time = datetime(
            int(year), index // 3 + 1, int(day), hour_of_day, int(minute), int(second or 0),
            tzinfo=timezone(-offset if sign == "-" else offset),
        )  # fmt: skip
    except ValueError:
        return None
    return valid_ms(time.timestamp() * 1000) if index % 3 == 0 else None


def _offset_minutes(mark: str | None, fraction: str | None) -> int:
    """Return the minutes of an offset: 30 in `+5:30`, and in `+5.5` as well."""
    if not fraction:
        return 0
    return int(fraction) if mark == ":" else round(float(f"0.{fraction}") * 60)
