"""Several sessions at once: daemon threads, each with a destination and a ledger of its own.

`concurrent.futures` waits for its threads when the process exits, and after Ctrl-C a server that
no longer answers would hold the terminal for minutes. Here every thread stops between two calls:
no message is half sent, and whatever was confirmed is in the ledger.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.protocol import ReadableDestination

MAX_JOBS = 8
"""The smallest class of Convex runs 16 mutations at a time, for all of its clients."""
JOBS = 4
"""Of a sync to a server by default: most of the time is spent waiting for its answers."""
_GRACE_S = 5.0
"""How long to wait for a request in flight; a longer one ends with the process."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class _StoppedError(BaseException):
    """Ends a thread between two calls. No `except Exception` may take it for a failed session."""


def run_parallel(
    tasks: Sequence[_Task],
    jobs: int,
    open_syncer: Callable[[], AbstractContextManager[Syncer]],
    work: Callable[[Syncer, _Task], _Result],
) -> Iterator[_Result]:
    """Start the tasks in order, `jobs` at a time, and yield each result as soon as there is one.

    Raises the first error of a thread once all threads have stopped. Closing the iterator, as
    Ctrl-C does, stops them too.
    """
    count = min(jobs, len(tasks))
    pending: SimpleQueue[_Task | None] = SimpleQueue()
    for task in (*tasks, *[None] * count):
        pending.put(task)
    results: SimpleQueue[tuple[_Result] | BaseException | None] = SimpleQueue()
    stop = threading.Event()

    arguments = (pending, results, stop, open_syncer, work)
    threads = [
        threading.Thread(target=_run_thread, args=arguments, name="sync", daemon=True)
        for _ in range(count)
    ]
    failure: BaseException | None = None
    try:
        for thread in threads:
            thread.start()
        while count:
            result = results.get()
            if isinstance(result, tuple):
                yield result[0]
                continue
            count -= 1
            if result is not None:
                failure = failure or result
                stop.set()
    finally:
        stop.set()
        for thread in threads:
            thread.join(_GRACE_S)
    if failure is not None:
        raise failure


def _run_thread(
    pending: SimpleQueue[_Task | None],
    results: SimpleQueue[tuple[_Result] | BaseException | None],
    stop: threading.Event,
    open_syncer: Callable[[], AbstractContextManager[Syncer]],
    work: Callable[[Syncer, _Task], _Result],
) -> None:
    """Work until a None in `pending`. The last result is the error that ended it early, or None."""
    error: BaseException | None = None
    try:
        with suppress(_StoppedError), open_syncer() as syncer:
            stoppable = _StoppableDestination(syncer.destination, stop)
            own_syncer = replace(syncer, destination=cast("ReadableDestination", stoppable))
            while (task := pending.get()) is not None and not stop.is_set():
                results.put((work(own_syncer, task),))
    except BaseException as unexpected:  # noqa: BLE001 - raised again by the consumer
        error = unexpected
    results.put(error)


class _StoppableDestination:
    """Passes everything on to a destination, but refuses to send once `stop` is set."""

    def __init__(self, destination: ReadableDestination, stop: threading.Event) -> None:
        self._destination = destination
        self._stop = stop

    def __getattr__(self, name: str) -> Any:
        if name.startswith("put_") and self._stop.is_set():
            raise _StoppedError
        return getattr(self._destination, name)
