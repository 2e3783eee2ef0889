"""Every network fault at three places of a delivery, once, three times and for good.

162 cells. A cell with variants (a reset before, during and after the request) holds for all of
them. Waiting costs nothing: the clock runs twenty times as fast, and sleeping moves it.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from opensync_hooks import worker
from tests.faults import certificates, child
from tests.faults.clock import CLOCK
from tests.faults.deployment import Deployment, deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.network_faults import FAULTS, NetworkFault, made
from tests.faults.plan import Board, Fault, Plan, Request

PLACES = ("first session call", "message", "last session call")
TIMES = {"once": 1, "three times": 3, "for good": 1 << 30}
CELLS = tuple(product(FAULTS, PLACES, TIMES))
SPEED = 20
PATIENT_SPEED = 3
TURNS = 3
SLACK_S = 120
"""What the last request may take beyond a worker's life, on this clock."""
_HOURS = 2 * 3600


@dataclass(frozen=True, slots=True)
class When:
    """From the request `first` on, `count` times; not any more once all is healed."""

    first: int
    count: int
    board: Board

    def strikes(self, number: int) -> bool:
        in_time = self.first <= number < self.first + self.count
        if in_time and not self.board["healed"]:
            self.board["struck"] = 1
            return True
        return False


class _Plan(Plan):
    def __init__(
        self, fault: NetworkFault, variant: str, when: When, tls: Mapping[str, Any], trap: int
    ) -> None:
        self.fault, self.variant, self.when, self.trap = fault, variant, when, trap
        self.keeps_alive = fault.name == "answer twice"
        self.secure = tls if fault.needs_tls else None

    def connection(self, number: int) -> str:
        if not self.when.strikes(number):
            return "good"
        if self.fault.needs_tls:
            return self.variant
        return "reset" if self.variant == "before" else "good"

    def request(self, request: Request) -> Fault | None:
        made_here = self.fault.way == "answer" and self.variant != "before"
        if made_here and self.when.strikes(request.number):
            return made(self.fault.name, self.variant, self.trap)
        return None


@dataclass(slots=True)
class _Cell:
    """One fault, one place, one number of times, one variant of it."""

    fault: NetworkFault
    variant: str
    when: When
    machine: Machine
    figure: Figure
    name: str
    dead_ends: tuple[int, int]

    def run(self) -> None:
        self.machine.hook("s")
        began = CLOCK.monotonic()
        code = self._work()
        took = CLOCK.monotonic() - began
        self._check(self.when.board["struck"], "the fault was never met")
        self._check(code == 0, f"the worker ended with {code}")
        self._check(took < worker.MOST_SECONDS + SLACK_S, f"took {took:.0f} s")
        self._check_class()
        self._heal()
        found = self.machine.audit()
        waiting = self.machine.waiting()
        lost = 0 if waiting else found.lost
        self.figure.add(lost, found.doubled, f"{self.name} {found.names}")
        self._check(not waiting, f"waiting in the end: {waiting}")

    def _check(self, holds: object, what: str) -> None:
        self.figure.check(holds, f"{self.name}: {what}")

    def _check_class(self) -> None:
        waiting, parked = self.machine.waiting(), self._parked()
        meaning = self.fault.meaning
        if meaning == "permanent":
            self._check(parked, "nothing was parked")
            self._check(not waiting, f"is still waiting: {waiting}")
            return
        self._check(not parked, "parked, though it would pass")
        done = self.machine.audit().lost == 0 and not waiting
        if meaning == "passing" and self.when.count == 1:
            self._check(done, f"one passing fault was not outlived: {self._said()}")
        if self.when.count > 3 and self.fault.name not in _HARMLESS:
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

    def _work(self) -> int:
        def run() -> int:
            with _on_the_way(self.fault, self.when, self.dead_ends):
                return worker.main()

        return child.call(run)

    def _heal(self) -> None:
        """All is well again: the next hook two hours later, then what a user would run."""
        self.when.board["healed"] = 1
        CLOCK.skip(_HOURS)
        self.machine.hook("s")
        self._work()
        if self.fault.meaning != "passing":
            self.machine.command("sync")
        if self.fault.meaning == "permanent":
            self.machine.command("sync", "--force", "s")


_HARMLESS = frozenset({"answer twice", "one byte a second"})
"""What may go on for ever and still be lived with."""


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """`rounds` cells, or all of them that many times over."""
    with CLOCK.running(SPEED, skips=True), _dead_ends() as dead_ends, _tls(folder) as tls:
        cells = list(CELLS) * (rounds // len(CELLS)) or dice.sample(CELLS, rounds)
        for number, (fault, place, times) in enumerate(cells):
            if fault.needs_tls and not tls:
                continue
            for variant in fault.variants:
                at = folder / f"{number}{variant}"
                what = (fault, variant, place, times)
                found = _cell(Figure("quickly"), at, what, dead_ends, tls)
                if found.passed:
                    continue
                figure.add(0, found.doubled, f"{fault.name} {variant}/{place}/{times}")
                # On a busy machine an answer may come too late for a clock that runs so fast.
                with CLOCK.running(PATIENT_SPEED, skips=True):
                    figure.take(_cell(Figure(""), at / "again", what, dead_ends, tls))
            figure.rounds += 1
    passed = len({one.split(":")[0].rsplit("/", 1)[0] for one in figure.failures})
    figure.notes.append(f"{figure.rounds - passed} of {figure.rounds} cells")
    if not tls:
        figure.notes.append("no openssl: certificates left out")


def _cell(
    figure: Figure,
    folder: Path,
    what: tuple[NetworkFault, str, str, str],
    dead_ends: tuple[int, int],
    tls: Mapping[str, Any],
) -> Figure:
    fault, variant, place, times = what
    board = Board()
    first = _baseline(folder, place)
    when = When(first, TIMES[times], board)
    plan = _Plan(fault, variant, when, tls, dead_ends[0])
    with deployment(folder, plan, board) as server:
        machine = _machine(folder, server)
        name = f"{fault.name} {variant}/{place}/{times}"
        with machine.used():
            _Cell(fault, variant, when, machine, figure, name, dead_ends).run()
    return figure


def _machine(folder: Path, server: Deployment) -> Machine:
    machine = Machine(folder / "machine", server)
    for turn in range(TURNS):
        machine.turn("s", turn)
    return machine


_known: list[str] = []


def _baseline(folder: Path, place: str) -> int:
    """The number of the request at that place, in a delivery that nothing happens to."""
    if not _known:
        plan = Plan()
        plan.keeps_alive = False
        with deployment(folder / "baseline", plan) as server:
            machine = _machine(folder / "baseline", server)
            with machine.used():
                machine.hook("s")
                machine.work()
                _known.extend(server.record().paths)
    sessions = [at for at, path in enumerate(_known) if path == "/sync/session"]
    messages = [at for at, path in enumerate(_known) if path == "/sync/message"]
    return {PLACES[0]: sessions[0], PLACES[1]: messages[2], PLACES[2]: sessions[-1]}[place]


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


@contextmanager
def _dead_ends() -> Iterator[tuple[int, int]]:
    """A port where nobody may arrive, and one where nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        with socket.socket() as hole:
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            fillers = [_filler(hole.getsockname()) for _ in range(4)]
            yield trap.getsockname()[1], hole.getsockname()[1]
            for one in fillers:
                one.close()
        try:
            trap.accept()
        except BlockingIOError:
            return
        raise AssertionError("a redirect was followed")


def _filler(address: tuple[str, int]) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(address)
    return one


@contextmanager
def _on_the_way(fault: NetworkFault, when: When, dead_ends: tuple[int, int]) -> Iterator[None]:
    """Faults that no server can make: only what the client's own machine does shows them."""
    look_up, connect = socket.getaddrinfo, socket.socket.connect
    board = when.board

    def getaddrinfo(*given: Any, **named: Any) -> Any:
        if fault.name == "name unknown" and when.strikes(board["connects"]):
            board.count("connects")
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(*given, **named)

    def connecting(one: socket.socket, address: Any) -> None:
        number = board.count("connects")
        if fault.name == "refused" and when.strikes(number):
            raise ConnectionRefusedError(111, "Connection refused")
        if fault.name == "connect timeout" and when.strikes(number):
            address = ("127.0.0.1", dead_ends[1])
        connect(one, address)

    patched: Any = socket.socket
    socket.getaddrinfo, patched.connect = getaddrinfo, connecting
    try:
        yield
    finally:
        socket.getaddrinfo, patched.connect = look_up, connect
