"""Ids for messages in copies that store none: from a prompt's text and how often it was repeated.

A position would not be stable: transcripts are rewritten, and a compaction repeats or drops their
beginning.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import field

from opensync_hooks.dataclass import dataclass


@dataclass(slots=True)
class MessageIds:
    """Gives each step of one conversation its id, in order."""

    count_before: Callable[[str], int] | None = None
    """Returns how often a prompt, by its digest, is in what an earlier read has passed over."""
    _repetitions: Counter[str] = field(default_factory=Counter)
    _turn_id: str = "start"
    _step_count: int = 0

    def prompt(self, text: str) -> str:
        plain = " ".join(text.split()).encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(plain).hexdigest()[:24]
        if self.count_before and digest not in self._repetitions:
            self._repetitions[digest] = self.count_before(digest)
        self._turn_id = f"{digest}.{self._repetitions[digest]}"
        self._repetitions[digest] += 1
        self._step_count = 0
        return self._turn_id

    def within_turn(self) -> str:
        """Return an id for a note or a piece of the answer; it stays while the turn only grows."""
        self._step_count += 1
        return f"{self._turn_id}/{self._step_count}"
