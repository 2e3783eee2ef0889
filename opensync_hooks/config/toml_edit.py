"""Change values in the text of a TOML file, so that the user's comments and order stay.

tomllib drops comments and tomli-w writes none. A change that cannot be made line by line rewrites
the file without comments; either way the result is parsed again and compared.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
Path = tuple[str, ...]
"""The tables that a value is in, and its name."""
_REMOVED = object()
_HEADER = re.compile(r"\s*\[")
_ONE_LINE_VALUE = re.compile(r"""=\s*(?:[\w.+-]+|"[^"\\]*"|'[^']*')(\s*#.*)$""")
_MAX_VALUE_LINES = 500


def rewrite(text: str, document: Document) -> str:
    """Return the text of a TOML file, changed so that it parses to `document`."""
    lines = text.removesuffix("\n").split("\n") if text else []  # TOML has no other line ends
    for path, value in _differences(tomllib.loads(text), document):
        lines = _remove(lines, path) if value is _REMOVED else _set(lines, path, value)
    rewritten = "\n".join(lines) + "\n" if lines else ""
    try:
        if tomllib.loads(rewritten) == document:
            return rewritten
    except ValueError:
        pass
    return _dump(document)


def _dump(document: Document) -> str:
    import tomli_w  # noqa: PLC0415 - in a clone without packages, `doctor` has to start

    return tomli_w.dumps(document)


def _differences(before: Document, after: Document, table: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each value that is new, different or removed, with its path."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, _REMOVED), after.get(name, _REMOVED)
        if isinstance(new, dict) and (isinstance(old, dict) or old is _REMOVED):
            old_table = old if isinstance(old, dict) else {}
            yield from _differences(old_table, new, (*table, name))
        elif old != new:
            yield (*table, name), new


def _set(lines: list[str], path: Path, value: Any) -> list[str]:
    *table, name = path
    statement = _dump({name: value}).rstrip("\n").split("\n")
    section = _find_section(lines, tuple(table))
    if section is None:
        header = _dump({"x": 0, table[0]: {}}) if len(table) == 1 else ""
        title = header.splitlines()[-1] if header else "[" + ".".join(table) + "]"
        return [*lines, *([""] if lines else []), title, *statement]
    existing = _find_statement(lines, section, name)
    if existing is not None:
        if len(existing) == len(statement) == 1:
            comment = _ONE_LINE_VALUE.search(lines[existing.start])
            statement[-1] += comment[1] if comment else ""
        return [*lines[: existing.start], *statement, *lines[existing.stop :]]
    end = section.stop
    while end > section.start and not lines[end - 1].strip():
        end -= 1
    return [*lines[:end], *statement, *lines[end:]]


def _remove(lines: list[str], path: Path) -> list[str]:
    *table, name = path
    section = _find_section(lines, tuple(table))
    existing = _find_statement(lines, section, name) if section is not None else None
    return lines if existing is None else [*lines[: existing.start], *lines[existing.stop :]]


def _find_section(lines: list[str], table: Path) -> range | None:
    """Return the lines between a table's header and the next header; `()` is the top level."""
    start = 0
    if table:
        names = r"\s*\.\s*".join(rf"[\"']?{re.escape(name)}[\"']?" for name in table)
        header = re.compile(rf"\s*\[\s*{names}\s*\]\s*(#.*)?$")
        index = next((index for index, line in enumerate(lines) if header.match(line)), None)
        if index is None:
            return None
        start = index + 1
    ends = (index for index in range(start, len(lines)) if _HEADER.match(lines[index]))
    return range(start, next(ends, len(lines)))


def _find_statement(lines: list[str], section: range, name: str) -> range | None:
    """Return the lines of `name = …`: more than one where the value continues below."""
    beginning = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
    start = next((index for index in section if beginning.match(lines[index])), None)
    if start is None:
        return None
    for end in range(start + 1, min(start + _MAX_VALUE_LINES, len(lines)) + 1):
        try:
            tomllib.loads("\n".join(lines[start:end]))
        except ValueError:
            continue
        return range(start, end)
    return None
