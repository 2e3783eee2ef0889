"""One clock for all processes of a trial, in which waiting costs nothing.

Install it before the package under test is imported, so that the package uses it for every sleep.
"""

from __future__ import annotations

import mmap
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import wait as _real_wait
from contextlib import contextmanager
from typing import Any

_real_time = time.time
_real_monotonic = time.monotonic
_real_sleep = time.sleep
_real_settimeout = socket.socket.settimeout
_LANES = struct.Struct("dd")
_TICK_S = 0.002


class Clock:
    """The real clock, `speed` times as fast, plus all skipped time.

    `skips`: sleeping moves the clock of all processes instead of waiting; this is only right with
    one worker at a time. `error`: how wrong this process's wall clock is, in seconds.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._lane = 0
        self._skipping = threading.Lock()
        self.error = 0.0
        self.skips = False
        self.speed = 1.0
        self.reset()

    def reset(self) -> None:
        """Return to the real time, which the system uses for the files of the next trial."""
        _LANES.pack_into(self._page, 0, 0.0, 0.0)
        self._began = _real_monotonic()
        self._passed = 0.0
        self._epoch = _real_time()

    def install(self) -> None:
        """Replace the functions of the `time` module by this clock."""
        patched: dict[str, Any] = {
            "time": self.time,
            "time_ns": lambda: int(self.time() * 1e9),
            "monotonic": self.monotonic,
            "monotonic_ns": lambda: int(self.monotonic() * 1e9),
            "perf_counter": self.monotonic,
            "sleep": self.sleep,
        }
        for name, function in patched.items():
            setattr(time, name, function)
        real_result = Future.result

        def result(future: Future[Any], timeout: float | None = None) -> Any:
            """As `Future.result`, which would go by the true time."""
            end = self.monotonic() + (timeout or 0)
            while timeout and not future.done() and self.monotonic() < end:
                _real_wait([future], _TICK_S)
            return real_result(future, timeout and 0)

        def settimeout(connection: socket.socket, value: float | None) -> None:
            _real_settimeout(connection, value / self.speed if value else value)

        patched_classes: tuple[Any, Any] = (Future, socket.socket)
        patched_classes[0].result, patched_classes[1].settimeout = result, settimeout

    @property
    def skipped(self) -> float:
        return float(sum(_LANES.unpack_from(self._page, 0)))

    def skip(self, seconds: float) -> None:
        """Advance the clock of every process of the trial."""
        with self._skipping:
            lanes = list(_LANES.unpack_from(self._page, 0))
            struct.pack_into("d", self._page, 8 * self._lane, lanes[self._lane] + seconds)

    def apart(self) -> None:
        """Give this process a counter of its own, so that two processes may skip time at once."""
        self._lane = 1

    def reach(self, moment: float) -> None:
        """Advance every process to this monotonic time."""
        _real_sleep(_TICK_S)
        self.skip(max(0.0, moment - self.monotonic()))

    def _run(self) -> float:
        return self._passed + (_real_monotonic() - self._began) * self.speed + self.skipped

    def time(self) -> float:
        return self._epoch + self._run() + self.error

    def true_ms(self) -> int:
        """Return the correct wall clock in milliseconds, as the server has it."""
        return int((self._epoch + self._run()) * 1000)

    def monotonic(self) -> float:
        return 1_000_000 + self._run()

    def sleep(self, seconds: float) -> None:
        if self.skips:
            self.skip(seconds)
            _real_sleep(0)
        else:
            _real_sleep(seconds / self.speed)

    @contextmanager
    def running(self, speed: float, *, skips: bool = False) -> Iterator[None]:
        before = self.speed, self.skips
        self._change(speed, skips=skips)
        try:
            yield
        finally:
            self._change(before[0], skips=before[1])

    def _change(self, speed: float, *, skips: bool) -> None:
        now = _real_monotonic()
        self._passed += (now - self._began) * self.speed
        self._began, self.speed, self.skips = now, speed, skips


CLOCK = Clock()
pause = _real_sleep
"""A real wait, where a trial itself has to."""
stopwatch = _real_monotonic
