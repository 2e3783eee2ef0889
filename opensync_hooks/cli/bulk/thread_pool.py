"""Several sessions at once: threads, each with a destination and a ledger of its own.

Whatever ends it, a user's Ctrl-C too, ends it between two calls: no message is half sent, and what
was confirmed is in the ledger.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Generic, TypeVar

from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.protocol import BatchReply, Destination
from opensync_hooks.model import Json

MOST = 8
"""The smallest class of Convex runs 16 changes at a time, for all of its clients."""
_GRACE_S = 5.0

Task = TypeVar("Task")
Result = TypeVar("Result")


class _HaltedError(BaseException):
    """The work is to end here; nobody on the way may take it for the failure of one task."""


@dataclass(frozen=True, slots=True)
class _Done:
    """A thread's last word, with what stopped it before its time."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Crew(Generic[Task, Result]):
    """Does tasks in the order given, `size` at a time; results come as they are there."""

    size: int
    equipped: Callable[[], AbstractContextManager[Syncer]]
    do: Callable[[Syncer, Task], Result]

    def work(self, tasks: list[Task]) -> Iterator[Result]:
        """Raises the first error that stopped a thread, when the others have stopped too."""
        results: SimpleQueue[_Done | tuple[Result]] = SimpleQueue()
        waiting, halt = deque(tasks), threading.Event()
        threads = [
            threading.Thread(target=self._thread, args=(waiting, halt, results), daemon=True)
            for _ in range(min(self.size, len(tasks)))
        ]
        try:
            for thread in threads:
                thread.start()
            yield from self._results(results, halt, len(threads))
        finally:
            halt.set()
            for thread in threads:
                thread.join(_GRACE_S)  # a request that hangs is left to die with the process

    @staticmethod
    def _results(
        results: SimpleQueue[_Done | tuple[Result]], halt: threading.Event, running: int
    ) -> Iterator[Result]:
        failure: BaseException | None = None
        while running:
            one = results.get()
            if not isinstance(one, _Done):
                yield one[0]
                continue
            running -= 1
            if one.error is not None:
                failure = failure or one.error
                halt.set()
        if failure is not None:
            raise failure

    def _thread(
        self,
        waiting: deque[Task],
        halt: threading.Event,
        results: SimpleQueue[_Done | tuple[Result]],
    ) -> None:
        error: BaseException | None = None
        try:
            with self.equipped() as syncer:
                halting = replace(syncer, destination=_Halting(syncer.destination, halt))
                for task in _taken(waiting):
                    if halt.is_set():
                        break
                    results.put((self.do(halting, task),))
        except _HaltedError:
            pass
        except BaseException as unforeseen:  # noqa: BLE001 - told by who waits for the results
            error = unforeseen
        results.put(_Done(error))


def _taken(waiting: deque[Task]) -> Iterator[Task]:
    """One task after the other, until there is none that no other thread has taken."""
    while True:
        try:
            task = waiting.popleft()
        except IndexError:
            return
        yield task


@dataclass(frozen=True, slots=True)
class _Halting:
    """A destination that takes no further call once the work is to end."""

    there: Destination
    halt: threading.Event

    @property
    def name(self) -> str:
        return self.there.name

    @property
    def keeps_extra(self) -> bool:
        return self.there.keeps_extra

    def put_session(self, body: Json, extra: Json) -> str:
        self._check()
        return self.there.put_session(body, extra)

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:
        self._check()
        return self.there.put_message(body, extra, replaces=replaces)

    def put_batch(self, body: Json) -> BatchReply:
        self._check()
        return self.there.put_batch(body)

    def _check(self) -> None:
        if self.halt.is_set():
            raise _HaltedError
