"""One rule: how a secret format is recognized, with examples and counter-examples that prove it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opensync_hooks.dataclass import dataclass

Span = tuple[int, int, str]
"""Where a secret begins and ends, and its kind."""
_SAMPLE = "4kQ7xB2mZ9af"


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


def fill(charset: str, length: int) -> str:
    """Return so many characters of the set, always the same ones."""
    allowed = "".join(re.findall(f"[{charset}]", _SAMPLE)) or "0"
    return (allowed * length)[:length]


def unite(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans in the order of the text; those that overlap as one, with the first's kind.

    Of those that begin at one place only the first counts: it knows best where the secret ends.
    """
    ordered = sorted((span[0], index, span) for index, span in enumerate(spans))
    start, end, kind, rank = 0, 0, "", 0
    for first, index, (_, last, name) in ordered:
        if first >= end:
            if end > start:
                yield start, end, kind
            start, end, kind, rank = first, last, name, index
        elif first > start:
            end = max(end, last)
            if index < rank:
                kind, rank = name, index
    if end > start:
        yield start, end, kind
