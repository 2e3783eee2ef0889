"""Inline Markdown as HTML: emphasis, code and links.

One pass over the text, whose cost grows with its length only. Elements are closed in the order in
which they were opened, and what has no counterpart stays the character that it is.
"""

import re
from dataclasses import field

from opensync_hooks.dataclass import dataclass
from opensync_hooks.server.html import Html, element, end_tag, join, start_tag, to_html

_TOKEN = re.compile(
    r"\\[`*_~\[\]|]|`+|\*+|~~|_+|\[|\]|<?https?://[^\s<>\"`|\[\]]+>?|\n", re.IGNORECASE
)
# No bracket within an address: otherwise a row of `](` would be read to the end from each of them.
_ADDRESS = re.compile(r"""\(\s*<?([^\s<>()\[\]]*(?:\([^\s<>()\[\]]*\)[^\s<>()\[\]]*)*)>?
    (?:\s+"[^"\n]*")?\s*\)""", re.VERBOSE)  # fmt: skip
_SAFE_ADDRESS = re.compile(r"https?://[^\s]", re.IGNORECASE)
_ELEMENTS = {"*": "em", "_": "em", "**": "strong", "~~": "del"}
_NOTHING = Html()


def inline(text: str) -> Html:
    """Return the HTML of a paragraph, a heading or a cell. Line breaks are kept."""
    writer = _Writer(text)
    position = 0
    while match := _TOKEN.search(text, position):
        writer.append(text[position : match.start()])
        position = writer.write(match)
    writer.append(text[position:])
    return join(writer.pieces)


@dataclass(slots=True)
class _Writer:
    text: str
    pieces: list[str] = field(default_factory=list)
    openers: list[tuple[str, int]] = field(default_factory=list)
    """Marks that may still be closed, and where they are in `pieces`."""
    open_counts: dict[str, int] = field(default_factory=dict)
    bare_links: list[int] = field(default_factory=list)
    """Where addresses in the text became links; none may be inside another link."""
    last_link: int = -1
    """Where the last link begins in `pieces`: a bracket before it cannot begin another."""
    code_ends: dict[int, list[int]] | None = None

    def append(self, text: str) -> None:
        if text:
            self.pieces.append(text)

    def write(self, match: re.Match[str]) -> int:
        """Write a mark; return where the text goes on."""
        mark, end = match[0], match.end()
        if mark[0] == "`":
            return self._code(mark, end)
        if mark[0] == "]":
            return self._link(end)
        if mark[0] == "[":
            self._open(mark)
        elif mark[0] == "\\":
            self.append(mark[1])
        elif mark[0] in "*_~":
            self._emphasis(mark, match.start(), end)
        elif mark == "\n":
            self.append(mark)
        else:
            return self._bare_link(mark, end)
        return end

    def _open(self, mark: str) -> None:
        self.openers.append((mark, len(self.pieces)))
        self.open_counts[mark] = self.open_counts.get(mark, 0) + 1
        self.pieces.append(mark)

    def _close(self, mark: str) -> int | None:
        """Return where the last opener of this kind is; those after it stay characters."""
        if not self.open_counts.get(mark):
            return None
        while True:
            opener, index = self.openers.pop()
            self.open_counts[opener] -= 1
            if opener == mark:
                return index

    def _emphasis(self, mark: str, start: int, end: int) -> None:
        before, after = self.text[start - 1 : start], self.text[end : end + 1]
        can_open = bool(after) and not after.isspace()
        can_close = bool(before) and not before.isspace()
        if mark == "*":  # 2*3*4 and *.py are no emphasis
            can_open = can_open and not before.isalnum() and after not in "./"
        elif mark[0] == "_":  # within a name, it is part of the name
            can_open = can_open and not before.isalnum()
            can_close = can_close and not after.isalnum()
        marks = ["**", "*"] if mark == "***" else [mark]
        if not all(single in _ELEMENTS for single in marks):
            self.append(mark)
        elif can_close and all(self.open_counts.get(single) for single in marks):
            for single in marks if self.openers[-1][0] == marks[0] else reversed(marks):
                self._wrap(single)
        elif can_open:
            for single in marks:
                self._open(single)
        else:
            self.append(mark)

    def _wrap(self, mark: str) -> None:
        index = self._close(mark)
        if index is None:  # closed by a mark between the two of a `***`
            self.append(mark)
            return
        self.pieces[index] = start_tag(_ELEMENTS[mark])
        self.pieces.append(end_tag(_ELEMENTS[mark]))

    def _code(self, fence: str, end: int) -> int:
        if self.code_ends is None:
            self.code_ends = {}
            for run in reversed([*re.finditer("`+", self.text)]):
                self.code_ends.setdefault(len(run[0]), []).append(run.start())
        ends = self.code_ends.get(len(fence), [])
        while ends and ends[-1] < end:
            ends.pop()
        if not ends:
            self.append(fence)
            return end
        code = self.text[end : ends[-1]]
        is_padded = code[:1] == code[-1:] == " " and code.strip()
        self.pieces.append(element("code", code[1:-1] if is_padded else code))
        return ends[-1] + len(fence)

    def _link(self, end: int) -> int:
        index = self._close("[")
        address = _ADDRESS.match(self.text, end) if index is not None else None
        if index is None or address is None or index < self.last_link or not address[1]:
            self.append("]")
            return end
        if not _SAFE_ADDRESS.match(address[1]):
            # A file of the project, or a scheme that may run something: shown, and no link.
            self.pieces[index] = _NOTHING
            self.append(f" ({address[1]})")
            return address.end()
        while self.bare_links and self.bare_links[-1] > index:
            bare = self.bare_links.pop()
            self.pieces[bare] = self.pieces[bare + 2] = _NOTHING
        self.pieces[index] = _link_start(address[1], title=address[1])
        self.pieces.append(end_tag("a"))
        self.last_link = index
        return address.end()

    def _bare_link(self, mark: str, end: int) -> int:
        if mark[0] == "<" and mark[-1] == ">":
            address, end_of_address = mark[1:-1], end
        else:
            self.append("<" if mark[0] == "<" else "")
            mark = mark.removeprefix("<")
            address = mark.rstrip(">.,;:!?'*_~])")
            if "(" in address and mark[len(address) :].startswith(")"):
                address += ")"
            end_of_address = end - len(mark) + len(address)
        self.bare_links.append(len(self.pieces))
        self.pieces += [_link_start(address), to_html(address), end_tag("a")]
        return end_of_address


def _link_start(address: str, **attributes: str) -> Html:
    return start_tag("a", href=address, rel="noopener noreferrer", **attributes)
