"""Secrets of known formats out of a text, replaced by a mask that keeps the kind, never the value.

A gate reads the text once for the letters that formats begin with, and only the patterns of those
that it found are tried. What was masked is not masked again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from opensync_hooks.privacy.redaction.prefilter import Prefilter
from opensync_hooks.privacy.redaction.rule import Rule
from opensync_hooks.privacy.redaction.table import RULES

_MASK = re.compile(r"(\[redacted:[^\]\s]{1,80}\])")
_MOST_ROUNDS = 5
_NEAR = 256
"""Letters that are read backwards; more only where something was found in them."""
_LONGEST_AGAIN = 1 << 17
"""Letters of a text that is looked through again; of a longer one, once has to do for its time."""
_SECRET_NAME = re.compile(
    r"(?i)(?:(?P<word>pass(?:word|wd|phrase|code)?|pwd)|secret|token|key|credentials?|auth\w*|cookie)"
    r"\d{0,2}\Z"
)


def mask(kind: str) -> str:
    return f"[redacted:{kind}]"


@dataclass(frozen=True, slots=True)
class Redactor:
    """Masks in texts what the table and the user's own patterns find, and counts it by kind."""

    own: tuple[tuple[str, re.Pattern[str]], ...] = ()
    """The user's patterns, by the name that stands in the mask."""
    allowed: Callable[[str], bool] = lambda _: False
    """Whether the user wants to see this find as it is."""
    counts: Counter[str] = field(default_factory=Counter)

    def text(self, text: str) -> str:
        """The same text again where there is nothing to mask. Never raises; time is linear."""
        for kind, pattern in self.own:
            text = self._own(kind, pattern, text)
        masked = self._round(text)
        for _ in range(_MOST_ROUNDS):
            if masked is text or len(text) > _LONGEST_AGAIN:
                break
            # What stands beside a new mask may only now be seen for what it is.
            text = masked
            masked = self._round(text)
        return masked

    def _round(self, text: str) -> str:
        casefold = ""
        for one in _GATE.candidates(_MASK.sub(" ", text)):
            if one.casefold:
                casefold = casefold or _folded(text)
            masked = self._replaced(text, one.kind, _finds(one, casefold if one.casefold else text))
            if masked is not text:
                text, casefold = masked, ""
        return text

    def value(self, name: str, text: str) -> str:
        """The same for the value of a field, whose name may say that it is secret."""
        masked = self.text(text)
        named = _SECRET_NAME.search(name) if masked is text and len(name) < 200 else None
        if named is None:
            return masked
        quote = next((one for one in "\"'`" if one not in text), "")
        before = ("passphrase" if named["word"] else name) + "=" + quote
        found = self.text(before + text + quote)
        whole = found.startswith(before) and found.endswith(quote)
        return found[len(before) : len(found) - len(quote)] if whole else masked

    def _own(self, kind: str, pattern: re.Pattern[str], text: str) -> str:
        pieces = _MASK.split(text)
        for place in range(0, len(pieces), 2):  # between them stand masks, which stay as they are
            pieces[place] = self._replaced(
                pieces[place], kind, _spans(pattern.finditer(pieces[place]))
            )
        return "".join(pieces)

    def _replaced(self, text: str, kind: str, spans: Iterable[tuple[int, int]]) -> str:
        pieces: list[str] = []
        end = 0
        for start, stop in spans:
            if start < stop and start >= end and not self.allowed(text[start:stop]):
                pieces += (text[end:start], mask(kind))
                end = stop
        if not pieces:
            return text
        self.counts[kind] += len(pieces) // 2
        return "".join((*pieces, text[end:]))


def _finds(one: Rule, text: str) -> Iterator[tuple[int, int]]:
    finds = _compiled(one.pattern).finditer(text)
    return _spans_behind(one, text, finds) if one.prefix_pattern else _spans(finds)


def _spans(finds: Iterable[re.Match[str]]) -> Iterator[tuple[int, int]]:
    for found in finds:
        yield found.span(found.lastgroup or 0)


def _spans_behind(
    one: Rule, text: str, finds: Iterable[re.Match[str]]
) -> Iterator[tuple[int, int]]:
    prefix_pattern = _compiled(one.prefix_pattern)
    for found in finds:
        start, stop = found.span()
        before = prefix_pattern.match(text[max(0, start - _NEAR) : start][::-1])
        if before and one.prefix_max > _NEAR:
            before = prefix_pattern.match(text[max(0, start - one.prefix_max) : start][::-1])
        if before:
            yield start - before.end(), stop


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _folded(text: str) -> str:
    """The text in lower case, with every letter in its place."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.replace("İ", "i").lower()


_GATE = Prefilter(RULES)
