"""Removal of list entries from JSON with comments and trailing commas, as OpenCode reads it.

The offsets come from a copy of the same length in which comments and trailing commas are blanked.
What surrounds an entry, comments included, keeps its bytes.
"""

import re
from typing import Any

from opensync_hooks.agents.settings_files import json_edit

_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"({_STRING})|,(?=\s*[\]}}])", re.DOTALL)
_NOT_A_LINE_BREAK = re.compile(r"[^\r\n]")


def parse(text: str) -> Any:
    """Return the value of a text without duplicate keys. Raises ValueError."""
    return json_edit.parse(_as_json(text))


def remove(text: str, path: json_edit.KeyPath) -> str:
    """Cut the list entry at `path` with one comma, and with its line if that is empty then."""
    entries = json_edit.entries(_as_json(text), path[:-1])
    index = next(i for i, entry in enumerate(entries) if entry.key == path[-1])
    start, end = entries[index].start, entries[index].end
    uncommented = _COMMENT.sub(_blank, text)
    comma = re.compile(r"\s*,").match(uncommented, end)
    if comma:
        return _cut(_cut(text, comma.end() - 1, comma.end()), start, end)
    text = _cut(text, start, end)
    if index:
        comma_before = uncommented.index(",", entries[index - 1].end)
        text = text[:comma_before] + text[comma_before + 1 :]
    return text


def _cut(text: str, start: int, end: int) -> str:
    """Cut these characters, and their line if nothing else is left of it."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end) + 1
    if line_end and not (text[line_start:start] + text[end:line_end]).strip():
        return text[:line_start] + text[line_end:]
    while end < len(text) and text[end] in " \t" and text[start - 1] in " \t[":
        end += 1
    while text[start - 1] in " \t" and text[end : end + 1] == "]":
        start -= 1
    return text[:start] + text[end:]


def _as_json(text: str) -> str:
    return _TRAILING_COMMA.sub(_blank, _COMMENT.sub(_blank, text))


def _blank(match: re.Match[str]) -> str:
    return match[0] if match[1] else _NOT_A_LINE_BREAK.sub(" ", match[0])
