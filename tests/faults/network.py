"""Every network fault at three places of a delivery, once, three times and for good.

162 cells. A cell with variants (a reset before, during and after the request) holds for all of
them; whose session it is, how long, and which message is hit, differs from cell to cell. Waiting
costs nothing: who sleeps moves the clock, and so does a server that hangs or is slow.
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
from tests.faults.network_faults import FAULTS, NetworkFault, made
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
    """What differs from cell to cell: no fault, but where and when it may matter."""

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
    def __init__(self, what: _What, when: When, tls: Mapping[str, Any], trap: int) -> None:
        self.what, self.when, self.trap = what, when, trap
        self.keeps_alive = what.fault.name == "answer twice"
        self.secure = tls if what.fault.needs_tls else None

    def connection(self, number: int) -> str:
        if not self.when.strikes(number):
            return "good"
        if self.what.fault.needs_tls:
            return self.what.variant
        return "reset" if self.what.variant == "before" else "good"

    def request(self, request: Request) -> Fault | None:
        if request.body:
            CLOCK.skip(self.what.variety.thinks)
        fault, variant = self.what.fault, self.what.variant
        made_here = fault.way == "answer" and variant != "before"
        if made_here and self.when.strikes(request.number):
            return made(fault.name, variant, self.trap, self.what.variety.later)
        return None


@dataclass(frozen=True, slots=True)
class _What:
    """One fault, one variant of it, one place, one number of times."""

    fault: NetworkFault
    variant: str
    place: str
    times: str
    variety: Variety

    def __str__(self) -> str:
        return f"{self.fault.name} {self.variant}/{self.place}/{self.times} {self.variety}"


@dataclass(slots=True)
class _Cell:
    what: _What
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
        self._check(took < worker.MOST_SECONDS + SLACK_S, f"took {took:.0f} s")
        self._check_class()
        self._check(self.machine.possessions() == owned, "the agent's files were changed")
        if self.what.variety.grows:
            self.machine.turn(SESSION, self.what.variety.turns)
        self._heal()
        found = self.machine.audit()
        waiting = self.machine.waiting()
        lost = 0 if waiting else found.lost
        self.figure.add(lost, found.doubled, f"{self.what} {found.names}")
        self._check(not waiting, f"waiting in the end: {waiting}")

    def _check(self, holds: object, what: str) -> None:
        self.figure.check(holds, f"{self.what}: {what}")

    def _check_class(self) -> None:
        waiting, parked = self.machine.waiting(), self._parked()
        fault, meaning = self.what.fault, self.what.fault.meaning
        if meaning == "permanent":
            self._check(parked, "nothing was parked")
            self._check(not waiting, f"is still waiting: {waiting}")
            return
        self._check(not parked, "parked, though it would pass")
        done = self.machine.audit().lost == 0 and not waiting
        if meaning == "passing" and self.when.count == 1:
            self._check(done, f"one passing fault was not outlived: {self._said()}")
        if self.when.count > 3 and fault.name not in _HARMLESS:
            self._check(waiting, "nothing waits, though nothing can arrive")
        if meaning == "stop":
            self._check(waiting, "went on after an answer that should stop the queue")
        if waiting:
            self._check("Last error" in self._said(), "status says nothing of it")

    def _parked(self) -> int:
        said = self._said()
        return len(self.machine.parked()) + ("Set aside" in said)

    def _said(self) -> str:
        return self.machine.command("status")[1]

    def _heal(self) -> None:
        """All is well again: the next hook two hours later, then what a user would run."""
        self.when.board["healed"] = 1
        CLOCK.skip(_HOURS)
        self.machine.hook(SESSION)
        self.machine.work()
        if self.what.fault.meaning != "passing":
            self.machine.command("sync")
        if self.what.fault.meaning == "permanent":
            self.machine.command("sync", "--force", SESSION)


_HARMLESS = frozenset({"answer twice", "one byte a second"})
"""What may go on for ever and still be lived with."""


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """`rounds` cells: all of them so many times over, and of the rest some."""
    passed = 0
    with CLOCK.running(1, skips=True), dead_ends() as ends, _tls(folder) as tls:
        whole, rest = divmod(rounds, len(CELLS))
        for number, (fault, place, times) in enumerate([*CELLS * whole, *dice.sample(CELLS, rest)]):
            if fault.needs_tls and not tls:
                continue
            variety = Variety.by_chance(dice)
            found = Figure("cell")
            for variant in fault.variants:
                what = _What(fault, variant, place, times, variety)
                _cell(found, folder / f"{number}{variant}", what, ends, tls)
            figure.take(found)
            figure.rounds += 1
            passed += found.passed
    figure.notes.append(f"{passed} of {figure.rounds} cells")
    if not tls:
        figure.notes.append("no openssl: certificates left out")


def _cell(
    figure: Figure,
    folder: Path,
    what: _What,
    ends: tuple[int, int],
    tls: Mapping[str, Any],
) -> None:
    board = Board()
    when = When(_place(folder, what), TIMES[what.times], board)
    with deployment(folder, _Plan(what, when, tls, ends[0]), board) as server:
        machine = _machine(folder, server, what.variety)
        with machine.used(), on_the_way(what.fault, when, ends[1]):
            _Cell(what, when, machine, figure).run()


def _machine(folder: Path, server: Deployment, variety: Variety) -> Machine:
    machine = Machine(folder / "machine", server, variety.agent, "." * variety.letters)
    for turn in range(variety.turns):
        machine.turn(SESSION, turn)
    return machine


_known: dict[tuple[str, int], tuple[str, ...]] = {}


def _place(folder: Path, what: _What) -> int:
    """The number of the request at that place, in a delivery that nothing happens to."""
    variety = what.variety
    key = variety.agent, variety.turns
    if key not in _known:
        plan = Plan()
        plan.keeps_alive = False
        with deployment(folder / "baseline", plan) as server:
            machine = _machine(folder / "baseline", server, variety)
            with machine.used():
                machine.hook(SESSION)
                machine.work()
                _known[key] = server.record().paths
    paths = list(enumerate(_known[key]))
    sessions = [at for at, path in paths if path == "/sync/session"]
    messages = [at for at, path in paths if path == "/sync/message"]
    message = messages[variety.message]
    return {PLACES[0]: sessions[0], PLACES[1]: message, PLACES[2]: sessions[-1]}[what.place]


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
