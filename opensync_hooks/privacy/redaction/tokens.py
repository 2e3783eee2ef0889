"""Tokens that their issuers' letters identify: `tokens.txt` has one format a line.

All formats share a few small patterns. A text is searched only for the prefixes whose first word it
contains, so that hundreds of formats cost little time, and nothing to compile.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from opensync_hooks.dataclass import dataclass
from opensync_hooks.privacy.redaction.patterns import (
    ALNUM,
    BASE64,
    BREAK,
    CUT,
    HEX,
    LOWER,
    OWN_WORD,
    UPPER,
    URLSAFE,
    rest,
)
from opensync_hooks.privacy.redaction.randomness import is_mixed_case, is_random, is_wordy
from opensync_hooks.privacy.redaction.rule import Example, Span, fill
from opensync_hooks.system.patterns import compiled

CHARSETS = {
    "hex": HEX,
    "hex-": HEX + "-",
    "hex_": HEX + "_",
    "hex.": HEX + ".",
    "lower": LOWER,
    "lower-": LOWER + "-",
    "lower$": LOWER + "$",
    "lower:": LOWER + ":",
    "upper": UPPER,
    "upper-": UPPER + "-",
    "upper.": UPPER + ".",
    "alnum": ALNUM,
    "word": ALNUM + "_",
    "urlsafe": URLSAFE,
    "dotted": URLSAFE + ".",
    "escaped": URLSAFE + "%",
    "base64": BASE64,
    "any": BASE64 + ".:%$",
}
_MANY = 48
"""With more prefixes, one pass with a pattern of all of them is faster than one for each."""
_LONG = 60
"""A token with so many characters may continue over several lines."""
_MIN_CUT, _MIN_CUT_WORD = 8, 16
"""So many characters are enough at the end of a text that was cut."""
_BEFORE = 40
"""So many characters before a prefix tell whether it is within a text in base64."""
_ESCAPE = r"(?:\\[bfnrt]|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2}|\[[0-9;]{1,9}m)"
"""Escapes, URL escapes and terminal colours end in letters that belong to no word."""
_ESCAPE_BEFORE = rf"{_ESCAPE}\Z"
_LONGEST_ESCAPE = 12


@dataclass(frozen=True, eq=False)
class TokenFormat:
    """A prefix, and what has to follow it."""

    kind: str
    prefix: str
    min_length: int
    charset: str
    condition: str
    """`word`: the prefix is so ordinary that it counts only at the beginning of a word.

    `random`: moreover, letters and digits are mixed as in no identifier. `mixed`: of both cases.
    """
    lookalike: str
    casefold = False

    @cached_property
    def keywords(self) -> tuple[str, ...]:
        """The first word of the prefix, marked as a beginning if the secret continues it."""
        match = re.search(r"[A-Za-z0-9]+", self.prefix)
        word = match[0] if match else self.prefix
        return (word + "*" if self.prefix.endswith(word) else word,)

    @cached_property
    def words(self) -> frozenset[bytes]:
        """All words that a text with the prefix contains."""
        return frozenset(re.findall(rb"[A-Za-z0-9]+(?![A-Za-z0-9]|\Z)", self.prefix.encode()))

    @cached_property
    def needs_random_word(self) -> bool:
        """Whether one of the words behind the prefix must be random; some have short words only."""
        is_short = self.min_length < _MIN_CUT_WORD or self.charset == CHARSETS["upper-"]
        return self.condition != "-" and not is_short

    @property
    def examples(self) -> tuple[Example, ...]:
        return (Example(self.prefix + fill(self.charset, self.min_length)),)

    @property
    def allowlist(self) -> tuple[str, ...]:
        return (self.lookalike,)

    def find(self, text: str, start: int) -> tuple[int, bool]:
        """Return where the characters behind a prefix at `start` end, and whether it is a token."""
        first = start + len(self.prefix)
        if self.condition != "-" and not begins_word(text, start):
            return first, False
        before = text[max(0, start - _BEFORE) : start]
        if before[-1:] in ("/", "+") and is_random(_last_line(before)):
            return first, False  # in a long text in base64
        end, is_complete = self._body_end(text, first)
        return end, is_complete and self._is_plausible(text[first:end])

    def _is_plausible(self, body: str) -> bool:
        if self.condition in ("random", "mixed") and not is_random(body):
            return False
        return not is_wordy(body) and (self.condition != "mixed" or is_mixed_case(body))

    def _body_end(self, text: str, start: int) -> tuple[int, bool]:
        """Follow the token over broken lines, and to the end of a text that was cut."""
        characters, next_line = _patterns(self.charset)
        end = _end(characters, text, start)
        length = end - start
        if length >= self.min_length:
            return _end(next_line, text, end), True
        line_break = compiled(BREAK).match(text, end) if length else None
        next_start = line_break.end() if line_break else end
        next_end = _end(characters, text, next_start)
        if line_break and compiled(OWN_WORD).match(text, next_start):
            return end, 2 * length >= self.min_length
        lengths = sorted((length, next_end - next_start))
        if lengths[0] >= 4 and 2 * lengths[1] >= self.min_length:
            is_long = self.min_length >= _LONG
            return (self._last_line(text, next_end) if is_long else next_end), True
        if length >= min(_MIN_CUT if self.condition == "-" else _MIN_CUT_WORD, self.min_length):
            for cut in (next_end, end):
                if compiled(CUT).match(text, cut):
                    return cut, True
        return end, False

    def _last_line(self, text: str, end: int) -> int:
        characters, _ = _patterns(self.charset)
        for _ in range(4):
            line_break = compiled(BREAK).match(text, end)
            next_end = _end(characters, text, line_break.end()) if line_break else end
            if not line_break or next_end - line_break.end() < 16:
                break
            end = next_end
        return end


def _last_line(text: str) -> str:
    return text.rpartition("\n")[2].rpartition("\\n")[2]


def begins_word(text: str, start: int) -> bool:
    """Whether a word begins here, also behind an escape, a URL escape or a terminal colour."""
    before = text[start - 1] if start else " "
    if not before.isascii() or not before.isalnum():
        return True
    return bool(compiled(_ESCAPE_BEFORE).search(text, max(0, start - _LONGEST_ESCAPE), start))


def find_tokens(formats: Sequence[TokenFormat], text: str) -> Iterator[Span]:
    """Yield the tokens of these formats; of several at one place, the longest prefix's first."""
    places = _search_all(text) if len(formats) > _MANY else _search_each(formats, text)
    ends: dict[TokenFormat, int] = {}  # or one long word would be read from each of its prefixes
    spans = []
    for start, token_format in places:
        if start >= ends.get(token_format, 0):
            ends[token_format], is_token = token_format.find(text, start)
            if is_token:
                spans.append(
                    (start, -len(token_format.prefix), -ends[token_format], token_format.kind)
                )
    for start, _, negative_end, kind in sorted(spans):
        yield start, -negative_end, kind


def _search_each(formats: Sequence[TokenFormat], text: str) -> Iterator[tuple[int, TokenFormat]]:
    for token_format in formats:
        start = text.find(token_format.prefix)
        while start >= 0:
            yield start, token_format
            start = text.find(token_format.prefix, start + 1)


def _search_all(text: str) -> Iterator[tuple[int, TokenFormat]]:
    pattern, by_beginning = _all_prefixes()
    if "\\" in text or "[" in text or "%" in text:
        text = compiled(_ESCAPE).sub(lambda match: " " * len(match[0]), text)
    for match in pattern.finditer(text):
        start = match.start()
        for token_format in by_beginning[text[start : start + 2]]:
            if text.startswith(token_format.prefix, start):
                yield start, token_format


@cache
def _all_prefixes() -> tuple[re.Pattern[str], dict[str, list[TokenFormat]]]:
    by_beginning: defaultdict[str, list[TokenFormat]] = defaultdict(list)
    tree: dict[str, Any] = {}
    for token_format in TOKENS:
        by_beginning[token_format.prefix[:2]].append(token_format)
        node = tree
        for character in token_format.prefix:
            node = node.setdefault(character, {})
        node[""] = {}
    return re.compile("(?<![A-Za-z0-9])" + _pattern(tree)), by_beginning


def _pattern(tree: dict[str, Any]) -> str:
    """Match the shortest of the prefixes in a tree of characters."""
    if "" in tree:
        return ""
    branches = [re.escape(character) + _pattern(tree[character]) for character in tree]
    return f"(?:{'|'.join(branches)})"


@cache
def _patterns(charset: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(f"[{charset}]*"), re.compile(rest(charset))


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _load() -> Iterator[TokenFormat]:
    for line in Path(__file__).with_suffix(".txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, prefix, length, charset, condition, lookalike = line.split("\t")
            yield TokenFormat(kind, prefix, int(length), CHARSETS[charset], condition, lookalike)


TOKENS = tuple(_load())
