"""Tell values that were made at random from words and identifiers, by plain comparisons."""

from __future__ import annotations

import re
from itertools import pairwise

_SEGMENT = re.compile("[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_MIN_WORD, _LONG_WORD = 8, 16
_MAX_SEGMENT = (2.6, 2.8, 3.0, 3.2)
"""Random letters and digits change their kind after two characters, names after four or more.

The limits are for words without a digit, with one, two, and more.
"""
_MAX_LONG_SEGMENT = 4.2
"""The limit for a long word with many digits, which may be in one case."""

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
_MIN_LETTERS, _MAX_RARE_PAIRS = 16, 0.25

_MAX_NUMBER = 3
"""An identifier's words end in numbers with so many digits at most."""


def is_wordy(text: str) -> bool:
    """Whether a text has no digit and is made of words: `read-only`, `READ_ONLY`, `Read.Only`."""
    if any(map(str.isdigit, text)):
        return False
    words = re.findall("[A-Za-z]+", text)
    return all(word.islower() or word.isupper() or word.istitle() for word in words)


def is_identifier(text: str) -> bool:
    """Whether a text is words joined by `_`, each with a short number at most: `RC4_KEY_128`."""
    segments = text.split("_")
    return len(segments) > 1 and all(
        len(segment) - len(segment.rstrip("0123456789")) <= _MAX_NUMBER
        and (not segment.rstrip("0123456789") or segment.rstrip("0123456789").isalpha())
        for segment in segments
    )


def is_class(text: str) -> bool:
    """Whether a text is the name of a type: words in capitals, numbers between: `Uint8Array`."""
    return bool(re.fullmatch(r"(?:[A-Z][a-z]{2,}|[A-Z]{1,3})(?:[0-9]{0,3}[A-Z][a-z]+)+", text))


def is_random(text: str) -> bool:
    """Whether letters and digits are mixed in the longest word as no identifier mixes them."""
    word = max(re.findall("[A-Za-z0-9]+", text), key=len, default="")
    segments = _SEGMENT.findall(word)
    if len(word) < _MIN_WORD:
        return False
    if word.isalpha() and len(word) >= _MIN_LETTERS and is_mixed_case(word):
        pairs = list(pairwise(word.lower()))
        rare = [a + b for a, b in pairs if a + b not in _PAIRS and ord(b) != ord(a) + 1]  # not `bc`
        if len(rare) >= len(pairs) * _MAX_RARE_PAIRS:
            return True
    digits = min(sum(map(str.isdigit, word)), len(_MAX_SEGMENT) - 1)
    is_long = len(word) >= _LONG_WORD and digits == len(_MAX_SEGMENT) - 1
    return len(word) < len(segments) * (_MAX_LONG_SEGMENT if is_long else _MAX_SEGMENT[digits])


def is_mixed_case(text: str) -> bool:
    """Whether there are letters of both cases, as in no hash."""
    return text.lower() != text != text.upper()
