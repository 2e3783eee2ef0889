"""The progress line of a long command: shown on a terminal only."""

import sys
import time
from collections import deque

from opensync_hooks.system import windows
from opensync_hooks.system.formatting import count, duration

_CLEAR = f"\r{' ' * 79}\r" if windows.IS_WINDOWS else "\r\x1b[K"  # its consoles differ
_RATE_WINDOW_S = 10.0
_FIRST_ESTIMATE_S = 2.0
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
        self._recent = deque([(self._started, 0)])
        """Times, and how many had been done then: for the rate of the last seconds."""

    def step(self, number: int = 1) -> None:
        """Count one session or more, and update the line."""
        self.done += number
        now = time.monotonic()
        if now >= self._next_update:
            self._next_update = now + _INTERVAL_S
            if self._is_shown:
                sys.stderr.write(_CLEAR + self.text(now))
                sys.stderr.flush()

    def text(self, now: float) -> str:
        """Return `3 of 9 sessions, 1.5 a second, 4 seconds left`; `now` as of `time.monotonic`.

        The rate is that of the last ten seconds: hundreds of sessions without news pass at once,
        and say nothing about those that have to be sent.
        """
        self._recent.append((now, self.done))
        while len(self._recent) > 2 and self._recent[1][0] <= now - _RATE_WINDOW_S:
            self._recent.popleft()
        before, done = self._recent[0]
        text = f"{self.done} of {count(self._total, self._noun)}"
        if now - self._started < _FIRST_ESTIMATE_S:
            return text
        rate = (self.done - done) / (now - before)
        left = f", {duration((self._total - self.done) / rate)} left" if rate else ""
        return f"{text}, {rate:.1f} a second{left}"

    def clear(self) -> None:
        """Remove the line, so that other output starts on an empty one."""
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
