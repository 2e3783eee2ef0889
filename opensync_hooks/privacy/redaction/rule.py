"""One rule: how a secret format is recognized, with examples and counter-examples that prove it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from opensync_hooks.privacy.redaction.patterns import at_word, body

_SAMPLE = "4kQ7xB2mZ9"


@dataclass(frozen=True, slots=True)
class Example:
    """A text that contains a secret. Sources spell it in pieces, or secret scanners report it."""

    secret: str
    before: str = ""
    after: str = ""

    @property
    def text(self) -> str:
        return self.before + self.secret + self.after


@dataclass(frozen=True, slots=True)
class Rule:
    """A secret format. If `pattern` has named groups, the last one that matches is the secret."""

    kind: str
    """The name in the mask."""
    keywords: tuple[str, ...]
    """A text without any of them is not searched. The prefilter defines the syntax."""
    pattern: str
    examples: tuple[Example, ...]
    allowlist: tuple[str, ...]
    """Texts that look similar and are not masked."""
    casefold: bool = False
    """Compare keywords and pattern with the text in lower case."""
    prefix_pattern: str = ""
    """Matches the part of the secret that precedes `pattern`, in the reversed text."""
    prefix_max: int = 64
    """The greatest length of that prefix, in characters."""


def token(  # noqa: PLR0913 - a row of the table has as many columns
    kind: str,
    prefixes: str,
    min_length: int,
    charset: str,
    allowed: str,
    *,
    at_word_only: bool = False,
) -> Iterator[Rule]:
    """Yield the rules for tokens that begin with one of the prefixes, separated by spaces.

    `min_length` characters of `charset` follow; 8 are enough in a text that was cut. With
    `at_word_only` the prefix is so ordinary that it counts only at the beginning of a word.
    """
    for _, group in groupby(prefixes.split(), key=lambda prefix: prefix[:2]):
        similar = list(group)  # a pattern whose alternatives share their beginning is much faster
        starts = [re.escape(prefix) for prefix in similar]
        start = "|".join(start + (at_word(start) if at_word_only else "") for start in starts)
        yield Rule(
            kind,
            tuple(_keyword(prefix) for prefix in similar),
            f"(?:{start}){body(charset, min_length, 16 if at_word_only else 8)}",
            tuple(Example(prefix + fill(charset, min_length)) for prefix in similar),
            (allowed,),
        )


def _keyword(prefix: str) -> str:
    """Return the first word of a prefix, marked as a beginning if the secret continues it."""
    match = re.match(r"[A-Za-z0-9]+", prefix)
    word = match[0] if match else prefix
    return word + "*" if word == prefix else word


def fill(charset: str, length: int) -> str:
    """Return so many characters of the set, always the same ones."""
    allowed = "".join(re.findall(f"[{charset}]", _SAMPLE)) or "0"
    return (allowed * length)[:length]
