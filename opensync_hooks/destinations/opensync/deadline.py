"""A time limit for a call as a whole.

A socket's own timeout restarts with every byte: a server that sends one byte a second would hold
its caller for as long as it likes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Task = tuple[Future[Any], Callable[[], Any]]


class DeadlineError(Exception):
    """The call did not finish in time; its thread is abandoned and ends after it, if ever."""


class DeadlineThread:
    """Makes calls in a thread, which is kept: to start one takes as long as a request.

    Not an executor: the interpreter would wait at its exit for an executor's hanging thread.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task | None] | None = None

    def run_within(self, seconds: float, call: Callable[[], T]) -> T:
        """Return or raise what `call` does; raise DeadlineError if it takes longer."""
        if self._tasks is None:
            self._tasks = SimpleQueue()
            threading.Thread(target=_work, args=(self._tasks,), daemon=True).start()
        future: Future[T] = Future()
        self._tasks.put((future, call))
        try:
            return future.result(seconds)
        except TimeoutError:
            if future.done():
                return future.result()
            self.close()  # the next call must not wait for this one
            raise DeadlineError from None
        except BaseException:  # of the call; or Ctrl-C, while the call goes on
            if not future.done():
                self.close()
            raise

    def close(self) -> None:
        """Let the thread end after its call."""
        if self._tasks is not None:
            self._tasks.put(None)
            self._tasks = None


def _work(tasks: SimpleQueue[_Task | None]) -> None:
    while task := tasks.get():
        future, call = task
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
            future.set_exception(error)
        del task, future, call  # or they would be kept until the next call
