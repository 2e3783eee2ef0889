"""JSON with comments and trailing commas, as OpenCode reads its settings.

Only cuts entries out of lists. A text of the same length without what JSON does not know says where
they stand; what was around them, comments too, keeps its bytes.
"""

from __future__ import annotations

import re
from typing import Any

from opensync_hooks.agents.settings_files import json_edit

_TEXT = r'"(?:[^"\\]|\\.)*"'
_COMMENT = re.compile(rf"({_TEXT})|//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_LAST_COMMA = re.compile(rf"({_TEXT})|,(?=\s*[\]}}])", re.DOTALL)
_NOT_A_BREAK = re.compile(r"[^\r\n]")


def parse(text: str) -> Any:
    """Raises ValueError for anything but one value, and for a key that stands twice."""
    return json_edit.parse(_plain(text))


def remove(text: str, path: json_edit.Path) -> str:
    """Cut the entry of a list that `path` leads to, with one comma, and its line once empty."""
    entries = json_edit.entries(_plain(text), path[:-1])
    place = next(i for i, entry in enumerate(entries) if entry.key == path[-1])
    start, end = entries[place].start, entries[place].end
    bare = _without_comments(text)
    comma = re.compile(r"\s*,").match(bare, end)
    if comma:
        return _cut(_cut(text, comma.end() - 1, comma.end()), start, end)
    text = _cut(text, start, end)
    if place:
        before = bare.index(",", entries[place - 1].end)
        text = text[:before] + text[before + 1 :]
    return text


def _cut(text: str, start: int, end: int) -> str:
    """Without these letters, and without their line if nothing else is left of it."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end) + 1
    if last and not (text[first:start] + text[end:last]).strip():
        return text[:first] + text[last:]
    while end < len(text) and text[end] in " \t" and text[start - 1] in " \t[":
        end += 1
    while text[start - 1] in " \t" and text[end : end + 1] == "]":
        start -= 1
    return text[:start] + text[end:]


def _plain(text: str) -> str:
    return _LAST_COMMA.sub(_blank, _without_comments(text))


def _without_comments(text: str) -> str:
    return _COMMENT.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    return found[0] if found[1] else _NOT_A_BREAK.sub(" ", found[0])
