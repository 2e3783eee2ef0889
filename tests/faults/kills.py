"""kill -9 at random moments of hook and worker, then a restart. The agent of each session is
random, and its session grows meanwhile.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from opensync_hooks.queue import worker
from opensync_hooks.queue.recovery import UNFINISHED_SECONDS
from tests.faults import agents, child
from tests.faults.clock import CLOCK, stopwatch
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine

TURNS = 12
"""How long a session grows, killed once or twice a turn."""
_LONGEST_S = 2.0


@dataclass(slots=True)
class _Pace:
    """How long a process takes, learned from those that were not killed."""

    seconds: float

    def learn(self, seconds: float) -> None:
        self.seconds = min(_LONGEST_S, 0.8 * self.seconds + 0.2 * seconds)

    def moment(self, dice: random.Random) -> float:
        return dice.uniform(0, 1.1 * self.seconds)


@dataclass(slots=True)
class _Paces:
    """The paces of one agent's hook and of the worker that delivers its sessions."""

    hook: _Pace = field(default_factory=lambda: _Pace(0.004))
    work: _Pace = field(default_factory=lambda: _Pace(0.06))


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    with CLOCK.running(1, skips=True), deployment(folder) as server:
        wire = Machine(folder / "wire", server)
        embedded = Machine(folder / "embedded")
        _kills(figure, wire, rounds - rounds // 4, dice, list(agents.NAMES))
        _kills(figure, embedded, rounds // 4, dice, list(agents.NAMES[::-1]))


def _kills(
    figure: Figure, machine: Machine, kills: int, dice: random.Random, first: list[str]
) -> None:
    """Begin with each agent once, so that a short run covers all; then choose at random."""
    paces = {name: _Paces() for name in agents.KINDS}
    killed: Counter[str] = Counter()
    sessions = 0
    with machine.used():
        while killed.total() < kills:
            machine.agent = first.pop(0) if first else dice.choice(agents.KINDS)
            killed[machine.agent] += _session(
                figure, machine, f"ses_{sessions}", paces[machine.agent], dice
            )
            sessions += 1
        CLOCK.skip(2 * UNFINISHED_SECONDS)
        machine.hook("nobody")
        machine.work()
    figure.rounds += killed.total()
    left = [path.name for path in machine.residue()]
    figure.check(not left, f"left lying about: {left[:3]}")
    tally = ", ".join(f"{count:,} {name}" for name, count in killed.items())
    figure.notes.append(f"{machine.folder.name}: {killed.total():,} killed ({tally})")


def _session(
    figure: Figure, machine: Machine, session: str, pace: _Paces, dice: random.Random
) -> int:
    """Kill hooks and workers while one session grows; return how many were killed."""
    killed = 0
    for turn in range(TURNS):
        machine.turn(session, turn)
        owned = machine.possessions()
        is_last = turn == TURNS - 1
        is_heard = is_last or dice.random() < 0.7
        if is_heard:
            _timed(pace.hook, lambda: machine.hook(session))
        else:
            pid = child.fork(machine.hook_run(session), stdin=machine.payload(session))
            killed += child.killed_after(pid, pace.hook.moment(dice))
        killed += child.killed_after(child.fork(worker.main), pace.work.moment(dice))
        if is_last or (is_heard and dice.random() < 0.2):  # everything arrives without another hook
            _timed(pace.work, machine.work)
            _look(figure, machine, session)
        figure.check(machine.possessions() == owned, f"{session}: the agent's files were changed")
    machine.forget(session)
    return killed


def _timed(pace: _Pace, run: object) -> None:
    began = stopwatch()
    run()  # type: ignore[operator]
    pace.learn(stopwatch() - began)


def _look(figure: Figure, machine: Machine, session: str) -> None:
    audit = machine.audit()
    figure.add(audit.lost, audit.doubled, f"{machine.folder.name} {session} {audit.names}")
    figure.check(not machine.waiting(), f"{session}: still waiting {machine.waiting()}")
    figure.check(not machine.unreadable(), f"{session}: unreadable {machine.unreadable()}")
