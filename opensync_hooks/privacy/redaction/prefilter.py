"""Decide from the words of a text which rules can match in it.

A text is split into words once, by the fastest means that Python has, however many rules there
are. A rule is tried only if one of its keywords is among the words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from opensync_hooks.privacy.redaction.rule import Rule

_ESCAPES = {
    "\\": re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[a-z])"),
    "[": re.compile(r"\[[0-9;]{1,9}m"),
    "%": re.compile(r"%[0-9A-Fa-f]{2}"),
}
"""Escapes, terminal colours and URL escapes end in letters that do not belong to the next word."""
_WORD_BYTES = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_OTHERS_TO_SPACES = bytes(byte if byte in _WORD_BYTES else 0x20 for byte in range(256))
_AFFIX = 4
"""Of a keyword for the beginning or the end of words, only so many characters are compared."""
_MIN_PREFIXED_WORD = 6
"""A shorter word cannot hold both a prefix and the start of a secret."""


class Prefilter:
    """Index of rules by keywords: `token` is a word, `AKIA*` its beginning, `*token` its end.

    Any other text, or one within two asterisks, may be anywhere. For a rule with `casefold`, words
    are compared in lower case and without digits at their end.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._substrings: defaultdict[str, set[int]] = defaultdict(set)
        self._words: defaultdict[bytes, set[int]] = defaultdict(set)
        self._lower_words: defaultdict[bytes, set[int]] = defaultdict(set)
        self._prefixes: defaultdict[bytes, set[int]] = defaultdict(set)
        self._suffixes: defaultdict[bytes, set[int]] = defaultdict(set)
        for index, rule in enumerate(self._rules):
            for keyword in rule.keywords:
                text = keyword.strip("*")
                word = text.encode()
                if not word.isalnum() or keyword[0] == keyword[-1] == "*":
                    self._substrings[text].add(index)
                elif keyword.endswith("*"):
                    self._prefixes[word[:_AFFIX]].add(index)
                elif keyword.startswith("*"):
                    self._suffixes[word[-_AFFIX:]].add(index)
                else:
                    (self._lower_words if rule.casefold else self._words)[word].add(index)

    def candidates(self, text: str) -> list[Rule]:
        """Return the rules that can match, in the order of the table."""
        words = _split_into_words(text)
        lower_words = {word.lower().rstrip(b"0123456789") for word in words}
        long_words = [word for word in words if len(word) >= _MIN_PREFIXED_WORD]
        indexes: set[int] = set()
        for rules_by_keyword, keywords in (
            (self._words, words),
            (self._lower_words, lower_words),
            *((self._prefixes, {word[:size] for word in long_words}) for size in (2, 3, _AFFIX)),
            *((self._suffixes, {word[-size:] for word in lower_words}) for size in (3, _AFFIX)),
        ):
            for keyword in rules_by_keyword.keys() & keywords:
                indexes |= rules_by_keyword[keyword]
        for substring, rules in self._substrings.items():
            if substring in text:
                indexes |= rules
        return [self._rules[index] for index in sorted(indexes)]


def _split_into_words(text: str) -> set[bytes]:
    """Return the distinct words of ASCII letters and digits."""
    for character, escape in _ESCAPES.items():
        if character in text:
            text = escape.sub(" ", text)
    return set(text.encode("latin-1", "replace").translate(_OTHERS_TO_SPACES).split())
