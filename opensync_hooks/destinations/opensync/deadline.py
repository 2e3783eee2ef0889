"""A call that must be over in time, whatever keeps it.

A socket's own timeout begins anew with every byte: a server that sends one a second would hold us
up for as long as it likes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK_SECONDS = 0.5


class TooLateError(Exception):
    """The call was left behind, in a thread that ends with the process at the latest."""


class _Call(threading.Thread, Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.answers: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.answers.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error


def within(seconds: float, call: Callable[[], T]) -> T:
    """What the call returns or raises; TooLateError when it does neither in time."""
    running = _Call(call)
    running.start()
    end = time.monotonic() + seconds
    while running.is_alive() and (left := end - time.monotonic()) > 0:
        running.join(min(left, _LOOK_SECONDS))
    if running.error:
        raise running.error
    if not running.answers:
        raise TooLateError
    return running.answers[0]
