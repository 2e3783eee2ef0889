"""The process ends at step k of hook and worker, for every k: before each write, fsync, rename,
unlink, lock, request and answer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from opensync_hooks import worker
from opensync_hooks.queue.leftovers import TORN_SECONDS
from tests.faults import syscalls
from tests.faults.clock import CLOCK
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.syscalls import KILL, Trace

TURNS = 2


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """`rounds` 0: all of them; else so many, chosen at random."""
    if not syscalls.can_trace():
        figure.notes.append("left out: needs Linux on x86-64 that allows ptrace")
        return
    with CLOCK.running(1, skips=True), deployment(folder) as server:
        for machine in (Machine(folder / "wire", server), Machine(folder / "embedded")):
            with machine.used():
                for who in ("hook", "worker"):
                    _every(figure, machine, who, rounds // 4, dice)


Kill = Callable[[Machine, str, int], Trace]


def _every(figure: Figure, machine: Machine, who: str, most: int, dice: random.Random) -> None:
    """First run to the end to know the steps there are, then end at each of them."""
    kill = _hook if who == "hook" else _worker
    name = f"{machine.folder.name} {who}"
    known = _round(figure, machine, kill, f"{name.replace(' ', '-')}-whole", -1).steps
    numbers = list(range(len(known)))
    chosen = sorted(dice.sample(numbers, most)) if 0 < most < len(numbers) else numbers
    for k in chosen:
        trace = _round(figure, machine, kill, f"{name.replace(' ', '-')}-{k}", k)
        figure.check(trace.code == -9, f"{name} was not ended at step {k}: {trace.code}")
        figure.rounds += 1
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(known).most_common(4))
    figure.notes.append(f"{name}: {len(chosen)} of {len(known)} steps ({kinds})")


def _round(figure: Figure, machine: Machine, kill: Kill, session: str, k: int) -> Trace:
    for turn in range(TURNS):
        machine.turn(session, turn)
    trace = kill(machine, session, k)
    machine.work()
    found = machine.audit()
    figure.add(found.lost, found.doubled, f"{session} {found.names}")
    figure.check(not machine.waiting(), f"{session}: waiting {machine.waiting()}")
    figure.check(not machine.unreadable(), f"{session}: unreadable {machine.unreadable()}")
    machine.forget(session)
    machine.clear()
    return trace


def _at(k: int) -> syscalls.Deed:
    return lambda number, _name: KILL if number == k else None


def _hook(machine: Machine, session: str, k: int) -> Trace:
    """A hook that was killed before it wrote anything has left nothing: the next one brings all.

    From its write on no other hook is needed: what it wrote is taken up.
    """
    trace = syscalls.traced(machine.hook_run(), _at(k), stdin=machine.payload(session))
    if "write" not in trace.steps[:-1]:
        machine.hook(session)
    CLOCK.skip(TORN_SECONDS + 1)
    return trace


def _worker(machine: Machine, session: str, k: int) -> Trace:
    """After a killed worker the next one brings all, without another hook of that session."""
    machine.hook(session)
    return syscalls.traced(worker.main, _at(k))
