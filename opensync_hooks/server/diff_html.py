"""Changes of files as HTML: what a call writes, line by line.

Only what both texts begin and end with is taken as unchanged. That is what such calls are: one
place of a file; and it takes no longer for texts that were made to be compared slowly.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby, takewhile
from typing import Any, NamedTuple

from opensync_hooks.model import Json
from opensync_hooks.privacy.file_texts import note
from opensync_hooks.server.html import Html, element

_OLD = ("old_string", "oldString", "old_str", "old_text")
_NEW = ("new_string", "newString", "new_str", "new_text")
_CONTENTS = ("content", "contents", "file_text")
_PATHS = ("file_path", "filePath", "path", "notebook_path", "target_file")
_PATCHES = ("patch", "patchText", "diff")
_EDITS = "edits"
_CONTEXT = 3
_KINDS = {"+": "added", "-": "removed"}
_MAX_LINES = 5_000
"""More of them, each an element, would make a page that no browser scrolls."""


class ShownChange(NamedTuple):
    html: Html
    names: frozenset[str]
    """The arguments that it shows."""
    size: str
    """`+6 -2`: how many lines are added and removed."""
    line_count: int


def change(arguments: Json) -> ShownChange | None:
    """Return what a call changes in files; None for one that does not."""
    path = _first(arguments, _PATHS)
    edits = [arguments, *(edit for edit in _list(arguments.get(_EDITS)) if isinstance(edit, dict))]
    lines: list[tuple[str, str]] = []
    names = set[str]()
    for edit in edits:
        old, new = _first(edit, _OLD), _first(edit, _NEW)
        if old is not None and new is not None and not _is_withheld(path, new):
            lines += _edited(old.splitlines(), new.splitlines())
            names |= {*_OLD, *_NEW, _EDITS}
    content = _first(arguments, _CONTENTS)
    if content is not None and path is not None and not _is_withheld(path, content):
        lines += [("+", line) for line in content.splitlines()]
        names.update(_CONTENTS)
    patch = _first(arguments, _PATCHES)
    if patch is not None:
        lines += [(line[:1], line[1:]) for line in patch.splitlines()]
        names.update(_PATCHES)
    if not names:
        return None
    counts = Counter(mark for mark, _ in lines)
    return ShownChange(
        _lines(lines), frozenset(names), f"+{counts['+']} -{counts['-']}", len(lines)
    )


def _is_withheld(path: str | None, text: str) -> bool:
    """Whether a note is in place of the contents, which were not to be kept."""
    return note(path, text) == text


def _edited(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Yield lines with their marks, and a few unchanged ones around the change."""
    before = _common(old, new)
    old, new, head = old[before:], new[before:], old[:before]
    after = _common(old[::-1], new[::-1])
    tail = old[len(old) - after :]
    yield from ((" ", line) for line in head[-_CONTEXT:])
    yield from (("-", line) for line in old[: len(old) - after])
    yield from (("+", line) for line in new[: len(new) - after])
    yield from ((" ", line) for line in tail[:_CONTEXT])


def _common(old: list[str], new: list[str]) -> int:
    """Return how many lines both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _lines(lines: list[tuple[str, str]]) -> Html:
    """Return the lines, with one element for those that follow each other with the same mark."""
    written = []
    for kind, group in groupby(lines[:_MAX_LINES], lambda line: _KINDS.get(line[0], "")):
        text = "".join(f"{mark or ' '}{text}\n" for mark, text in group)
        written.append(element("span", text, class_=kind or False))
    if len(lines) > _MAX_LINES:
        written.append(element("span", "… and more lines\n"))
    return element("pre", *written, class_="diff", dir="ltr")


def _first(arguments: Json, names: tuple[str, ...]) -> str | None:
    values = (arguments.get(name) for name in names)
    return next((value for value in values if isinstance(value, str)), None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
