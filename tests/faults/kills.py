"""kill -9 at random moments of hook and worker, restart, drain."""

from __future__ import annotations

import random
from pathlib import Path

from opensync_hooks import worker
from opensync_hooks.queue.leftovers import SCRAP_SECONDS
from tests.faults import child
from tests.faults.clock import CLOCK, stopwatch
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine

TURNS = 12
"""How long a session grows, killed once or twice a turn, before it is looked at."""
_LONGEST_S = 2.0


class _Pace:
    """About how long a process takes, learned from those that were let live."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def learn(self, seconds: float) -> None:
        self.seconds = min(_LONGEST_S, 0.8 * self.seconds + 0.2 * seconds)

    def moment(self, dice: random.Random) -> float:
        return dice.uniform(0, 1.1 * self.seconds)


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    with CLOCK.running(1, skips=True), deployment(folder) as server:
        wire = Machine(folder / "wire", server)
        embedded = Machine(folder / "embedded")
        _kills(figure, wire, rounds - rounds // 4, dice)
        _kills(figure, embedded, rounds // 4, dice)


def _kills(figure: Figure, machine: Machine, kills: int, dice: random.Random) -> None:
    hook, work = _Pace(0.004), _Pace(0.06)
    done = sessions = 0
    with machine.used():
        while done < kills:
            session = f"s{sessions}"
            sessions += 1
            for turn in range(TURNS):
                machine.turn(session, turn)
                of_hook = dice.random() < 0.3
                if of_hook:
                    pid = child.fork(machine.hook_run(), stdin=machine.payload(session))
                    done += child.killed_after(pid, hook.moment(dice))
                else:
                    _timed(hook, lambda session=session: machine.hook(session))
                done += child.killed_after(child.fork(worker.main), work.moment(dice))
            _timed(hook, lambda session=session: machine.hook(session))
            _timed(work, machine.work)
            _look(figure, machine, session)
        CLOCK.skip(2 * SCRAP_SECONDS)
        machine.hook("nobody")
        machine.work()
    figure.rounds += done
    left = [path.name for path in machine.residue()]
    figure.check(not left, f"left lying about: {left[:3]}")
    figure.notes.append(f"{machine.folder.name}: {done:,} killed")


def _timed(pace: _Pace, run: object) -> None:
    began = stopwatch()
    run()  # type: ignore[operator]
    pace.learn(stopwatch() - began)


def _look(figure: Figure, machine: Machine, session: str) -> None:
    found = machine.audit()
    figure.add(found.lost, found.doubled, f"{machine.folder.name} {session} {found.names}")
    figure.check(not machine.waiting(), f"{session}: still waiting {machine.waiting()}")
    figure.check(not machine.unreadable(), f"{session}: unreadable {machine.unreadable()}")
    machine.forget(session)
