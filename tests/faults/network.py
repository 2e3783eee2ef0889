"""Every network fault at three positions in a delivery, once, three times and for good.

These are 162 cells. A cell covers all variants of its fault, such as a reset before, during and
after the request. The agent, the length of the session and the message that is hit vary from cell
to cell. Waiting costs nothing: sleeping moves the clock, and so does a slow server.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from opensync_hooks.queue import worker
from tests.faults import agents, certificates
from tests.faults.clock import CLOCK
from tests.faults.deployment import Deployment, deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.network_faults import FAULTS, NetworkFault, armed
from tests.faults.plan import Board, Fault, Plan, Request
from tests.faults.way import When, dead_ends, on_the_way

PLACES = ("first session call", "message", "last session call")
TIMES = {"once": 1, "three times": 3, "for good": 1 << 30}
CELLS = tuple(product(FAULTS, PLACES, TIMES))
SESSION = "ses_1"
SLACK_S = 120
"""What the last request may take beyond a worker's life, on this clock."""
_HOURS = 2 * 3600


@dataclass(frozen=True, slots=True)
class Variety:
    """What varies from cell to cell besides the fault."""

    agent: str = agents.ClaudeCode.agent
    turns: int = 3
    message: int = 2
    """Which one the fault hits, where it hits a message."""
    letters: int = 0
    """How much longer each text is."""
    thinks: float = 0.0
    """Seconds that the server takes for each answer."""
    later: int = 2
    """Seconds that it asks to wait, where it does."""
    grows: bool = False
    """Whether the session goes on before all is well again."""

    @classmethod
    def by_chance(cls, dice: random.Random) -> Variety:
        turns = dice.randint(1, 6)
        return cls(
            agent=dice.choice(agents.KINDS),
            turns=turns,
            message=dice.randrange(2 * turns),
            letters=dice.choice((0, 0, 3_000, 60_000)),
            thinks=dice.choice((0.0, 0.0, 0.4, 4.0)),
            later=dice.choice((1, 2, 30)),
            grows=dice.random() < 0.5,
        )


class _Plan(Plan):
    def __init__(self, trial: _Trial, when: When, tls: Mapping[str, Any], trap: int) -> None:
        self.trial, self.when, self.trap = trial, when, trap
        self.keeps_alive = trial.fault.name == "answer twice"
        self.secure = tls if trial.fault.needs_tls else None

    def connection(self, number: int) -> str:
        if not self.when.strikes(number):
            return "good"
        if self.trial.fault.needs_tls:
            return self.trial.variant
        return "reset" if self.trial.variant == "before" else "good"

    def request(self, request: Request) -> Fault | None:
        if request.body:
            CLOCK.skip(self.trial.variety.thinks)
        fault, variant = self.trial.fault, self.trial.variant
        made_here = fault.way == "answer" and variant != "before"
        if made_here and self.when.strikes(request.number):
            return armed(fault.name, variant, self.trap, self.trial.variety.later)
        return None


@dataclass(frozen=True, slots=True)
class _Trial:
    """One variant of one fault, at one position, a number of times."""

    fault: NetworkFault
    variant: str
    position: str
    times: str
    variety: Variety

    def __str__(self) -> str:
        return f"{self.fault.name} {self.variant}/{self.position}/{self.times} {self.variety}"


@dataclass(slots=True)
class _Cell:
    trial: _Trial
    when: When
    machine: Machine
    figure: Figure

    def run(self) -> None:
        owned = self.machine.possessions()
        self.machine.hook(SESSION)
        began = CLOCK.monotonic()
        code = self.machine.work()
        took = CLOCK.monotonic() - began
        self._check(self.when.board["struck"], "the fault was never met")
        self._check(code == 0, f"the worker ended with {code}")
        self._check(took < worker.MAX_SECONDS + SLACK_S, f"took {took:.0f} s")
        self._check_class()
        self._check(self.machine.possessions() == owned, "the agent's files were changed")
        if self.trial.variety.grows:
            self.machine.turn(SESSION, self.trial.variety.turns)
        self._heal()
        audit = self.machine.audit()
        waiting = self.machine.waiting()
        lost = 0 if waiting else audit.lost
        self.figure.add(lost, audit.doubled, f"{self.trial} {audit.names}")
        self._check(not waiting, f"waiting in the end: {waiting}")

    def _check(self, holds: object, expectation: str) -> None:
        self.figure.check(holds, f"{self.trial}: {expectation}")

    def _check_class(self) -> None:
        waiting, parked = self.machine.waiting(), self._parked()
        fault, meaning = self.trial.fault, self.trial.fault.meaning
        if meaning == "permanent":
            self._check(parked, "nothing was parked")
            self._check(not waiting, f"is still waiting: {waiting}")
            return
        self._check(not parked, "parked, though it would pass")
        done = self.machine.audit().lost == 0 and not waiting
        if meaning == "passing" and self.when.count == 1:
            self._check(done, f"one passing fault was not outlived: {self._status_report()}")
        if self.when.count > 3 and fault.name not in _HARMLESS:
            self._check(waiting, "nothing waits, though nothing can arrive")
        if meaning == "stop":
            self._check(waiting, "went on after an answer that should stop the queue")
        if waiting:
            self._check("Last error" in self._status_report(), "status says nothing of it")

    def _parked(self) -> int:
        report = self._status_report()
        return len(self.machine.parked()) + ("Quarantined" in report)

    def _status_report(self) -> str:
        return self.machine.command("status")[1]

    def _heal(self) -> None:
        """Heal everything; fire the next hook two hours later, then run what a user would run."""
        self.when.board["healed"] = 1
        CLOCK.skip(_HOURS)
        self.machine.hook(SESSION)
        self.machine.work()
        if self.trial.fault.meaning != "passing":
            self.machine.command("sync")
        if self.trial.fault.meaning == "permanent":
            self.machine.command("sync", "--force", SESSION)
        self.machine.work()  # `sync` tries once, and leaves to it a turn that is not written yet


_HARMLESS = frozenset({"answer twice", "one byte a second"})
"""What may go on for ever and still be lived with."""


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Run `rounds` cells: all of them as often as possible, then a random sample."""
    passed = 0
    with CLOCK.running(1, skips=True), dead_ends() as ends, _tls(folder) as tls:
        repeats, rest = divmod(rounds, len(CELLS))
        for number, (fault, position, times) in enumerate(
            [*CELLS * repeats, *dice.sample(CELLS, rest)]
        ):
            if fault.needs_tls and not tls:
                continue
            variety = Variety.by_chance(dice)
            cell = Figure("cell")
            for variant in fault.variants:
                trial = _Trial(fault, variant, position, times, variety)
                _cell(cell, folder / f"{number}{variant}", trial, ends, tls)
            figure.take(cell)
            figure.rounds += 1
            passed += cell.passed
    figure.notes.append(f"{passed} of {figure.rounds} cells")
    if not tls:
        figure.notes.append("no openssl: certificates left out")


def _cell(
    figure: Figure,
    folder: Path,
    trial: _Trial,
    ends: tuple[int, int],
    tls: Mapping[str, Any],
) -> None:
    board = Board()
    when = When(_request_number(folder, trial), TIMES[trial.times], board)
    with deployment(folder, _Plan(trial, when, tls, ends[0]), board) as server:
        machine = _machine(folder, server, trial.variety)
        with machine.used(), on_the_way(trial.fault, when, ends[1]):
            _Cell(trial, when, machine, figure).run()


def _machine(folder: Path, server: Deployment, variety: Variety) -> Machine:
    machine = Machine(folder / "machine", server, variety.agent, "." * variety.letters)
    for turn in range(variety.turns):
        machine.turn(SESSION, turn)
    return machine


_request_paths: dict[tuple[str, int], tuple[str, ...]] = {}


def _request_number(folder: Path, trial: _Trial) -> int:
    """Return the number of the request at that position in an undisturbed delivery."""
    variety = trial.variety
    key = variety.agent, variety.turns
    if key not in _request_paths:
        plan = Plan()
        plan.keeps_alive = False
        with deployment(folder / "baseline", plan) as server:
            machine = _machine(folder / "baseline", server, variety)
            with machine.used():
                machine.hook(SESSION)
                machine.work()
                _request_paths[key] = server.record().paths
    paths = list(enumerate(_request_paths[key]))
    sessions = [at for at, path in paths if path == "/sync/session"]
    messages = [at for at, path in paths if path == "/sync/message"]
    message = messages[variety.message]
    return {PLACES[0]: sessions[0], PLACES[1]: message, PLACES[2]: sessions[-1]}[trial.position]


@contextmanager
def _tls(folder: Path) -> Iterator[Mapping[str, Any]]:
    if not certificates.can_be_made():
        yield {}
        return
    authority, contexts = certificates.make(folder)
    os.environ["REQUESTS_CA_BUNDLE"] = str(authority)
    try:
        yield contexts
    finally:
        del os.environ["REQUESTS_CA_BUNDLE"]
