"""JSON of any version, read without trust: what is missing or of another kind is not there."""

from __future__ import annotations

import json
from typing import Any

Value = dict[str, Any]
_MOST = 10**12


def decode(raw: object) -> Any:
    """The JSON in text or bytes; None where there is none. Bad UTF-8 is replaced, not fatal."""
    text = raw.decode("utf-8-sig", "replace") if isinstance(raw, bytes) else raw
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def record(raw: object) -> Value:
    """The object that `raw` is, or holds as JSON; empty for anything else."""
    value = raw if isinstance(raw, dict) else decode(raw)
    return value if isinstance(value, dict) else {}


def part(value: Value, *path: str) -> Value:
    """The object at the end of a path of keys; empty where the path breaks off."""
    found: Any = value
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def items(value: Value, key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def string(value: Value, key: str) -> str | None:
    """The text under a key; None for an empty one, too."""
    found = value.get(key)
    return found if isinstance(found, str) and found else None


def strings(value: Value, key: str) -> list[str]:
    return [one for one in items(value, key) if isinstance(one, str) and one]


def count(value: Value, key: str) -> int:
    """A number that counts something; 0 for whatever cannot, as a damaged row may have it."""
    found = value.get(key)
    return found if type(found) is int and 0 < found < _MOST else 0
