"""The text around the words of a search, for a person to see why a message was found."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from opensync_hooks.destinations.store.search_query import Term

_BEFORE, _AFTER = 80, 160
_MAX_MATCH = 200
_MAX_FOLDED = 100_000
"""Characters of a text that are also compared without accents, which takes a look at each."""
_BOUNDARY = r"(?<![^\W_])", r"(?![^\W_])"


def word_pattern(terms: Iterable[Term]) -> str:
    """Return a regular expression for the places that the index finds: whole words."""
    return "|".join(filter(None, map(_term_pattern, terms)))


def _term_pattern(term: Term) -> str:
    words = re.findall(r"[^\W_]+", term.text)
    end = "" if term.is_prefix else _BOUNDARY[1]
    return _BOUNDARY[0] + r"[\W_]+".join(words) + end if words else ""


def excerpt(texts: Iterable[str | None], pattern: str) -> tuple[str, ...]:
    """Return the text around the first match, in pieces: every second one is a match.

    Empty if the pattern occurs in none of the texts.
    """
    expression = re.compile(pattern, re.IGNORECASE) if pattern else None
    for text in filter(None, texts if expression else ()):
        for fold in (str, _without_accents):  # most texts need no look at each character
            compared = fold(text)
            if expression and (match := expression.search(compared)):
                return _pieces(text, compared, match, expression)
    return ()


def _pieces(
    text: str, compared: str, first: re.Match[str], expression: re.Pattern[str]
) -> tuple[str, ...]:
    start = max(0, first.start() - _BEFORE)
    end = min(len(text), min(first.end(), first.start() + _MAX_MATCH) + _AFTER)
    pieces, position = [], start
    for match in expression.finditer(compared, first.start(), end):
        pieces += [text[position : match.start()], text[match.start() : match.end()]]
        position = match.end()
    pieces.append(text[position:end])
    pieces[0] = ("…" if start else "") + pieces[0]
    pieces[-1] += "…" if end < len(text) else ""
    return tuple(re.sub(r"\s+", " ", piece) for piece in pieces)


def _without_accents(text: str) -> str:
    """Return a text of the same length with the letters alone, or the beginning of a long one."""
    normalize = unicodedata.normalize
    return "".join(normalize("NFD", character)[0] for character in text[:_MAX_FOLDED])
