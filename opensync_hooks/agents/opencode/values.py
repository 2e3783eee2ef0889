"""OpenCode's JSON, of which nothing is believed: a key may be missing, or hold something else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opensync_hooks.agents.json_access import Value, decode
from opensync_hooks.agents.safe_open import open_regular

LARGEST_FILE = 256 << 20
_MOST = 10**18
"""Of anything that is counted; JSON may hold integers beyond every float."""
_TRIES = 4
_PAUSE = 0.05
_FRESH_S = 10


def parse(raw: object) -> Value | None:
    """The JSON object in a column or a file, if it holds one."""
    value = decode(raw)
    return value if isinstance(value, dict) else None


def load(path: Path) -> Value | None:
    """The JSON object in a file; None if it holds none. Raises SourceError if there is no file.

    OpenCode writes its files in place, so one that was touched just now is read again.
    """
    for _ in range(_TRIES):
        with open_regular(path) as file:
            value = parse(file.read(LARGEST_FILE))
        if value is not None or time.time() - path.stat().st_mtime > _FRESH_S:
            return value
        time.sleep(_PAUSE)
    return None


def text(value: Any, *keys: str) -> str | None:
    """The text, not empty, that lies at the end of a way of keys."""
    found = _at(value, keys)
    return found if isinstance(found, str) and found else None


def number(value: Any, *keys: str) -> int | None:
    """A whole number such as a time; what is no number, or none that counts, is none."""
    found = amount(value, *keys)
    return round(found) if found is not None else None


def amount(value: Any, *keys: str) -> float | None:
    found = _at(value, keys)
    known = isinstance(found, int | float) and not isinstance(found, bool)
    return found if known and 0 <= found < _MOST else None


def mapping(value: Any, *keys: str) -> Value:
    found = _at(value, keys)
    return found if isinstance(found, dict) else {}


def objects(value: Any, *keys: str) -> Iterator[Value]:
    """The objects in the list at the end of a way of keys."""
    found = _at(value, keys)
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict):
            yield item


def _at(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
