"""Decide from the words of a text which rules and which names can match in it.

A text is split into words once, by the fastest means that Python has, however many rules there
are. What a word can begin is decided once per process: most words of a text are known from others,
and one set operation removes those that begin nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate, pairwise
from typing import NamedTuple

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
_ASCII = bytes(range(128))
_AFFIX = 4
"""Of a keyword for the beginning of words, only so many characters are compared."""
_RANDOM_WORD, _READ_OF_WORD = 8, 100
"""So many characters of a token are in one word, also where a line ends in it."""
_MAX_REMEMBERED_WORD, _MAX_REMEMBERED = 19, 100_000
_CORE = 2
"""So many letters or digits of a keyword are looked for in words before the rest is."""
_RARE = "~$*"
"""Signs that few texts contain."""

SearchedRule = Rule | TokenFormat | CommandFormat
Trigger = int | str
"""The index of a rule, or a literal that the text may contain."""


class Candidates(NamedTuple):
    """What can match in a text."""

    lower: str
    """The text in lower case."""
    rules: Sequence[SearchedRule]
    """In the order of the table."""
    names: Sequence[str]
    long_words: Sequence[bytes]
    """Words with so many characters that they may encode a text."""


_NONE: frozenset[Trigger] = frozenset()
NO_CANDIDATES = Candidates("", (), (), ())


class Prefilter:
    """Index of rules by keywords: `hvs` is a word, `AKIA*` its beginning.

    Any other keyword may be anywhere, also within a word. So may the names of secrets and the
    keywords of a rule with `casefold`, in the text in lower case. A name with `^` is a word.
    """

    def __init__(self, rules: Iterable[SearchedRule], names: Iterable[str] = ()) -> None:
        self._rules = tuple(rules)
        self._names = frozenset(names)
        self._words: defaultdict[bytes, set[Trigger]] = defaultdict(set)
        self._prefixes: defaultdict[bytes, set[Trigger]] = defaultdict(set)
        self._literals: defaultdict[str, set[int]] = defaultdict(set)
        self._lower_literals: defaultdict[str, set[int]] = defaultdict(set)
        for index, rule in enumerate(self._rules):
            for keyword in rule.keywords:
                if rule.casefold:
                    self._lower_literals[keyword].add(index)
                elif keyword.rstrip("*").isalnum():
                    word = keyword.rstrip("*").encode()
                    self._words[word].add(index)
                    if keyword.endswith("*"):
                        self._prefixes[word[:_AFFIX]].add(index)
                else:
                    self._literals[keyword.strip("*")].add(index)
        self._cores: defaultdict[bytes, set[Trigger]] = defaultdict(set)
        self._cores_by_pair: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)
        """The cores that begin with these two characters."""
        self._signs: defaultdict[str, set[Trigger]] = defaultdict(set)
        self._foreign: defaultdict[str, set[Trigger]] = defaultdict(set)
        whole_words = {name for name in self._names if name.startswith("^")}
        for name in whole_words:
            for spelling in (name[1:], name[1:].title(), name[1:].upper()):
                self._words[spelling.encode()].add(name)
        self._beginnings = {prefix[:_CORE] for prefix in self._prefixes}
        self._index_literals({*self._literals, *self._lower_literals, *self._names} - whole_words)
        for core in self._cores:
            self._cores_by_pair[core[0], core[1]].append(core)
        self._certain = whole_words.union(map(bytes.decode, self._cores))
        """Keywords that need not be looked for in a text if one of its words contains them."""
        self._plain_words: set[bytes] = set()
        self._triggers: dict[bytes, AbstractSet[Trigger]] = {}

    def _index_literals(self, literals: set[str]) -> None:
        for literal in literals:
            if not literal.isascii():
                self._foreign[_foreign_characters(literal)].add(literal)
                continue
            core = max(re.findall("[A-Za-z0-9]+", literal), key=len, default="").lower()
            if core.isdigit():
                self._words[core.encode()].add(literal)
            elif len(core) >= _CORE:
                self._cores[core.encode()].add(literal)
            else:
                sign = next((character for character in literal if character in _RARE), literal)
                self._signs[sign].add(literal)

    def candidates(self, text: str, words: set[bytes]) -> Candidates:
        """Return what can match in a text that has these words.

        It is NO_CANDIDATES if it was known of each word that it begins nothing.
        """
        triggers: set[Trigger] = set()
        unknown: list[bytes] = []
        for word in words - self._plain_words:
            remembered = self._triggers.get(word)
            if remembered is None:
                unknown.append(word)
            else:
                triggers |= remembered
        if unknown:
            triggers |= self._examine(unknown)
        for sign, literals in self._signs.items():
            if sign in text:
                triggers |= literals
        if not text.isascii():
            foreign = _foreign_characters(text)
            for characters, literals in self._foreign.items():
                if characters in foreign:
                    triggers |= literals
        if not triggers and not unknown:
            return NO_CANDIDATES
        lower = lower_same_length(text)
        indexes, names = self._confirm(triggers, text, lower)
        return Candidates(
            lower,
            self._possible(indexes, words, unknown) if indexes else (),
            names,
            [word for word in unknown if len(word) > _MAX_REMEMBERED_WORD],
        )

    def _confirm(self, triggers: set[Trigger], text: str, lower: str) -> tuple[set[int], list[str]]:
        """Return the rules and names whose keywords are in the text."""
        indexes: set[int] = set()
        names: list[str] = []
        for trigger in triggers:
            if isinstance(trigger, int):
                indexes.add(trigger)
                continue
            is_of_lower = trigger in self._lower_literals or trigger in self._names
            if is_of_lower and (trigger in self._certain or trigger in lower):
                indexes.update(self._lower_literals.get(trigger, ()))
                if trigger in self._names:
                    names.append(trigger)
            if trigger in self._literals and trigger in text:
                indexes.update(self._literals[trigger])
        return indexes, names

    def _examine(self, words: Sequence[bytes]) -> set[Trigger]:
        """Return what these words trigger, and remember it for those that cannot be secrets."""
        if len(self._plain_words) + len(self._triggers) > _MAX_REMEMBERED:
            self._plain_words.clear()
            self._triggers.clear()
        joined = b" ".join(words).lower()
        pairs = self._cores_by_pair.keys() & pairwise(joined)
        ends = list(accumulate(len(word) + 1 for word in words))
        of_cores: defaultdict[int, set[Trigger]] = defaultdict(set)
        for pair in pairs:
            for core in self._cores_by_pair[pair]:
                start = joined.find(core)
                while start >= 0:
                    index = bisect_right(ends, start)
                    of_cores[index] |= self._cores[core]
                    start = joined.find(core, ends[index])
        all_triggers: set[Trigger] = set()
        for index, word in enumerate(words):
            triggers = self._triggers_of(word) | of_cores.get(index, _NONE)
            all_triggers |= triggers
            if _is_ordinary(word) and triggers:
                self._triggers[word] = triggers
            elif _is_ordinary(word):
                self._plain_words.add(word)
        return all_triggers

    def _triggers_of(self, word: bytes) -> AbstractSet[Trigger]:
        """Return what a word triggers as a whole and by its beginning."""
        triggers: AbstractSet[Trigger] = self._words.get(word, _NONE)
        if word[:_CORE] in self._beginnings:
            for size in (2, 3, _AFFIX):
                triggers = triggers | self._prefixes.get(word[:size], _NONE)
        return triggers

    def _possible(
        self, indexes: set[int], words: set[bytes], unknown: list[bytes]
    ) -> list[SearchedRule]:
        """Return the rules, without token formats that the other words of the text exclude."""
        rules = [
            rule
            for rule in (self._rules[index] for index in sorted(indexes))
            if not isinstance(rule, TokenFormat) or rule.words <= words
        ]
        needs_random_word = [
            rule for rule in rules if isinstance(rule, TokenFormat) and rule.needs_random_word
        ]
        if not needs_random_word or any(map(_is_random_word, unknown)):
            return rules
        return [rule for rule in rules if rule not in needs_random_word]


def _is_ordinary(word: bytes) -> bool:
    """Whether a word is short, or made of letters alone: no part of a secret to be remembered."""
    return len(word) < _RANDOM_WORD or (len(word) <= _MAX_REMEMBERED_WORD and word.isalpha())


def _is_random_word(word: bytes) -> bool:
    return not (_is_ordinary(word) or word.isdigit()) and is_random(word[:_READ_OF_WORD].decode())


def split_into_words(text: str) -> set[bytes]:
    r"""Return the distinct words of ASCII letters and digits.

    What an escape ends with is a part of one word, and missing in another: it may be a name's
    first letter, as in the path `C:\password.txt`.
    """
    words = _split(text)
    plain = text
    for character, escape in _ESCAPES.items():
        if character in plain:
            plain = escape.sub(" ", plain)
    return words if plain == text else words | _split(plain)


def _foreign_characters(text: str) -> str:
    """Return the characters that are not ASCII, in lower case; most texts have few of them."""
    encoded = text.encode("utf-8", "surrogatepass").translate(None, _ASCII)
    return encoded.decode("utf-8", "surrogatepass").lower()


def _split(text: str) -> set[bytes]:
    return set(text.encode("latin-1", "replace").translate(_WORDS).split())


def lower_same_length(text: str) -> str:
    """Return the text in lower case, with every character at the same index."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.replace("İ", "i").lower()
