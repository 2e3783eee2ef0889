"""Hook and worker are ended at step k, for every k: before each write, fsync, rename, unlink, lock,
request and response, with new and growing sessions of each agent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from opensync_hooks.queue import worker
from opensync_hooks.queue.recovery import TORN_SECONDS, UNFINISHED_SECONDS
from tests.faults import agents, syscalls
from tests.faults.clock import CLOCK
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.syscalls import KILL, Trace

TURNS = (2, 1)
"""Of a new session, and then of the same one again."""


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Run all steps for 0 `rounds`, else about that many, chosen at random."""
    if not syscalls.can_trace():
        figure.notes.append("left out: needs Linux on x86-64 that allows ptrace")
        return
    most = -(-rounds // (4 * len(agents.NAMES)))
    with CLOCK.running(1, skips=True), deployment(folder) as server:
        for machine in (Machine(folder / "wire", server), Machine(folder / "embedded")):
            with machine.used():
                for machine.agent in agents.NAMES:
                    for who in ("hook", "worker"):
                        _every(figure, machine, who, most, dice)


Kill = Callable[[Machine, str, int], Trace]


def _every(figure: Figure, machine: Machine, who: str, most: int, dice: random.Random) -> None:
    """Run to the end once to learn the steps, then end at each of them."""
    kill = _hook if who == "hook" else _worker
    name = f"{machine.folder.name} {machine.agent} {who}"
    session = f"ses_{name.replace(' ', '-')}"
    counts = [trace.steps for trace in _round(figure, machine, kill, f"{session}-whole", -1)]
    numbers = list(range(max(map(len, counts))))
    chosen = sorted(dice.sample(numbers, most)) if 0 < most < len(numbers) else numbers
    before = figure.rounds
    for k in chosen:
        for steps, trace in zip(
            counts, _round(figure, machine, kill, f"{session}-{k}", k), strict=True
        ):
            was = "not ended" if k < len(steps) else "ended"
            figure.check((trace.code == -9) == (k < len(steps)), f"{name} was {was} at step {k}")
            figure.rounds += trace.code == -9
    figure.notes.append(f"{name}: {figure.rounds - before} of {sum(map(len, counts))} steps")


def _round(figure: Figure, machine: Machine, kill: Kill, session: str, k: int) -> list[Trace]:
    traces = []
    for turns in TURNS:
        for _ in range(turns):
            machine.turn(session, len(machine.turns.get(session, ())))
        owned = machine.possessions()
        traces.append(kill(machine, session, k))
        machine.work()
        audit = machine.audit()
        figure.add(audit.lost, audit.doubled, f"{session} {audit.names}")
        figure.check(not machine.waiting(), f"{session}: waiting {machine.waiting()}")
        figure.check(not machine.unreadable(), f"{session}: unreadable {machine.unreadable()}")
        figure.check(machine.possessions() == owned, f"{session}: the agent's files were changed")
    CLOCK.skip(UNFINISHED_SECONDS + 1)
    machine.work()
    left = [path.name for path in machine.residue()]
    figure.check(not left, f"{session}: left lying about: {left[:3]}")
    machine.forget(session)
    machine.clear()
    return traces


def _at(k: int) -> syscalls.Deed:
    return lambda number, _name: KILL if number == k else None


def _hook(machine: Machine, session: str, k: int) -> Trace:
    """Kill the hook. If it has not written anything, the next hook must deliver everything.

    From its write on, no other hook is needed: the event is recovered.
    """
    run, payload = machine.hook_run(session), machine.payload(session)
    trace = syscalls.traced(run, _at(k), stdin=payload)
    if "write" not in trace.steps[:-1]:
        machine.hook(session)
    CLOCK.skip(TORN_SECONDS + 1)
    return trace


def _worker(machine: Machine, session: str, k: int) -> Trace:
    """Kill the worker: the next one must deliver everything, without another hook of that
    session.
    """
    machine.hook(session)
    return syscalls.traced(worker.main, _at(k))
