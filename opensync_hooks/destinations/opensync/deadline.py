"""A time limit for a call as a whole.

A socket's own timeout restarts with every byte: a server that sends one byte a second would hold
its caller for as long as it likes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


class DeadlineError(Exception):
    """The call did not finish in time; its thread is abandoned and ends with the process."""


def run_within(seconds: float, call: Callable[[], T]) -> T:
    """Return or raise what `call` does; raise DeadlineError if it takes longer than `seconds`."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
            future.set_exception(error)

    # Not an executor: the interpreter would wait at its exit for an executor's hanging thread.
    threading.Thread(target=run, daemon=True).start()
    wait((future,), timeout=seconds)
    if not future.done():
        raise DeadlineError
    return future.result()
