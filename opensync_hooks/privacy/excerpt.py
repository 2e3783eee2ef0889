"""The beginning of a text that is longer than what can be sent, masked as if all of it had been.

Masking takes several times a text's size in memory. So a long text is masked only up to where it
is cut, and a margin, so that no secret is cut in half. The rest is searched in small pieces: a
secret that it holds is masked where it returns later in the session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

MAX_TEXT_BYTES = 900_000
"""Of one text: what OpenSync takes."""
_MARGIN = 1 << 16
"""Characters: more than what any rule looks at beside a secret, and than the longest secret."""
_PIECE = 1 << 20


class Excerpt(str):
    """The beginning of a text."""

    __slots__ = ("more_bytes",)
    more_bytes: int
    """How many bytes of the text are not in it."""

    def __new__(cls, text: str, more_bytes: int) -> Self:
        excerpt = super().__new__(cls, text)
        excerpt.more_bytes = more_bytes
        return excerpt


def mask(text: str, redact: Callable[[str], str], search: Callable[[str], str]) -> str:
    """Return the text masked, or an excerpt with at least the bytes that are sent.

    `redact` masks a text; `search` does too, without counting what it masks.
    """
    end = MAX_TEXT_BYTES + 2 * _MARGIN
    while end + _MARGIN < len(text):
        start = end - _MARGIN
        # Many masks are shorter than the secrets that they replace.
        if len(search(text[:end])) - len(search(text[start:end])) >= MAX_TEXT_BYTES:
            masked = redact(text[:end])
            for offset in range(start, len(text), _PIECE):
                search(text[offset : offset + _PIECE + _MARGIN])
            return Excerpt(masked, _length_in_bytes(text, end))
        end *= 2
    return redact(text)


def _length_in_bytes(text: str, start: int) -> int:
    """Return the bytes behind `start`; a lone surrogate counts as the character it becomes."""
    pieces = (text[offset : offset + _PIECE] for offset in range(start, len(text), _PIECE))
    return sum(len(piece.encode(errors="surrogatepass")) for piece in pieces)


def more_bytes(value: Any) -> int:
    """Return how many bytes the excerpts in a JSON value lack."""
    if isinstance(value, Excerpt):
        return value.more_bytes
    if isinstance(value, dict):
        return sum(map(more_bytes, value.values()))
    return sum(map(more_bytes, value)) if isinstance(value, list) else 0
