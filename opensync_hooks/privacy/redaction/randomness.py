"""Tell values that were made at random from words and identifiers, by plain comparisons."""

from __future__ import annotations

import re

_SEGMENT = re.compile("[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_MAX_SEGMENT = (2.6, 3.2, 3.2, 4.2)
"""Random letters and digits change their kind after two characters, names after four or more.

The limits are for texts without a digit, with one, two, and more.
"""


def is_wordy(text: str) -> bool:
    """Whether a text has no digit and is made of words: `read-only`, `READ_ONLY`, `Read.Only`."""
    if any(map(str.isdigit, text)):
        return False
    words = re.findall("[A-Za-z]+", text)
    return all(word.islower() or word.isupper() or word.istitle() for word in words)


def is_random(text: str) -> bool:
    """Whether letters and digits are mixed in a text as no identifier mixes them."""
    segments = _SEGMENT.findall(text)
    length = sum(map(len, segments))
    digits = sum(map(str.isdigit, text))
    return 0 < length < len(segments) * _MAX_SEGMENT[min(digits, len(_MAX_SEGMENT) - 1)]


def is_mixed_case(text: str) -> bool:
    """Whether there are letters of both cases, as in no hash."""
    return text.lower() != text != text.upper()
