"""The limits of Convex, the database under OpenSync: which values, sizes and depths it accepts.

Sizes and depths are counted as Convex counts them, so that the embedded store refuses exactly what
OpenSync refuses. No error quotes a value, because errors end up in logs.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json

MAX_EXACT_INTEGER = 2**53
"""Convex stores numbers as doubles, which are not exact beyond it."""
MIB = 1024 * 1024
_MAX_ARGUMENT_BYTES = 16 * MIB
_MAX_ROW_BYTES = MIB
_MAX_VALUE_DEPTH = 64
_MAX_ROW_DEPTH = 16
_MAX_LIST_LENGTH = 8192
_MAX_FIELDS = 1024
_MAX_NAME_LENGTH = 1024
_SYSTEM_FIELDS = {"_id": "0" * 32, "_creationTime": 0}


def check_arguments(value: Any) -> None:
    """Raise RejectedError if no request can carry the value."""
    size, _ = measure(value)
    if size > _MAX_ARGUMENT_BYTES:
        raise RejectedError(f"Arguments are too large ({size / MIB:.2f} MiB > maximum size 16 MiB)")


def check_row(row: Json) -> None:
    """Raise RejectedError if the fields do not fit into one row."""
    size, depth = measure({**_SYSTEM_FIELDS, **row})
    if depth > _MAX_ROW_DEPTH:
        raise RejectedError(
            f"Document is too nested (nested {depth} levels deep > maximum nesting"
            f" {_MAX_ROW_DEPTH})"
        )
    if size > _MAX_ROW_BYTES:
        raise RejectedError(f"Value is too large ({size / MIB:.2f} MiB > maximum size 1 MiB)")


def measure(value: Any, level: int = 1) -> tuple[int, int]:
    """Return the bytes and the depth of a JSON value as Convex counts them.

    Raises RejectedError for a value that no field can hold.
    """
    if isinstance(value, str):  # most values are short ASCII texts: the order of tests is for them
        return (len(value) if value.isascii() else _text_bytes(value)) + 2, 0
    if value is None or isinstance(value, bool):
        return 1, 0
    if isinstance(value, int | float):
        return _number_bytes(value), 0
    is_object = isinstance(value, dict)
    if not is_object and not isinstance(value, list):
        raise RejectedError(f"TypeError: {type(value).__name__} is not a JSON value")
    if level > _MAX_VALUE_DEPTH:
        raise RejectedError(f"Value is too nested (maximum nesting {_MAX_VALUE_DEPTH})")
    _check_length(value)
    size, depth = 2, 0
    for element in value.values() if is_object else value:
        if type(element) is str and element.isascii():  # without a call: most values are
            size += len(element) + 2
            continue
        element_size, element_depth = measure(element, level + 1)
        size += element_size
        depth = max(depth, element_depth)
    if is_object:
        size += sum(map(_name_bytes, value))
    return size, 1 + depth


def _check_length(value: list[Any] | dict[Any, Any]) -> None:
    count = len(value)
    if isinstance(value, list):
        if count > _MAX_LIST_LENGTH:
            raise RejectedError(f"Array length is too long ({count} > maximum {_MAX_LIST_LENGTH})")
    elif count > _MAX_FIELDS:
        raise RejectedError(f"Object has too many fields ({count} > maximum {_MAX_FIELDS})")


@lru_cache(maxsize=1024)
def _name_bytes(name: Any) -> int:
    if not isinstance(name, str):
        raise RejectedError(f"TypeError: {type(name).__name__} is not a field name")
    start = ascii(name[:40])
    if name.startswith("$"):
        raise RejectedError(f"Field name {start} starts with '$', which is reserved.")
    if not (name.isascii() and name.isprintable()):
        raise RejectedError(f"Field name {start} has a character that is not printable ASCII.")
    if len(name) > _MAX_NAME_LENGTH:
        raise RejectedError(f"Field name is too long ({len(name)} > maximum {_MAX_NAME_LENGTH})")
    return len(name) + 1


def _text_bytes(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise RejectedError("Received invalid json: lone leading surrogate in hex escape") from None


def _number_bytes(value: float) -> int:
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # an int beyond the largest double
        is_finite = False
    if not is_finite:
        raise RejectedError("SyntaxError: a number that is not finite")
    return 9
