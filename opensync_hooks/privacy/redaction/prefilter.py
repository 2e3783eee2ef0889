"""Which formats can be in a text at all, decided from the words in it.

However many formats there are, a text is cut into its words once, by what Python does fastest; a
format whose clue is not among them is not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from opensync_hooks.privacy.redaction.rule import Rule

_GLUED = {
    "\\": re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[a-z])"),
    "[": re.compile(r"\[[0-9;]{1,9}m"),
    "%": re.compile(r"%[0-9A-Fa-f]{2}"),
}
"""Escapes, the terminal's colours and a URL's end in letters that are no part of the next word."""
_LETTERS = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_WORDS_ONLY = bytes(byte if byte in _LETTERS else 0x20 for byte in range(256))
_DIGITS = b"0123456789"
_ENDS = 4
_SHORTEST_HEADED = 6
"""Letters of a word that holds a beginning and at least some letters of a secret."""


class Prefilter:
    """Clues are a word, `AKIA*` for its beginning, `*token` for its end, or else any text,
    also `*ABC*`.

    Those of folded formats are compared with words in lower case, without digits at the end.
    """

    def __init__(self, formats: Iterable[Rule]) -> None:
        self._formats = tuple(formats)
        self._texts: dict[str, set[int]] = {}
        self._words: dict[bytes, set[int]] = {}
        self._heads: dict[bytes, set[int]] = {}
        self._folded: dict[bytes, set[int]] = {}
        self._tails: dict[bytes, set[int]] = {}
        for place, one in enumerate(self._formats):
            for clue in one.keywords:
                self._learn(clue, place, casefold=one.casefold)

    def _learn(self, clue: str, place: int, *, casefold: bool) -> None:
        word = clue.strip("*").encode()
        if not word.isalnum() or clue[0] == clue[-1] == "*":
            self._texts.setdefault(clue.strip("*"), set()).add(place)
        elif clue.endswith("*"):
            self._heads.setdefault(word[:_ENDS], set()).add(place)
        elif clue.startswith("*"):
            self._tails.setdefault(word[-_ENDS:], set()).add(place)
        else:
            (self._folded if casefold else self._words).setdefault(word, set()).add(place)

    def candidates(self, text: str) -> list[Rule]:
        """In the order of the table."""
        words = _words(text)
        casefold = {word.lower().rstrip(_DIGITS) for word in words}
        long = [word for word in words if len(word) >= _SHORTEST_HEADED]
        found: set[int] = set()
        for known, seen in (
            (self._words, words),
            (self._folded, casefold),
            *((self._heads, {word[:size] for word in long}) for size in range(2, _ENDS + 1)),
            *((self._tails, {word[-size:] for word in casefold}) for size in range(3, _ENDS + 1)),
        ):
            for clue in known.keys() & seen:
                found |= known[clue]
        for part, places in self._texts.items():
            if part in text:
                found |= places
        return [self._formats[place] for place in sorted(found)]


def _words(text: str) -> set[bytes]:
    """Every word of ASCII letters and digits, once."""
    for sign, pattern in _GLUED.items():
        if sign in text:
            text = pattern.sub(" ", text)
    return set(text.encode("latin-1", "replace").translate(_WORDS_ONLY).split())
