"""Complete opensync_hooks/privacy/redaction/tokens.txt from public lists of secret formats.

    kingfisher rules list --format json --output rules.json
    python -m tests.privacy.generate_tokens rules.json --source "kingfisher 2.14" --date YYYY-MM-DD

For maintainers. `kingfisher` (`pip install kingfisher-bin`) prints its own rules and those of
Betterleaks, the successor of gitleaks. Of each, only the facts are taken: the fixed letters, the
number of characters behind them, and which ones. Rows above the marker were added by hand and stay.
"""

from __future__ import annotations

import argparse
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from opensync_hooks.privacy.redaction.tokens import CHARSETS

TABLE = Path(__file__).parents[2] / "opensync_hooks" / "privacy" / "redaction" / "tokens.txt"
MARKER = "# Generated: "
MIN_PREFIX, MIN_LENGTH, MAX_FORMS = 3, 14, 60
SHORT_PREFIX, LONG_PREFIX = 4, 9
SLACK = 0.8
"""Issuers change lengths, so fewer characters than documented are enough, but never under 16."""
PUBLIC = re.compile(
    r"public|\bpub\b|-pub-|client-id|app-id|application-id|key-id|access-id|auth-id|-url|domain"
    r"|address|project-api-key|jwt|scalr|temporal|monday|miro|uri|service-account-id|instance"
    r"|client-sdk|mobile-sdk"
)
"""Not secret by themselves, or JWTs, which need no rule of their own."""
OTHERS = re.compile(
    r"aws-access|discord|telegram|salesforce|airtable|sendgrid|resend|okta|mailgun|telnyx|databento"
)
"""Formats that structured.py knows."""


class Piece(NamedTuple):
    characters: frozenset[str]
    min_count: int
    is_fixed: bool = False


class UnsupportedError(Exception):
    """A pattern is not a prefix that characters of certain sets follow."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("rules", type=Path)
    arguments.add_argument("--source", required=True)
    arguments.add_argument("--date", required=True)
    options = arguments.parse_args()
    by_hand = TABLE.read_text("utf-8").partition(MARKER)[0].rstrip() + "\n"
    rows = sorted(set(generate(json.loads(options.rules.read_text("utf-8")), by_hand)))
    header = f"\n{MARKER}{options.source}, {options.date}\n"
    TABLE.write_text(by_hand + header + "".join(f"{row}\n" for row in rows), "utf-8")


def generate(rules: Iterable[dict[str, Any]], by_hand: str) -> Iterator[str]:
    existing = [line.split("\t") for line in by_hand.splitlines() if "\t" in line]
    for rule in rules:
        kind = re.sub(r"^.*?\.(?:secrets/)?|\.\d+$", "", rule["id"])
        if PUBLIC.search(kind) or OTHERS.search(kind):
            continue
        for prefix, count, characters in sorted(formats(rule["pattern"]), key=lambda form: form[1]):
            charset = smallest_charset(characters)
            if len(prefix) < MIN_PREFIX or count < MIN_LENGTH or not charset:
                continue
            if any(
                prefix.startswith(row[1])
                and int(row[2]) <= count
                and _letters(charset) <= _letters(row[3])
                for row in existing
            ):
                continue
            kind = next((row[0] for row in existing if prefix == row[1]), kind)
            length = min(count, max(16, int(count * SLACK)))
            flag = "random" if len(prefix) <= SHORT_PREFIX else "word"
            flag = "-" if len(prefix) >= LONG_PREFIX else flag
            existing.append([kind, prefix, str(length), charset])
            yield "\t".join((kind, prefix, str(length), charset, flag, f"{prefix}begins it"))


def smallest_charset(characters: frozenset[str]) -> str:
    """Return the name of the smallest set that has all of the characters, or nothing."""
    fitting = [
        (len(_members(charset)), name)
        for name, charset in CHARSETS.items()
        if characters <= _members(charset)
    ]
    return min(fitting)[1] if fitting else ""


def _letters(charset: str) -> set[str]:
    """Return the letters and digits of a set in lower case."""
    return {c.lower() for c in _members(CHARSETS[charset]) if c.isalnum()}


def _members(charset: str) -> frozenset[str]:
    return frozenset(re.findall(f"[{charset}]", "".join(map(chr, range(32, 127)))))


def formats(pattern: str) -> Iterator[tuple[str, int, frozenset[str]]]:
    """Yield the prefixes of a rule's first group, each with what follows it."""
    flags = re.match(r"\(\?([imsx]+)\)", pattern)
    plain = re.sub(r"\(\?-?[imsx]+\)", "", pattern).replace("[[:alnum:]]", "[A-Za-z0-9]")
    plain = re.sub(r"\[\\w-([^\]]*)\]", r"[\\w\1-]", plain).replace(r"\z", r"\Z")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = parser.parse(plain, re.VERBOSE if flags and "x" in flags[1] else 0)
            forms = expand(_first_group(tree) or tree)
        except (UnsupportedError, re.error):
            return
    ignores_case = "(?i" in pattern
    for form in forms:
        size = next((n for n, piece in enumerate(form) if not piece.is_fixed), len(form))
        prefix = "".join(next(iter(piece.characters)) for piece in form[:size])
        rest = form[size:]
        characters = frozenset().union(*(piece.characters for piece in rest if piece.min_count))
        if ignores_case:
            characters |= {c.lower() for c in characters} | {c.upper() for c in characters}
        yield prefix, sum(piece.min_count for piece in rest), characters


def _first_group(tree: Any) -> Any:
    for code, value in tree:
        if code is op.SUBPATTERN:
            group = value[3] if value[0] is not None else _first_group(value[3])
            if group is not None:
                return group
    return None


def expand(tree: Any) -> list[list[Piece]]:
    """Return the forms that a parsed pattern can have. Raises UnsupportedError."""
    forms: list[list[Piece]] = [[]]
    for code, value in tree:
        endings = _expand_one(code, value)
        forms = [form + ending for form in forms for ending in endings][:MAX_FORMS]
    return forms


def _expand_one(code: Any, value: Any) -> list[list[Piece]]:
    if code in (op.AT, op.ASSERT, op.ASSERT_NOT):
        return [[]]
    if code is op.LITERAL:
        return [[Piece(frozenset(chr(value)), 1, is_fixed=True)]]
    if code is op.IN:
        return [[Piece(_characters(value), 1)]]
    if code is op.SUBPATTERN:
        return expand(value[3])
    if code is op.BRANCH:
        return [form for branch in value[1] for form in expand(branch)]
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, inner = value
        forms = expand(inner)
        if (least, most) == (0, 1):
            return [[], *forms]
        if len(forms[0]) == 1 and not forms[0][0].is_fixed:
            return [[Piece(form[0].characters, form[0].min_count * least)] for form in forms]
        return [form * least for form in forms]
    raise UnsupportedError(code)


def _characters(members: Sequence[Any]) -> frozenset[str]:
    characters = set[str]()
    for code, value in members:
        if code is op.LITERAL:
            characters.add(chr(value))
        elif code is op.RANGE:
            characters |= set(map(chr, range(value[0], value[1] + 1)))
        elif code is op.CATEGORY and value in (op.CATEGORY_WORD, op.CATEGORY_DIGIT):
            word = value is op.CATEGORY_WORD
            characters |= _members("A-Za-z0-9_" if word else "0-9")
        else:
            raise UnsupportedError(code)
    return frozenset(characters)


if __name__ == "__main__":
    main()
