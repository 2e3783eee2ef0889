"""Hooks that arrive while the worker leaves: a hook that still saw it starts no other one.

One process plays all hooks, another all workers. A hook that finds no worker signals for one
instead of spawning it; everything else is the real code of hook and worker.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from opensync_hooks.hook import entry
from opensync_hooks.queue import worker
from tests.faults import child
from tests.faults.clock import pause, stopwatch
from tests.faults.figure import Figure
from tests.faults.machine import AGENT, Machine, end_all

_LONGEST_S = 20.0
_MOST_LOST = 3
_STOPPED_SHARE = 0.1
_STOPPED_S = (0.002, 0.01, 0.15)
"""How long a hook shares the lock that is stopped, or slow; the last is longer than one attempt."""


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    machine = Machine(folder / "machine")
    with machine.used():
        machine.hook("nobody")  # creates the folders
        machine.work()
        bell, rope = os.pipe()
        pid = child.fork(lambda: _workers(bell, rope))
        os.close(bell)
        try:
            _hooks(figure, machine, rope, rounds, dice)
        finally:
            os.close(rope)
            end_all([pid])


def _workers(bell: int, rope: int) -> int:
    os.close(rope)
    vars(worker)[
        "Worker"
    ]._work = _drop  # deliveries would be all that it does; this is about who does them
    while os.read(bell, 1):
        worker.main()
    return 0


def _drop(running: worker.Worker) -> Iterator[None]:
    running.spool.ingest()
    for job in running.spool.jobs():
        running.spool.done(job)
    yield from ()


def _hooks(figure: Figure, machine: Machine, rope: int, rounds: int, dice: random.Random) -> None:
    spool = str(machine.spool)
    met_one = stopped = 0
    for number in range(rounds):
        entry.write_event(spool, AGENT, (), machine.payload(f"nobody{number % 7}"))
        is_free = entry.is_worker_needed(spool + "/worker.lock")
        if is_free and dice.random() < _STOPPED_SHARE:
            os.write(rope, b"!")  # by another hook; this one is stopped before it starts a worker
            pause(dice.choice(_STOPPED_S))
            stopped += 1
            _close_lock(spool)
        else:
            _close_lock(spool)
            if is_free:
                os.write(rope, b"!")
            met_one += not is_free
        figure.rounds += 1
        if not _is_ingested(machine):
            figure.lost += 1
            figure.fail(f"event {number} waits, and no worker comes")
            if figure.lost >= _MOST_LOST:
                return
            os.write(rope, b"!")
            continue
        if dice.random() < 0.9:  # most arrive as the worker leaves, some while there is none
            _spin(dice.uniform(0, 0.001))
    figure.notes.append(f"{met_one:,} met a worker that was leaving or at work")
    figure.notes.append(f"{stopped:,} kept a worker waiting at the lock")


def _close_lock(spool: str) -> None:
    """Release the probe's lock, as the end of a hook's process does."""
    lock = f"{spool}/worker.lock"
    for fd in range(3, 64):
        with suppress(OSError):
            if str(Path(f"/proc/self/fd/{fd}").readlink()) == lock:
                os.close(fd)


def _is_ingested(machine: Machine) -> bool:
    """Return whether the event was ingested."""
    end = stopwatch() + _LONGEST_S
    while stopwatch() < end:
        if not any(name.endswith(".event") for name in os.listdir(machine.spool)):  # noqa: PTH208
            return True
        pause(0.0001)
    return False


def _spin(seconds: float) -> None:
    end = stopwatch() + seconds
    while stopwatch() < end:
        pass
