"""Responses that are lost after the server has stored the request."""

from __future__ import annotations

import random
from pathlib import Path

from tests.faults.clock import CLOCK
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.plan import Board, Fault, Plan, Request

TURNS = 50
"""Of one session: 100 messages."""
SHARE = 0.4
_MOST_RUNS = 200


class _Lossy(Plan):
    """Lose the given percentage of responses to stored requests."""

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(seed)  # noqa: S311

    def request(self, request: Request) -> Fault | None:
        # Called twice for the same request: the decision must not change in between.
        lost = random.Random(f"{self._dice}{request.number}").random() < SHARE  # noqa: S311
        return Fault("nothing", stored=True) if lost and request.body else None


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Run until `rounds` responses have been lost."""
    board = Board()
    plan = _Lossy(str(dice.random()))
    with CLOCK.running(1, skips=True), deployment(folder, plan, board) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            sessions = 0
            while board["lost answers"] < rounds:
                _session(figure, machine, f"s{sessions}", live=sessions % 4 == 3)
                sessions += 1
        seen = server.record()
    figure.rounds = board["lost answers"]
    most = max(seen.messages.values(), default=0)
    figure.notes.append(f"{sessions} sessions, one message sent up to {most} times")
    figure.check(seen.overlaps == 0, f"{seen.overlaps} times two requests of one session at once")


def _session(figure: Figure, machine: Machine, name: str, *, live: bool) -> None:
    """Run one session. `live`: its times are now, so the server ignores second versions for a
    while.
    """
    began = int(CLOCK.time()) - 2 * TURNS + 3 if live else None
    for turn in range(TURNS):
        machine.turn(name, turn, began=began)
    for _ in range(_MOST_RUNS):
        machine.hook(name)
        machine.work()
        if not machine.waiting():
            break
        CLOCK.skip(3700)
    audit = machine.audit()
    figure.add(audit.lost, audit.doubled, f"{name} {audit.names}")
    figure.check(not machine.waiting(), f"{name}: waiting {machine.waiting()}")
    machine.forget(name)
