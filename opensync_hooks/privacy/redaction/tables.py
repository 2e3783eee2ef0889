"""Secrets in tables: the column of a query's result, of a CSV file or of an INSERT names them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from opensync_hooks.privacy.redaction import names, values
from opensync_hooks.privacy.redaction.names import Name, NameMatch
from opensync_hooks.privacy.redaction.randomness import is_identifier, is_random, is_wordy
from opensync_hooks.privacy.redaction.rule import Span
from opensync_hooks.system.patterns import compiled

Cell = tuple[int, int]
"""Where a cell begins and ends."""

_MAX_LINE = 2000
_MAX_OVERLAPPING = 8
"""So many tables of different columns are looked for in the same rows."""
_SHORTEST, _SHORT, _LONG = 4, 6, 16
_QUOTES_AND_SPACE = "\"'` \t\r"
_HEADING_ENDS = r"(?:[\"'`]?[ ]{0,80}(?:[|,\t\r\n]|[ ]{2}))"
_HEADER = rf"[\w .$:|,\t\"'`-]{{1,{_MAX_LINE}}}\r?\Z"
_HEADING = r"[\w .$:-]{0,60}"
"""A line of code has other characters than the headings of columns."""
_RULE = r"[ \t]*[|+]?[-=+| :]{3,}[ \t]*\r?\Z"
_ALIGNED_RULE = r"[ \t]*-{2,}(?:[ \t]+-{2,})+[ \t]*\r?\Z"
_CSV_CELL = r"(\"(?>(?:[^\"]|\"\")*)\"|(?>[^,\"]*))(?:,|\Z)"
_INSERT = (
    r"insert\s+(?:ignore\s+)?into\s+[\w.`\"\[\]\\]{1,100}\s*\((?P<columns>[^()]{1,1000})\)"
    r"\s*values\s*"
)
_TUPLE = r"\s*,?\s*\("
_SQL_VALUE = r"\s*('(?>(?:[^'\\]|''|\\.)*)'|\"(?>(?:[^\"\\]|\\.)*)\"|[^,'\"()]*)\s*([,)])"


class _Columns(NamedTuple):
    """The columns of a table."""

    separator: str
    """What is between two cells, or a line with dashes below each heading."""
    width: int
    first: str
    """The heading of the first column."""
    secrets: tuple[tuple[int, Name], ...]
    """The indexes of the columns with secrets, and their names."""


def find_in_tables(text: str, lower: str, matches: Iterable[NameMatch]) -> Iterator[Span]:
    """Yield the secrets in columns with one of these names, in order.

    `lower` is the text in lower case, in which the names were looked for.
    """
    spans: set[Span] = set()
    if "insert" in lower and "values" in lower:
        spans.update(_find_in_inserts(text, lower))
    ends: dict[_Columns, int] = {}  # or every row of a table of headings would be one's header
    examined = 0
    for match, _ in matches:
        start, end = match.start(), match.end("tail") if match["tail"] else match.end()
        if start < examined or not compiled(_HEADING_ENDS).match(lower, end):
            continue
        line_start = lower.rfind("\n", examined, start) + 1 or examined
        line = _line(text, line_start)
        examined = line_start + len(line) + 1
        if examined >= len(text) or not compiled(_HEADER).match(line):
            continue
        columns = _read_header(line, _line(text, examined))
        ends = {table: last for table, last in ends.items() if last > line_start}
        if columns and columns not in ends and len(ends) < _MAX_OVERLAPPING:
            rows, ends[columns] = _read_rows(text, columns, examined)
            spans.update(rows)
    yield from sorted(spans)


def _read_header(header: str, below: str) -> _Columns | None:
    """Return the columns that a line above this one names, if some of them are secrets."""
    if compiled(_ALIGNED_RULE).match(below):
        separator = below
    else:
        separator = next((character for character in "|\t," if character in header), "")
    headings = [header[slice(*cell)].strip(_QUOTES_AND_SPACE) for cell in _split(header, separator)]
    if separator == "\t" and headings.count("") == len(headings) - 1:
        return None  # an indented word
    if len(headings) < 2 or not all(map(compiled(_HEADING).fullmatch, headings)):
        return None
    if separator == "," and not all(headings):
        return None  # code: a list with an element on each line
    secrets = tuple(_secret_columns(headings))
    return _Columns(separator, len(headings), headings[0], secrets) if secrets else None


def _read_rows(text: str, columns: _Columns, start: int) -> tuple[list[Span], int]:
    """Return the secrets in the rows that begin at `start`, and where the last of them ends."""
    spans: list[Span] = []
    while start < len(text):
        row = _line(text, start)
        cells = _split(row, columns.separator) if row.strip() else []
        if len(cells) == columns.width:
            if columns.first and row[slice(*cells[0])].strip(_QUOTES_AND_SPACE) == columns.first:
                break  # a list of which each line begins alike
            for index, name in columns.secrets:
                first, end = _trimmed(row, cells[index])
                if _is_secret(row[first:end], name):
                    spans.append((start + first, start + end, name.kind))
        elif not compiled(_RULE).match(row):
            break
        start += len(row) + 1
    return spans, start


def _secret_columns(headings: Iterable[str]) -> Iterator[tuple[int, Name]]:
    for index, heading in enumerate(headings):
        name = names.identify(heading)
        if name and name.strictness != "words":
            yield index, name


def _split(line: str, separator: str) -> list[Cell]:
    """Split a line at `|`, tabs or commas, or where the dashes of the rule below a header begin."""
    if not separator or len(line) > _MAX_LINE:
        return []
    if separator == ",":
        line = line.rstrip("\r")
        cells = []
        cell = compiled(_CSV_CELL).match(line)
        while cell:
            cells.append(cell.span(1))
            cell = compiled(_CSV_CELL).match(line, cell.end()) if cell[0].endswith(",") else None
        return cells
    if len(separator) > 1:
        starts = [match.start() for match in compiled("-+").finditer(separator)]
        return list(zip(starts, [*starts[1:], max(len(line), starts[-1])], strict=True))
    start, cells = 0, []
    for column in line.split(separator):
        cells.append((start, start + len(column)))
        start += len(column) + 1
    return cells


def _find_in_inserts(text: str, lower: str) -> Iterator[Span]:
    for match in compiled(_INSERT).finditer(lower):
        headings = [
            column.strip("[]\\\n" + _QUOTES_AND_SPACE)
            for column in text[slice(*match.span("columns"))].split(",")
        ]
        columns = dict(_secret_columns(headings))
        row = compiled(_TUPLE).match(text, match.end()) if columns else None
        while row:
            end = row.end()
            for index in range(len(headings)):
                value = compiled(_SQL_VALUE).match(text, end)
                if not value:
                    break
                end = value.end()
                if index in columns and value[1][:1] in ("'", '"'):
                    first, last = _trimmed(text, value.span(1))
                    if _is_stored(text[first:last], columns[index]):
                        yield first, last, columns[index].kind
            row = compiled(_TUPLE).match(text, end)


def _is_secret(value: str, name: Name) -> bool:
    if values.is_placeholder(value.lower(), 0) or any(map(str.isspace, value)):
        return False
    if name.strictness != "loose":
        return len(value) >= _LONG and is_random(value) and any(map(str.isdigit, value))
    has_letter, has_digit = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    is_made_up = (has_letter and has_digit) or is_random(value)
    return len(value) >= _SHORT and is_made_up and not is_identifier(value)


def _is_stored(value: str, name: Name) -> bool:
    """Whether a text that SQL stores can be a secret."""
    is_word = any(map(str.isspace, value)) or values.is_placeholder(value.lower(), 0)
    if is_word or value[:1] in (":", "?", "@", "%"):
        return False
    if name.strictness == "loose":
        return len(value) >= _SHORTEST
    return len(value) >= _LONG and not is_wordy(value) and any(map(str.isdigit, value))


def _line(text: str, start: int) -> str:
    end = text.find("\n", start)
    return text[start : end if end >= 0 else len(text)]


def _trimmed(text: str, cell: Cell) -> Cell:
    """Return where the value in a cell is, without space and quotes."""
    first, end = cell
    while first < end and text[first] in _QUOTES_AND_SPACE:
        first += 1
    while end > first and text[end - 1] in _QUOTES_AND_SPACE:
        end -= 1
    return first, end
