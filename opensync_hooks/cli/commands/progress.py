"""The progress line of a long command: shown on a terminal only."""

import sys
import time

from opensync_hooks.system.formatting import count, duration

_CLEAR = "\r\x1b[K"
_INTERVAL_S = 0.1
"""Between two updates: thousands of sessions may pass in a moment."""


class Progress:
    """Counts sessions, or other things, out of `total`.

    Prints nothing without a terminal, or for a total of one.
    """

    def __init__(self, total: int, noun: str = "session") -> None:
        self.done = 0
        self._total = total
        self._noun = noun
        self._started = time.monotonic()
        self._is_shown = sys.stderr.isatty() and total > 1
        self._next_update = 0.0

    def step(self, number: int = 1) -> None:
        """Count one session or more, and update the line."""
        self.done += number
        now = time.monotonic()
        if self._is_shown and now >= self._next_update:
            sys.stderr.write(_CLEAR + self.text(now - self._started))
            sys.stderr.flush()
            self._next_update = now + _INTERVAL_S

    def text(self, elapsed_s: float) -> str:
        """Return `3 of 9 sessions, 1.5 a second, 4 seconds left`."""
        rate = self.done / elapsed_s if elapsed_s else 0.0
        left = f", {duration((self._total - self.done) / rate)} left" if rate else ""
        return f"{self.done} of {count(self._total, self._noun)}, {rate:.1f} a second{left}"

    def clear(self) -> None:
        """Remove the line, so that other output starts on an empty one."""
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
