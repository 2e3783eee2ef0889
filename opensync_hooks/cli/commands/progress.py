"""How far a long command is: one line that changes on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time

from opensync_hooks.system.formatting import count, duration

_CLEAR = "\r\x1b[K"
_PAUSE_S = 0.1
"""Between two sights of it: thousands of sessions are through in a moment."""


class Progress:
    """Of so many sessions in all. Says nothing where there is no terminal, or only one session."""

    def __init__(self, total: int) -> None:
        self.done = 0
        self._total = total
        self._began = time.monotonic()
        self._shows = sys.stderr.isatty() and total > 1
        self._next = 0.0

    def step(self) -> None:
        """One session more is through."""
        self.done += 1
        now = time.monotonic()
        if self._shows and now >= self._next:
            sys.stderr.write(_CLEAR + self.in_words(now - self._began))
            sys.stderr.flush()
            self._next = now + _PAUSE_S

    def in_words(self, passed: float) -> str:
        """`passed`: seconds since the beginning."""
        rate = self.done / passed if passed else 0.0
        rest = f", {duration((self._total - self.done) / rate)} left" if rate else ""
        whole = count(self._total, "session")
        return f"{self.done} of {whole}, {rate:.1f} a second{rest}"

    def clear(self) -> None:
        if self._shows:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
