"""Edits of a JSON text. What an edit does not name keeps its bytes, its order and its style.

Loading and dumping would reflow inline lists, turn 1e400 into Infinity, and fail on the lone
surrogates that JavaScript writes: all of them in files that are the user's, not ours.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

Path = tuple[str | int, ...]
"""Keys and indexes from the root down."""

_BLANK = re.compile(r"[ \t\r\n]*")
_FIRST_KEY = re.compile(r'[ \t\r\n]*\{[ \t]*\r?\n([ \t]+)"')


def parse(text: str) -> Any:
    """The value of a strictly valid text in which no key stands twice. Raises ValueError."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def replace(text: str, path: Path, value: Any) -> str:
    at = _find(text, path)
    end = _end(text, at)
    indent = _indent(text, at) if "\n" in text[at:end] else None
    return text[:at] + _render(text, value, indent) + text[end:]


def append(text: str, path: Path, value: Any, key: str | None = None) -> str:
    """Add as the last entry of the array, or under `key` of the object, at `path`."""
    at = _find(text, path)
    entries = _entries(text, at)
    if not _spread(text, at, entries):
        at, comma = (entries[-1].end, _separators(text)[0]) if entries else (at + 1, "")
        return text[:at] + comma + _entry(text, key, value, None) + text[at:]
    if entries:
        at, inner = entries[-1].end, _indent(text, entries[-1].start)
        return (
            text[:at] + "," + _newline(text) + inner + _entry(text, key, value, inner) + text[at:]
        )
    outer = _indent(text, at)
    inner = outer + _unit(text)
    entry = _newline(text) + inner + _entry(text, key, value, inner) + _newline(text) + outer
    return text[: at + 1] + entry + text[_end(text, at) - 1 :]


def remove(text: str, path: Path) -> str:
    """Cut one entry and its comma: undoes `append`."""
    at = _find(text, path[:-1])
    entries = _entries(text, at)
    place = next(i for i, entry in enumerate(entries) if entry.key == path[-1])
    if place:
        return text[: entries[place - 1].end] + text[entries[place].end :]
    if len(entries) > 1:
        return text[: entries[0].start] + text[entries[1].start :]
    return text[: at + 1] + text[_end(text, at) - 1 :]


def entries(text: str, path: Path) -> list[Entry]:
    """What the object or array at `path` holds, and where."""
    return _entries(text, _find(text, path))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an object or array, by its offsets in the text: with its key, and its value."""

    key: str | int
    start: int
    value: int
    end: int


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {json.dumps(key)} stands twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _end(text: str, at: int) -> int:
    return _DECODER.raw_decode(text, at)[1]


def _find(text: str, path: Path) -> int:
    at = _skip(text, 0)
    for key in path:
        at = next(entry.value for entry in _entries(text, at) if entry.key == key)
    return at


def _entries(text: str, at: int) -> list[Entry]:
    """What the object or array that starts at `at` holds."""
    found: list[Entry] = []
    is_object = text[at] == "{"
    at = _skip(text, at + 1)
    while text[at] not in "}]":
        start = at
        key: str | int = len(found)
        if is_object:
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)  # over the colon
        found.append(Entry(key, start, at, _end(text, at)))
        at = _skip(text, found[-1].end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _spread(text: str, at: int, entries: list[Entry]) -> bool:
    """Whether entries of this container stand on lines of their own."""
    if entries:
        return "\n" in text[at : _end(text, at)]
    return "\n" in text.strip() or not _entries(text, _skip(text, 0))


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    found = _FIRST_KEY.match(text)
    return found[1] if found else "  "


def _separators(text: str) -> tuple[str, str]:
    return (",", ":") if '":' in text and '": ' not in text else (", ", ": ")


def _indent(text: str, at: int) -> str:
    """The white space that the line around `at` begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _entry(text: str, key: str | None, value: Any, indent: str | None) -> str:
    colon = ": " if indent is not None else _separators(text)[1]
    name = "" if key is None else json.dumps(key, ensure_ascii=False) + colon
    return name + _render(text, value, indent)


def _render(text: str, value: Any, indent: str | None) -> str:
    if indent is None:
        return json.dumps(value, ensure_ascii=False, separators=_separators(text))
    lines = json.dumps(value, ensure_ascii=False, indent=_unit(text)).split("\n")
    return (_newline(text) + indent).join(lines)
