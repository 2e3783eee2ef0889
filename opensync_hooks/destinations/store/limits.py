"""What Convex, the database under OpenSync, can hold: the values, their sizes, the limits.

Pure. Sizes and levels are counted as Convex counts them, so that a value is refused here exactly
when it is refused there. The texts never repeat a value, because refusals end up in logs.
"""

from __future__ import annotations

import math
from typing import Any

from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json

EXACT_INTEGER = 2**53
"""Beyond it a number is no longer exact: Convex keeps doubles."""
MIB = 1024 * 1024
_MOST_ARGUMENT_BYTES = 16 * MIB
_MOST_ROW_BYTES = MIB
_DEEPEST_VALUE = 64
_DEEPEST_ROW = 16
_MOST_ITEMS = 8192
_MOST_FIELDS = 1024
_LONGEST_NAME = 1024
_IN_EVERY_ROW = {"_id": "0" * 32, "_creationTime": 0}


def check_arguments(value: Any) -> None:
    """Raises RejectedError for what no request can carry."""
    size, _ = measure(value)
    if size > _MOST_ARGUMENT_BYTES:
        raise RejectedError(f"Arguments are too large ({_mib(size)} > maximum size 16 MiB)")


def check_row(row: Json) -> None:
    """Raises RejectedError for what no row can hold."""
    size, levels = measure({**_IN_EVERY_ROW, **row})
    if levels > _DEEPEST_ROW:
        raise RejectedError(
            f"Document is too nested (nested {levels} levels deep > maximum nesting {_DEEPEST_ROW})"
        )
    if size > _MOST_ROW_BYTES:
        raise RejectedError(f"Value is too large ({_mib(size)} > maximum size 1 MiB)")


def measure(value: Any, level: int = 1) -> tuple[int, int]:
    """A JSON value's bytes and levels as Convex counts them.

    Raises RejectedError for what no field can hold.
    """
    if isinstance(value, str):
        return _text_bytes(value) + 2, 0
    if value is None or isinstance(value, bool):
        return 1, 0
    if isinstance(value, int | float):
        return _number_bytes(value), 0
    if not isinstance(value, list | dict):
        raise RejectedError(f"TypeError: {type(value).__name__} is not a JSON value")
    if level > _DEEPEST_VALUE:
        raise RejectedError(f"Value is too nested (maximum nesting {_DEEPEST_VALUE})")
    if isinstance(value, list):
        return _measure_list(value, level)
    return _measure_object(value, level)


def _measure_list(items: list[Any], level: int) -> tuple[int, int]:
    if len(items) > _MOST_ITEMS:
        raise RejectedError(f"Array length is too long ({len(items)} > maximum {_MOST_ITEMS})")
    return _around([measure(item, level + 1) for item in items])


def _measure_object(fields: dict[Any, Any], level: int) -> tuple[int, int]:
    if len(fields) > _MOST_FIELDS:
        raise RejectedError(f"Object has too many fields ({len(fields)} > maximum {_MOST_FIELDS})")
    for name in fields:
        _check_name(name)
    size, levels = _around([measure(item, level + 1) for item in fields.values()])
    return size + sum(len(name) + 1 for name in fields), levels


def _around(inner: list[tuple[int, int]]) -> tuple[int, int]:
    size = sum(size for size, _ in inner)
    return 2 + size, 1 + max((levels for _, levels in inner), default=0)


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise RejectedError(f"TypeError: {type(name).__name__} is no name of a field")
    shown = ascii(name[:40])
    if name.startswith("$"):
        raise RejectedError(f"Field name {shown} starts with '$', which is reserved.")
    if not (name.isascii() and name.isprintable()):
        raise RejectedError(f"Field name {shown} has a letter that is not printable ASCII.")
    if len(name) > _LONGEST_NAME:
        raise RejectedError(f"Field name is too long ({len(name)} > maximum {_LONGEST_NAME})")


def _text_bytes(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise RejectedError("Received invalid json: lone leading surrogate in hex escape") from None


def _number_bytes(value: float) -> int:
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int beyond the largest double
        finite = False
    if not finite:
        raise RejectedError("SyntaxError: a number that is not finite")
    return 9


def _mib(size: int) -> str:
    return f"{size / MIB:.2f} MiB"
