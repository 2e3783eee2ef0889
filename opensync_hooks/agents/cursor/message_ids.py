"""Ids for messages in places that have none: by what a prompt says, and how often it was said.

A position would not do: transcripts are rewritten, and a compaction repeats or drops a beginning.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field

_START = "start"


@dataclass(slots=True)
class Names:
    """Gives each step of one conversation its id, in order."""

    _said: Counter[str] = field(default_factory=Counter)
    _turn: str = _START
    _steps: int = 0

    def prompt(self, text: str) -> str:
        digest = _digest(text)
        self._turn = f"{digest}.{self._said[digest]}"
        self._said[digest] += 1
        self._steps = 0
        return self._turn

    def within_turn(self) -> str:
        """For a piece of the answer, or a note: the same one as long as what follows only grows."""
        self._steps += 1
        return f"{self._turn}/{self._steps}"


def _digest(text: str) -> str:
    plain = " ".join(text.split()).encode("utf-8", "surrogatepass")
    return hashlib.sha256(plain).hexdigest()[:24]
