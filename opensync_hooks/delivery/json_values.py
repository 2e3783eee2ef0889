"""Texts and JSON values as OpenSync's server takes them.

The server answers 500 to a single lone surrogate or a `$` key and stores nothing of the message.
What it does not take as it is becomes its own JSON text, and what is cut off is named where it was.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from opensync_hooks.dataclass import dataclass
from opensync_hooks.privacy.excerpt import MAX_TEXT_BYTES, Excerpt, more_bytes
from opensync_hooks.privacy.omitted import Omitted

MAX_INTEGER = 2**53
"""The largest that the server's numbers hold exactly."""
_MAX_ITEMS = 8_000
_MAX_FIELDS = 1_000
_MAX_DEPTH = 12
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"(?!\$|__proto__\Z)[\x20-\x7e]{0,1000}")


@dataclass(slots=True)
class Truncator:
    """Truncates texts, and counts those that it had to cut."""

    max_bytes: int = MAX_TEXT_BYTES
    cuts: int = 0
    omitted: int = 0
    """The values of which only a note is left."""

    def __call__(self, text: str, max_bytes: int | None = None) -> str:
        """Return the text without lone surrogates, ending with a mark where it was cut."""
        limit = self.max_bytes if max_bytes is None else max_bytes
        if type(text) is str and text.isascii() and len(text) <= limit:
            return text
        more = more_bytes(text)
        text = _SURROGATE.sub("\ufffd", text)
        encoded = text.encode()
        if len(encoded) <= limit and not more:
            return text
        self.cuts += 1
        start = encoded[:limit].decode(errors="ignore")
        return f"{start}\n[cut here: {len(encoded) - len(start.encode()) + more} more bytes]"


def truncate(text: str, max_bytes: int = MAX_TEXT_BYTES) -> str:
    return Truncator(max_bytes)(text)


def clean(value: Any, depth: int = 0) -> Any:
    """Return a JSON value as the server takes it; what it refuses becomes its own JSON text.

    Truncates nothing: a second cut further out would take the mark of the first one away.
    """
    if type(value) is str and value.isascii():
        return value
    if isinstance(value, Excerpt):
        return Excerpt(_SURROGATE.sub("\ufffd", value), value.more_bytes)
    if isinstance(value, str):
        return value if isinstance(value, Omitted) else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        fits = len(value) <= _MAX_FIELDS and depth < _MAX_DEPTH
        if not fits or not all(_PLAIN_KEY.fullmatch(key) for key in value):
            return to_text(value)
        return {key: clean(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        if len(value) > _MAX_ITEMS or depth >= _MAX_DEPTH:
            return to_text(value)
        return [clean(inner, depth + 1) for inner in value]
    if isinstance(value, int | float):
        is_exact = abs(value) <= MAX_INTEGER if isinstance(value, int) else math.isfinite(value)
        return value if is_exact else to_text(value)
    return value


def size_in_bytes(value: Any) -> int:
    """Return the size of a clean value, never less than the server counts: 9 for any number."""
    if isinstance(value, str):
        return len(value.encode()) + 2
    if isinstance(value, dict):
        return 2 + sum(len(key) + 1 + size_in_bytes(inner) for key, inner in value.items())
    return 2 + sum(map(size_in_bytes, value)) if isinstance(value, list) else 9


def to_text(value: Any) -> str:
    try:
        text = _SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
        return Excerpt(text, more) if (more := more_bytes(value)) else text
    except (RecursionError, ValueError):  # ValueError: Python writes no number of 4,301 digits
        return Omitted("[too deep or too long a value to be kept]")


def count_omitted(value: Any) -> int:
    """Return how many notes a clean value has in place of values."""
    if isinstance(value, dict):
        return sum(map(count_omitted, value.values()))
    return sum(map(count_omitted, value)) if isinstance(value, list) else isinstance(value, Omitted)
