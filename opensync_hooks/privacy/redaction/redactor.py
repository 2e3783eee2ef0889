"""Replace secrets by masks, which name the kind of the secret and tell nothing of its value.

A prefilter reads the words of a text once, and only the rules that can match are tried. What is
masked is never masked again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from opensync_hooks.privacy.redaction.prefilter import Prefilter
from opensync_hooks.privacy.redaction.private_keys import PRIVATE_KEYS
from opensync_hooks.privacy.redaction.rule import Rule, Span
from opensync_hooks.privacy.redaction.table import RULES
from opensync_hooks.privacy.redaction.tokens import find_tokens

_MASK = re.compile(r"(\[redacted:[^\]\s]{1,80}\])")
_PREFILTER = Prefilter(RULES)
_MAX_ROUNDS = 5
_MAX_REPEATED_LENGTH = 1 << 17
"""A text with more characters is searched in one round, or it would take too long."""
_NEAR = 256
"""So many characters before a match are tried first for its prefix; most hold none."""
_SECRET_FIELD = re.compile(
    r"(?i)(?:(?P<password>pass(?:word|wd|phrase|code)?|pwd)"
    r"|secret|token|key|credentials?|auth\w*|cookie)\d{0,2}\Z"
)


def mask(kind: str) -> str:
    return f"[redacted:{kind}]"


@dataclass(frozen=True, slots=True)
class Redactor:
    """Masks what the rules and the user's own patterns match, and counts it by kind."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    """The user's patterns, each with the name for its mask."""
    is_allowed: Callable[[str], bool] = lambda _: False
    """Whether a match is to stay as it is, by the user's wish."""
    counts: Counter[str] = field(default_factory=Counter)

    def redact(self, text: str) -> str:
        """Return the text with its secrets masked. Never raises; takes linear time."""
        for kind, pattern in self.patterns:
            pieces = _MASK.split(text)
            for index in range(0, len(pieces), 2):  # every other piece is a mask
                matches = pattern.finditer(pieces[index])
                spans = ((*match.span(match.lastgroup or 0), kind) for match in matches)
                pieces[index] = self._mask_spans(pieces[index], spans)
            text = "".join(pieces)
        for _ in range(1 + _MAX_ROUNDS):
            masked = self._apply_rules(text)
            if masked is text or len(text) > _MAX_REPEATED_LENGTH:
                return masked
            text = masked  # beside a new mask, another secret may only now be recognizable
        return text

    def redact_field(self, name: str, text: str) -> str:
        """Return the value of a field, redacted; its name may tell that it is a secret."""
        masked = self.redact(text)
        match = _SECRET_FIELD.search(name) if masked == text and len(name) < 200 else None
        if match is None:
            return masked
        quote = next((quote for quote in "\"'`" if quote not in text), "")
        # A passphrase may contain spaces; so may a password in a field of its own.
        before = ("passphrase" if match["password"] else name) + "=" + quote
        assignment = self.redact(before + text + quote)
        if assignment.startswith(before) and assignment.endswith(quote):
            return assignment[len(before) : len(assignment) - len(quote)]
        return masked

    def _apply_rules(self, text: str) -> str:
        """Return the same object if no rule matched."""
        rules, formats = _PREFILTER.candidates(
            _MASK.sub(" ", text) if "[redacted:" in text else text
        )
        key_files = [rule for rule in rules if rule.kind == PRIVATE_KEYS[0].kind]
        text = self._apply(key_files, text)
        if formats:
            text = self._mask_spans(text, find_tokens(formats, text))
        return self._apply(rules[len(key_files) :], text)

    def _apply(self, rules: Iterable[Rule], text: str) -> str:
        lower = ""
        for rule in rules:
            if rule.casefold:
                lower = lower or _lower_same_length(text)
            masked = self._mask_spans(text, _find_spans(rule, lower if rule.casefold else text))
            if masked is not text:
                text, lower = masked, ""
        return text

    def _mask_spans(self, text: str, spans: Iterable[Span]) -> str:
        pieces: list[str] = []
        end = 0
        for start, stop, kind in spans:
            if end <= start < stop and not self.is_allowed(text[start:stop]):
                pieces += (text[end:start], mask(kind))
                self.counts[kind] += 1
                end = stop
        return "".join((*pieces, text[end:])) if pieces else text


def _find_spans(rule: Rule, text: str) -> Iterator[Span]:
    for match in _compile(rule.pattern).finditer(text):
        start, stop = match.span(match.lastgroup or 0)
        if not rule.prefix_pattern:
            yield start, stop, rule.kind
            continue
        pattern = _compile(rule.prefix_pattern)
        prefix = pattern.match(text[max(0, start - _NEAR) : start][::-1])
        if prefix and rule.prefix_max > _NEAR:
            prefix = pattern.match(text[max(0, start - rule.prefix_max) : start][::-1])
        if prefix:
            yield start - prefix.end(), stop, rule.kind


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _lower_same_length(text: str) -> str:
    """Return the text in lower case, with every character at the same index."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.replace("İ", "i").lower()
