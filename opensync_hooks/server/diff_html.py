"""Changes of files as HTML: what a call writes, line by line.

Only what both texts begin and end with is taken as unchanged. That is what such calls are: one
place of a file; and it takes no longer for texts that were made to be compared slowly.
"""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any, NamedTuple

from opensync_hooks.model import Json
from opensync_hooks.privacy.file_texts import note
from opensync_hooks.server.html import Html, element, join

_OLD = ("old_string", "oldString", "old_str", "old_text")
_NEW = ("new_string", "newString", "new_str", "new_text")
_CONTENTS = ("content", "contents", "file_text")
_PATHS = ("file_path", "filePath", "path", "notebook_path", "target_file")
_PATCHES = ("patch", "patchText", "diff")
_EDITS = "edits"
_CONTEXT = 3
_KINDS = {"+": "added", "-": "removed"}
_ADDED, _REMOVED = 'class="added"', 'class="removed"'
_MAX_LINES = 5_000
"""An element for each line: more of them would make a page that no browser scrolls."""


class ShownChange(NamedTuple):
    html: Html
    names: frozenset[str]
    """The arguments that it shows."""

    @property
    def size(self) -> str:
        """`+6 -2`: how many lines are added and removed."""
        return f"+{self.html.count(_ADDED)} -{self.html.count(_REMOVED)}"


def change(arguments: Json) -> ShownChange | None:
    """Return what a call changes in files; None for one that does not."""
    path = _first(arguments, _PATHS)
    edits = [arguments, *(edit for edit in _list(arguments.get(_EDITS)) if isinstance(edit, dict))]
    shown, names = [], set[str]()
    for edit in edits:
        old, new = _first(edit, _OLD), _first(edit, _NEW)
        if old is not None and new is not None and not _is_withheld(path, new):
            shown.append(_lines(_edited(old.splitlines(), new.splitlines())))
            names |= {*_OLD, *_NEW, _EDITS}
    content = _first(arguments, _CONTENTS)
    if content is not None and path is not None and not _is_withheld(path, content):
        shown.append(_lines(("+", line) for line in content.splitlines()))
        names.update(_CONTENTS)
    patch = _first(arguments, _PATCHES)
    if patch is not None:
        shown.append(_lines((line[:1], line[1:]) for line in patch.splitlines()))
        names.update(_PATCHES)
    return ShownChange(join(shown), frozenset(names)) if shown else None


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


def _lines(lines: Iterator[tuple[str, str]]) -> Html:
    written = []
    for number, (mark, text) in enumerate(lines):
        if number == _MAX_LINES:
            written.append(element("span", "… and more lines\n"))
            break
        written.append(element("span", f"{mark or ' '}{text}\n", class_=_KINDS.get(mark, False)))
    return element("pre", *written, class_="diff", dir="ltr")


def _first(arguments: Json, names: tuple[str, ...]) -> str | None:
    values = (arguments.get(name) for name in names)
    return next((value for value in values if isinstance(value, str)), None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
