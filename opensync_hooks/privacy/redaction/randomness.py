"""Tell values that were made at random from words and identifiers, by plain comparisons."""

from __future__ import annotations

import re
from functools import cache

_MIN_WORD = 8

_GROUPS = (
    "abcdfgiklmnprstuvwxy baeijlorsuy cacehiklorstuy dacdefiloprstuy eabcdefgilmnopqrstuvwxy"
    " faefilorstu gaeghilnorstu haeiorst iabcdefglmnoprstvxz je kaeis labcdeilopstuvy"
    " mabeilmopsu nacdefgiklmnopstuv oabcdfgiklmnoprstuvwx padehiloprstuy qu"
    " racdefgiklmnoprstuvy sacefhiklmnopstuwy tabcdefhilmnoprstuwy uabcdefgilmnprst vaeio"
    " waeinors xceipt yelmnpst zae"
)
"""A letter, and those that often follow it in the words of source code."""
_PAIRS = frozenset(group[0] + letter for group in _GROUPS.split() for letter in group[1:])
"""97 of 100 pairs of letters in identifiers, and 44 of 100 at random."""
_NEW_WORD, _NUMBER = 0.75, 0.3
"""How odd a capital behind a small letter is, and two digits; both are in names, but not often."""
_MAX_ODD, _MAX_ODD_SHORT, _SHORT = 0.35, 0.4, 12
"""The share of odd pairs in a word, and in a short one.

Random words of twelve characters exceed it in 98 of 100 cases, be they hex, letters and digits, or
of one case; letters alone in 94. Of the words in source code 7 of 100 do, mostly encoded data.
"""

_MAX_NUMBER = 3
"""An identifier's words end in numbers with so many digits at most."""


def is_wordy(text: str) -> bool:
    """Whether a text has no digit and is made of words: `read-only`, `READ_ONLY`, `Read.Only`."""
    if any(map(str.isdigit, text)):
        return False
    words = re.findall("[A-Za-z]+", text)
    return all(word.islower() or word.isupper() or word.istitle() for word in words)


def is_identifier(text: str) -> bool:
    """Whether a text is words joined by `_`, each with a short number at most: `RC4_KEY_128`.

    None of them begins with a capital if another is in small letters.
    """
    segments = text.split("_")
    return (
        len(segments) > 1
        and _is_uniform(segments)
        and all(
            len(segment) - len(segment.rstrip("0123456789")) <= _MAX_NUMBER
            and (not segment.rstrip("0123456789") or segment.rstrip("0123456789").isalpha())
            for segment in segments
        )
    )


def _is_uniform(words: list[str]) -> bool:
    letters = ["".join(filter(str.isalpha, word)) for word in words]
    has_title = any(word.istitle() and not word.isupper() for word in letters)
    return not (has_title and any(map(str.islower, letters)))


def is_class(text: str) -> bool:
    """Whether a text is the name of a type: words in capitals, numbers between: `Uint8Array`."""
    return bool(re.fullmatch(r"(?:[A-Z][a-z]{2,}|[A-Z]{1,3})(?:[0-9]{0,3}[A-Z][a-z]+)+", text))


def is_random(text: str) -> bool:
    """Whether letters and digits are mixed in the longest word as no identifier mixes them."""
    word = max(re.findall("[A-Za-z0-9]+", text), key=len, default="")
    if len(word) < _MIN_WORD or word.isdigit() or is_wordy(word):
        return False
    max_odd = _MAX_ODD_SHORT if len(word) < _SHORT else _MAX_ODD
    return sum(map(_oddness, word, word[1:])) >= (len(word) - 1) * max_odd


@cache
def _oddness(first: str, second: str) -> float:
    """Return from 0 to 1 how unlikely an identifier has these two characters in a row."""
    if first.isdigit() or second.isdigit():
        return _NUMBER if first.isdigit() == second.isdigit() else 1
    if first.islower() and second.isupper():
        return _NEW_WORD
    is_usual = first.lower() + second.lower() in _PAIRS or ord(second) == ord(first) + 1  # `bc`
    return 0 if is_usual else 1


def is_mixed_case(text: str) -> bool:
    """Whether there are letters of both cases, as in no hash."""
    return text.lower() != text != text.upper()
