"""Decide from the words of a text which rules can match in it.

A text is split into words once, by the fastest means that Python has, however many rules there
are. A rule is tried only if one of its keywords is among the words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from opensync_hooks.privacy.redaction.commands import CommandFormat
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
_AFFIX = 4
"""Of a keyword for the beginning or the end of words, only so many characters are compared."""
_PREFIXED_WORD = 6
"""A shorter word cannot hold both a prefix and the start of a secret."""
_LONG_WORD = 12
"""A keyword within a word is only looked for in words with so many characters."""
_RANDOM_WORD, _READ_OF_WORD = 8, 100
"""So many characters of a token are in one word, also where a line ends in it."""


SearchedRule = Rule | TokenFormat | CommandFormat


class Prefilter:
    """Index of rules by keywords: `hvs` is a word, `AKIA*` its beginning.

    `*JQQJ99*` is within a long one, and what is no word may be anywhere. So may the keywords of a
    rule with `casefold`, in the text in lower case.
    """

    def __init__(self, rules: Iterable[SearchedRule]) -> None:
        self._rules = tuple(rules)
        self._substrings: defaultdict[str, set[int]] = defaultdict(set)
        self._infixes: defaultdict[bytes, set[int]] = defaultdict(set)
        self._words: defaultdict[bytes, set[int]] = defaultdict(set)
        self._lower_substrings: defaultdict[str, set[int]] = defaultdict(set)
        self._prefixes: defaultdict[bytes, set[int]] = defaultdict(set)
        for index, rule in enumerate(self._rules):
            for keyword in rule.keywords:
                text = keyword.strip("*")
                word = text.encode()
                if rule.casefold:
                    self._lower_substrings[text].add(index)
                elif not word.isalnum():
                    self._substrings[text].add(index)
                elif keyword[0] == keyword[-1] == "*":
                    self._infixes[word].add(index)
                elif keyword.endswith("*"):
                    self._prefixes[word[:_AFFIX]].add(index)
                    self._words[word].add(index)
                else:
                    self._words[word].add(index)

    def candidates(self, text: str, lower: str, words: set[bytes]) -> list[SearchedRule]:
        """Return the rules that can match, in the order of the table."""
        long_words = [word for word in words if len(word) >= _PREFIXED_WORD]
        indexes: set[int] = set()
        for rules_by_keyword, keywords in (
            (self._words, words),
            *((self._prefixes, {word[:size] for word in long_words}) for size in (2, 3, _AFFIX)),
        ):
            if not rules_by_keyword.keys().isdisjoint(keywords):
                for keyword in rules_by_keyword.keys() & keywords:
                    indexes |= rules_by_keyword[keyword]
        for searched, substrings in ((text, self._substrings), (lower, self._lower_substrings)):
            for substring, having_it in substrings.items():
                if substring in searched:
                    indexes |= having_it
        joined = b" ".join(word for word in long_words if len(word) >= _LONG_WORD)
        for infix, having_it in self._infixes.items():
            if infix in joined:
                indexes |= having_it
        if not indexes:
            return []
        is_possible = _FormatFilter(words, long_words)
        matching = (self._rules[index] for index in sorted(indexes))
        return [rule for rule in matching if is_possible(rule)]


class _FormatFilter:
    """Tells which token formats are possible beyond their first words."""

    def __init__(self, words: set[bytes], long_words: list[bytes]) -> None:
        self._words = words
        self._long_words = long_words

    def __call__(self, rule: SearchedRule) -> bool:
        if not isinstance(rule, TokenFormat):
            return True
        return rule.words <= self._words and (not rule.needs_random_word or self._has_random_word)

    @cached_property
    def _has_random_word(self) -> bool:
        return any(map(_is_random_word, self._long_words))


def _is_random_word(word: bytes) -> bool:
    return (
        len(word) >= _RANDOM_WORD
        and not word.isalpha()
        and not word.isdigit()
        and is_random(word[:_READ_OF_WORD].decode())
    )


def split_into_words(text: str) -> set[bytes]:
    """Return the distinct words of ASCII letters and digits."""
    for character, escape in _ESCAPES.items():
        if character in text:
            text = escape.sub(" ", text)
    return set(text.encode("latin-1", "replace").translate(_WORDS).split())
