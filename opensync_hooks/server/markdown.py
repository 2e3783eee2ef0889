"""Markdown as HTML: what models write, and never more than text, lists, tables and links.

Everything is escaped; HTML in the text is text. Each line is looked at once for every level that
it is nested, of which there are at most `_MAX_DEPTH`, so that no text takes long.

Not CommonMark to the letter: a line break stays one, because prompts are written in lines; what is
indented is not code; and a line of dashes is a rule, not the end of a heading.
"""

import re
from collections.abc import Iterator

from opensync_hooks.server.html import Html, element, join
from opensync_hooks.server.markdown_inline import inline

_MAX_DEPTH = 8
# Possessive where two parts can match the same: backtracking would take the square of a line.
_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})((?>[^`]*))")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_RULE = re.compile(r" {0,3}(?:(?:- *){3,}|(?:\* *){3,}|(?:_ *){3,})")
_ITEM = re.compile(r"([ \t]*)([-*+]|\d{1,9}[.)])(?: {1,4}(?=\S)|\s+|$)")
_QUOTE = re.compile(r" {0,3}> ?")
_DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?")
_CELL_END = re.compile(r"(?<!\\)\|")
_ALIGNMENTS = {(True, True): "center", (False, True): "right"}


def markdown(text: str) -> Html:
    """Return the HTML of a text. Its headings are below the second level of the page."""
    return join(_Blocks().blocks(text.split("\n"), 0))


class _Blocks:
    """The blocks of one text."""

    def __init__(self) -> None:
        self._levels: list[int] = []
        """Of the headings around the next block: a page must not skip a level."""

    def blocks(self, lines: list[str], depth: int) -> Iterator[Html]:
        position, paragraph_start = 0, 0
        while position < len(lines):
            block = self._block(lines, position, depth)
            if block is None:
                position += 1
                continue
            html, end = block
            yield from _paragraph(lines[paragraph_start:position])
            yield html
            position = paragraph_start = end
        yield from _paragraph(lines[paragraph_start:])

    def _block(self, lines: list[str], start: int, depth: int) -> tuple[Html, int] | None:
        """Return the block that begins at a line and where it ends; None for one of a paragraph."""
        line = lines[start]
        if not line or line.isspace():
            return Html(), start + 1
        if fence := _FENCE.fullmatch(line):
            return _code(lines, start, fence)
        if heading := _HEADING.fullmatch(line):
            return self._heading(len(heading[1]), heading[2].strip()), start + 1
        if _RULE.fullmatch(line):
            return element("hr"), start + 1
        if "|" in line and _is_delimiter_row(lines, start + 1):
            return _table(lines, start)
        if depth < _MAX_DEPTH and _QUOTE.match(line):
            return self._quote(lines, start, depth)
        if depth < _MAX_DEPTH and (item := _ITEM.match(line)):
            return self._list(lines, start, item, depth)
        return None

    def _heading(self, level: int, text: str) -> Html:
        while self._levels and self._levels[-1] >= level:
            self._levels.pop()
        self._levels.append(level)
        without_marks = text.rstrip("#")
        if not without_marks or without_marks[-1].isspace():
            text = without_marks.rstrip()
        return element(f"h{min(len(self._levels) + 2, 6)}", inline(text), dir="auto")

    def _quote(self, lines: list[str], start: int, depth: int) -> tuple[Html, int]:
        end = start
        while end < len(lines) and _QUOTE.match(lines[end]):
            end += 1
        quoted = [_QUOTE.sub("", line, count=1) for line in lines[start:end]]
        return element("blockquote", *self.blocks(quoted, depth + 1)), end

    def _list(
        self, lines: list[str], start: int, item: re.Match[str], depth: int
    ) -> tuple[Html, int]:
        """Read all items with marks of the same kind and indentation, give or take one space."""
        indentation, mark = _width(item[1]), item[2]
        items, end, position = [], start, start
        match: re.Match[str] | None = item
        while match and _is_sibling(match, indentation, mark):
            end = _end_of_item(lines, position + 1, _width(match[1]))
            body = [lines[position][match.end() :]]
            column = _width(match[1]) + match.end() - len(match[1])
            body += [_outdent(line, column) for line in lines[position + 1 : end]]
            items.append(element("li", *self._item(body, depth)))
            position = end
            while position < len(lines) and not lines[position].strip():
                position += 1
            match = _ITEM.match(lines[position]) if position < len(lines) else None
        if mark[0] in "+-*":
            return element("ul", *items), end
        number = mark[:-1].lstrip("0") or "0"
        return element("ol", *items, start=number if number != "1" else False), end

    def _item(self, body: list[str], depth: int) -> Iterator[Html]:
        """A single line needs no paragraph of its own."""
        lines = [line for line in body if line.strip()]
        if len(lines) == 1 and self._block(lines, 0, _MAX_DEPTH) is None:
            yield element("span", inline(lines[0].strip()), dir="auto")
        else:
            yield from self.blocks(body, depth + 1)


def _paragraph(lines: list[str]) -> Iterator[Html]:
    text = "\n".join(lines).strip("\n")
    if text:
        yield element("p", inline(text), dir="auto")


def _code(lines: list[str], start: int, fence: re.Match[str]) -> tuple[Html, int]:
    """Return a block of code, which a missing fence does not end."""
    closing = re.compile(rf" *{re.escape(fence[2][0])}{{{len(fence[2])},}} *")
    end = start + 1
    while end < len(lines) and not closing.fullmatch(lines[end]):
        end += 1
    text = "\n".join(_outdent(line, _width(fence[1])) for line in lines[start + 1 : end])
    info = fence[3].strip()
    label = element("p", info, class_="label") if info else Html()
    return join((label, element("pre", element("code", text), dir="auto"))), end + 1


def _is_sibling(item: re.Match[str], indentation: int, mark: str) -> bool:
    is_same_kind = (item[2] if mark in "+-*" else item[2][-1]) == mark[-1]
    return is_same_kind and abs(_width(item[1]) - indentation) <= 1


def _end_of_item(lines: list[str], position: int, indentation: int) -> int:
    """An item goes on with what is indented deeper, also after empty lines."""
    end = position
    while position < len(lines):
        line = lines[position]
        position += 1
        if not line.strip():
            continue
        is_deeper = _width(line[: len(line) - len(line.lstrip())]) > indentation + 1
        if not is_deeper and (position - 1 > end or _begins_block(line)):
            break
        end = position
    return end


def _begins_block(line: str) -> bool:
    return any(form.match(line) for form in (_FENCE, _HEADING, _RULE, _ITEM, _QUOTE))


def _width(indentation: str) -> int:
    return len(indentation.expandtabs(4))


def _outdent(line: str, columns: int) -> str:
    if not columns:
        return line
    text = line.lstrip()
    return " " * (_width(line[: len(line) - len(text)]) - columns) + text


def _is_delimiter_row(lines: list[str], index: int) -> bool:
    return index < len(lines) and bool(_DELIMITER_ROW.fullmatch(lines[index].strip()))


def _table(lines: list[str], start: int) -> tuple[Html, int]:
    """Rows may be shorter or longer than the head: filling them up could make a huge table."""
    alignments = [
        _ALIGNMENTS.get((cell.startswith(":"), cell.endswith(":")), "")
        for cell in _cells(lines[start + 1])
    ]
    end = start + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    head = element("thead", _row("th", lines[start], alignments))
    rows = (_row("td", line, alignments) for line in lines[start + 2 : end])
    table = element("table", head, element("tbody", *rows))
    # Wide tables scroll, which has to be possible with the keyboard as well.
    attributes = {"class_": "table", "tabindex": "0", "role": "group", "aria_label": "Table"}
    return element("div", table, **attributes), end


def _row(tag: str, line: str, alignments: list[str]) -> Html:
    cells = []
    for index, text in enumerate(_cells(line)):
        alignment = alignments[index] if index < len(alignments) else ""
        cells.append(element(tag, inline(text), dir="auto", class_=alignment or False))
    return element("tr", *cells)


def _cells(line: str) -> list[str]:
    text = line.strip()
    text = text.removeprefix("|")
    if text.endswith("|") and not text.endswith("\\|"):
        text = text[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(text)]
