"""Edits of a JSON text that keep every other byte, the order of keys and the style.

Loading and dumping would reflow inline lists, turn 1e400 into Infinity, and fail on the lone
surrogates that JavaScript writes, in files that are the user's, not ours.
"""

import json
import re
from typing import Any, NoReturn

from opensync_hooks.dataclass import dataclass

KeyPath = tuple[str | int, ...]
"""Keys and indexes from the root down."""

_FIRST_KEY = re.compile(r'[ \t\r\n]*\{[ \t]*\r?\n([ \t]+)"')


@dataclass(frozen=True, slots=True)
class JsonEntry:
    """One entry of an object or array: its key, and where it starts and ends in the text."""

    key: str | int
    start: int
    value: int
    end: int


def parse(text: str) -> Any:
    """Return the value of a strictly valid text without duplicate keys. Raises ValueError."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON (line {error.lineno}: {error.msg})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def replace(text: str, path: KeyPath, value: Any) -> str:
    start = _find(text, path)
    end = _end(text, start)
    indent = _indent(text, start) if "\n" in text[start:end] else None
    return text[:start] + _render(text, value, indent) + text[end:]


def append(text: str, path: KeyPath, value: Any, key: str | None = None) -> str:
    """Add as the last entry of the array, or under `key` of the object, at `path`."""
    start = _find(text, path)
    existing = _entries(text, start)
    if not _is_multiline(text, start, existing):
        end, comma = (existing[-1].end, _separators(text)[0]) if existing else (start + 1, "")
        return text[:end] + comma + _entry(text, key, value, None) + text[end:]
    newline = "\r\n" if "\r\n" in text else "\n"
    if existing:
        end, inner = existing[-1].end, _indent(text, existing[-1].start)
        return text[:end] + "," + newline + inner + _entry(text, key, value, inner) + text[end:]
    outer = _indent(text, start)
    inner = outer + _indent_unit(text)
    entry = newline + inner + _entry(text, key, value, inner) + newline + outer
    return text[: start + 1] + entry + text[_end(text, start) - 1 :]


def remove(text: str, path: KeyPath) -> str:
    """Cut one entry and its comma; undoes `append`."""
    start = _find(text, path[:-1])
    existing = _entries(text, start)
    index = next(i for i, entry in enumerate(existing) if entry.key == path[-1])
    if index:
        return text[: existing[index - 1].end] + text[existing[index].end :]
    if len(existing) > 1:
        return text[: existing[0].start] + text[existing[1].start :]
    return text[: start + 1] + text[_end(text, start) - 1 :]


def entries(text: str, path: KeyPath) -> list[JsonEntry]:
    """Return the entries of the object or array at `path`."""
    return _entries(text, _find(text, path))


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, member in pairs:
        if key in value:
            raise ValueError(f"duplicate key {json.dumps(key)} in one object")
        value[key] = member
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)


def _skip_whitespace(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def _end(text: str, start: int) -> int:
    return _DECODER.raw_decode(text, start)[1]


def _find(text: str, path: KeyPath) -> int:
    start = _skip_whitespace(text, 0)
    for key in path:
        start = next(entry.value for entry in _entries(text, start) if entry.key == key)
    return start


def _entries(text: str, start: int) -> list[JsonEntry]:
    """Return the entries of the object or array that begins at `start`."""
    entries: list[JsonEntry] = []
    is_object = text[start] == "{"
    offset = _skip_whitespace(text, start + 1)
    while text[offset] not in "}]":
        entry_start = offset
        key: str | int = len(entries)
        if is_object:
            key, offset = _DECODER.raw_decode(text, offset)
            offset = _skip_whitespace(text, _skip_whitespace(text, offset) + 1)  # past the colon
        entries.append(JsonEntry(key, entry_start, offset, _end(text, offset)))
        offset = _skip_whitespace(text, entries[-1].end)
        if text[offset] == ",":
            offset = _skip_whitespace(text, offset + 1)
    return entries


def _is_multiline(text: str, start: int, existing: list[JsonEntry]) -> bool:
    """Whether the entries of the container at `start` are, or would be, on lines of their own."""
    if existing:
        return "\n" in text[start : _end(text, start)]
    return "\n" in text.strip() or not _entries(text, _skip_whitespace(text, 0))


def _indent_unit(text: str) -> str:
    match = _FIRST_KEY.match(text)
    return match[1] if match else "  "


def _separators(text: str) -> tuple[str, str]:
    return (",", ":") if '":' in text and '": ' not in text else (", ", ": ")


def _indent(text: str, offset: int) -> str:
    """Return the whitespace that the line around `offset` begins with."""
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _entry(text: str, key: str | None, value: Any, indent: str | None) -> str:
    colon = ": " if indent is not None else _separators(text)[1]
    name = "" if key is None else json.dumps(key, ensure_ascii=False) + colon
    return name + _render(text, value, indent)


def _render(text: str, value: Any, indent: str | None) -> str:
    if indent is None:
        return json.dumps(value, ensure_ascii=False, separators=_separators(text))
    lines = json.dumps(value, ensure_ascii=False, indent=_indent_unit(text)).split("\n")
    newline = "\r\n" if "\r\n" in text else "\n"
    return (newline + indent).join(lines)
