"""A TOML file changed in its text, so that the user's comments and order stay.

tomllib reads no comments and tomli-w writes none: what cannot be changed line by line is written
anew without them. Either way the text says exactly what it should, for it is read again.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import tomli_w

Document = dict[str, Any]
Path = tuple[str, ...]
_GONE = object()
_HEADER = re.compile(r"\s*\[")
_SIMPLE = re.compile(r"""=\s*(?:[\w.+-]+|"[^"\\]*"|'[^']*')(\s*#.*)$""")
_LONGEST_VALUE = 500
"""Lines."""


def rewritten(text: str, after: Document) -> str:
    """The text that says `after`. `text` must be TOML."""
    lines = text.removesuffix("\n").split("\n") if text else []  # no other letter ends a line here
    for path, value in _changes(tomllib.loads(text), after):
        lines = _without(lines, path) if value is _GONE else _with(lines, path, value)
    changed = "\n".join(lines) + "\n" if lines else ""
    try:
        if tomllib.loads(changed) == after:
            return changed
    except ValueError:
        pass
    return tomli_w.dumps(after)


def _changes(before: Document, after: Document, table: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is new, another one, or gone; tables by what is in them."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, _GONE), after.get(name, _GONE)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changes(old, new, (*table, name))
        elif isinstance(new, dict) and old is _GONE:
            yield from _changes({}, new, (*table, name))
        elif old != new:
            yield (*table, name), new


def _with(lines: list[str], path: Path, value: Any) -> list[str]:
    *table, name = path
    made = tomli_w.dumps({name: value}).rstrip("\n").split("\n")
    section = _section(lines, tuple(table))
    if section is None:
        header = tomli_w.dumps({"x": 0, table[0]: {}}) if len(table) == 1 else ""
        title = header.splitlines()[-1] if header else "[" + ".".join(table) + "]"
        return [*lines, *([""] if lines else []), title, *made]
    place = _statement(lines, section, name)
    if place is not None:
        kept = _SIMPLE.search(lines[place.start]) if len(place) == len(made) == 1 else None
        made[-1] += kept[1] if kept else ""
        return [*lines[: place.start], *made, *lines[place.stop :]]
    end = section.stop
    while end > section.start and not lines[end - 1].strip():
        end -= 1
    return [*lines[:end], *made, *lines[end:]]


def _without(lines: list[str], path: Path) -> list[str]:
    *table, name = path
    section = _section(lines, tuple(table))
    place = _statement(lines, section, name) if section is not None else None
    return lines if place is None else [*lines[: place.start], *lines[place.stop :]]


def _section(lines: list[str], table: Path) -> range | None:
    """The lines below a table's header, up to the next one; the first ones for no table."""
    start = 0
    if table:
        names = r"\s*\.\s*".join(rf"[\"']?{re.escape(name)}[\"']?" for name in table)
        header = re.compile(rf"\s*\[\s*{names}\s*\]\s*(#.*)?$")
        found = next((at for at, line in enumerate(lines) if header.match(line)), None)
        if found is None:
            return None
        start = found + 1
    ends = (at for at in range(start, len(lines)) if _HEADER.match(lines[at]))
    return range(start, next(ends, len(lines)))


def _statement(lines: list[str], section: range, name: str) -> range | None:
    """The lines of `name = …`, several of them where the value goes on."""
    begins = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
    start = next((at for at in section if begins.match(lines[at])), None)
    if start is None:
        return None
    for end in range(start + 1, min(start + _LONGEST_VALUE, len(lines)) + 1):
        try:
            tomllib.loads("\n".join(lines[start:end]))
        except ValueError:
            continue
        return range(start, end)
    return None
