"""Decide from the words of a text which rules can match in it.

A text is split into words once, by the fastest means that Python has, however many rules there
are. A rule is tried only if one of its keywords is among the words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from opensync_hooks.privacy.redaction.randomness import is_random
from opensync_hooks.privacy.redaction.rule import Rule
from opensync_hooks.privacy.redaction.tokens import TokenFormat

_ESCAPES = {
    "\\": re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[a-z])"),
    "[": re.compile(r"\[[0-9;]{1,9}m"),
    "%": re.compile(r"%[0-9A-Fa-f]{2}"),
}
"""Escapes, terminal colours and URL escapes end in letters that do not belong to the next word."""
_WORDS = bytes(byte if bytes([byte]).isalnum() else 0x20 for byte in range(256))
_LOWER_WORDS = bytes(byte if bytes([byte]).isalpha() else 0x20 for byte in range(256)).lower()
_AFFIX = 4
"""Of a keyword for the beginning or the end of words, only so many characters are compared."""
_PREFIXED_WORD = 6
"""A shorter word cannot hold both a prefix and the start of a secret."""
_LONG_WORD = 12
"""A keyword within a word is only looked for in words with so many characters."""
_RANDOM_WORD = 8
"""So many characters of a token are in one word, also where a line ends in it."""


class Prefilter:
    """Index of rules by keywords: `token` is a word, `AKIA*` its beginning, `*token` its end.

    `*JQQJ99*` is within a long one, and what is no word may be anywhere. For a rule with
    `casefold`, words are compared in lower case, and digits separate them.
    """

    def __init__(self, rules: Iterable[Rule | TokenFormat]) -> None:
        self._rules = tuple(rules)
        self._substrings: defaultdict[str, set[int]] = defaultdict(set)
        self._infixes: defaultdict[bytes, set[int]] = defaultdict(set)
        self._words: defaultdict[bytes, set[int]] = defaultdict(set)
        self._lower_words: defaultdict[bytes, set[int]] = defaultdict(set)
        self._prefixes: defaultdict[bytes, set[int]] = defaultdict(set)
        self._suffixes: defaultdict[bytes, set[int]] = defaultdict(set)
        for index, rule in enumerate(self._rules):
            for keyword in rule.keywords:
                text = keyword.strip("*")
                word = text.encode()
                if not word.isalnum():
                    self._substrings[text].add(index)
                elif keyword[0] == keyword[-1] == "*":
                    self._infixes[word].add(index)
                elif keyword.endswith("*"):
                    self._prefixes[word[:_AFFIX]].add(index)
                    self._words[word].add(index)
                elif keyword.startswith("*"):
                    self._suffixes[word[-_AFFIX:]].add(index)
                else:
                    (self._lower_words if rule.casefold else self._words)[word].add(index)

    def candidates(self, text: str) -> tuple[list[Rule], list[TokenFormat]]:
        """Return the rules and the token formats that can match, in the order of the table."""
        words, lower_words = _split_into_words(text)
        long_words = [word for word in words if len(word) >= _PREFIXED_WORD]
        indexes: set[int] = set()
        for rules_by_keyword, keywords in (
            (self._words, words),
            (self._lower_words, lower_words),
            *((self._prefixes, {word[:size] for word in long_words}) for size in (2, 3, _AFFIX)),
            *((self._suffixes, {word[-size:] for word in lower_words}) for size in (3, _AFFIX)),
        ):
            if not rules_by_keyword.keys().isdisjoint(keywords):
                for keyword in rules_by_keyword.keys() & keywords:
                    indexes |= rules_by_keyword[keyword]
        for substring, rules in self._substrings.items():
            if substring in text:
                indexes |= rules
        joined = b" ".join(word for word in long_words if len(word) >= _LONG_WORD)
        for infix, rules in self._infixes.items() if joined else ():
            if infix in joined:
                indexes |= rules
        if not indexes:
            return [], []
        matching = [self._rules[index] for index in sorted(indexes)]
        formats = [
            rule for rule in matching if isinstance(rule, TokenFormat) and rule.words <= words
        ]
        if any(token_format.needs_random_word for token_format in formats) and not any(
            map(_is_random_word, long_words)
        ):
            formats = [rule for rule in formats if not rule.needs_random_word]
        return [rule for rule in matching if isinstance(rule, Rule)], formats


def _is_random_word(word: bytes) -> bool:
    return (
        len(word) >= _RANDOM_WORD
        and not word.isalpha()
        and not word.isdigit()
        and is_random(word.decode())
    )


def _split_into_words(text: str) -> tuple[set[bytes], set[bytes]]:
    """Return the distinct words of letters and digits, and of lower-case letters alone."""
    for character, escape in _ESCAPES.items():
        if character in text:
            text = escape.sub(" ", text)
    encoded = text.encode("latin-1", "replace")
    return set(encoded.translate(_WORDS).split()), set(encoded.translate(_LOWER_WORDS).split())
