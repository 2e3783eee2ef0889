"""Recognize what was masked once in a session wherever it returns, without keeping the secret.

Only keyed hashes are kept, in memory, with a key that no one else has.
"""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from opensync_hooks.privacy.redaction.randomness import is_wordy
from opensync_hooks.privacy.redaction.rule import Span

_MIN_SECRET, _MAX_SECRET, _MIN_WORD = 8, 400, 6
_MAX_REMEMBERED = 2000
_HINT_BITS = 0xFFFF
"""So much is compared first of the hash with a random key that Python makes of each word anyway."""


class _Trace(NamedTuple):
    """What is known of a secret: where its longest word is in it, and a hash of the whole."""

    offset: int
    length: int
    digest: bytes
    kind: str


class SecretMemory:
    """The secrets of one session."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)
        self._traces: defaultdict[bytes, set[_Trace]] = defaultdict(set)
        self._hints: set[int] = set()
        self.size = 0
        """How many secrets are remembered."""

    def remember(self, secret: str, kind: str) -> None:
        """Remember a secret, unless it is short or made of ordinary words."""
        word = max(re.findall("[A-Za-z0-9]+", secret), key=len, default="")
        is_long = _MIN_SECRET <= len(secret) <= _MAX_SECRET and len(word) >= _MIN_WORD
        if is_long and not is_wordy(secret) and len(self._traces) < _MAX_REMEMBERED:
            trace = _Trace(
                secret.index(word),
                len(secret),
                self._digest(secret),
                kind,
            )
            traces = self._traces[self._digest(word)]
            self.size += trace not in traces
            traces.add(trace)
            self._hints.add(hash(word.encode()) & _HINT_BITS)

    def find(self, words: set[bytes], text: str) -> Iterator[Span]:
        """Yield the places in a text, whose words these are, at which a secret returns."""
        if not self._hints:
            return
        spans: set[Span] = set()
        for word in words:
            if hash(word) & _HINT_BITS in self._hints:
                for trace in self._traces.get(self._digest(word.decode()), ()):
                    spans.update(self._find(trace, word.decode(), text))
        yield from sorted(spans)

    def _find(self, trace: _Trace, word: str, text: str) -> Iterator[Span]:
        index = text.find(word)
        while index >= 0:
            start = index - trace.offset
            end = start + trace.length
            if start >= 0 and self._digest(text[start:end]) == trace.digest:
                yield start, end, trace.kind
            index = text.find(word, index + 1)

    def _digest(self, text: str) -> bytes:
        content = text.encode("utf-8", "surrogatepass")
        return blake2b(content, key=self._key, digest_size=16).digest()
