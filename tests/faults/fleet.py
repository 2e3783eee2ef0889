"""Ten thousand machines return after two hours without a server: a discrete-event simulation.

The machines wait as the product does, with its own numbers: tries and their pauses from `client`,
rests from `cooldown`, the pace from `drain`, a worker's life from `worker`. The deployment is
Convex's smallest class: sixteen mutations at a time, and a request that waited five seconds for its
turn is refused.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from opensync_hooks.destinations.opensync import transport
from opensync_hooks.errors import UnreachableError
from opensync_hooks.queue import cooldown, drain, worker
from opensync_hooks.queue.cooldown import Cooldown
from tests.faults.figure import Figure

ACTIVE = 0.25
"""The share of machines whose user is at work."""
TURNS_AN_HOUR = 12.0
OUTAGE_S = 2 * 3600.0
BEFORE_S = 1800.0
AFTER_S = 4 * 3600.0
SLOTS = 16
SERVICE_S = 0.1
QUEUE_S = 5.0
ROUND_TRIP_S = 0.05
LINGER_S = 1.0
MOST_PEAK = 2.0
_BIN_S = 10
_LOGIN = "login"
_FAILURE = UnreachableError("cannot be reached")

Do = Callable[[], None]


@dataclass(slots=True)
class _Machine:
    pending: int = 0
    """Messages that the server has not confirmed."""
    calls: int = 0
    """Requests that the delivery at hand still takes."""
    carried: int = 0
    """Messages that it carries."""
    ends: float = 0.0
    """When its worker has to end; 0 while none runs."""
    rest: Cooldown | None = None


@dataclass(slots=True)
class Simulation:
    machines: int
    dice: random.Random
    grows: bool = True
    """Whether rests grow and differ, as the product's; else every machine asks once a minute."""
    now: float = 0.0
    arrivals: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    written: int = 0
    stored: int = 0
    caught_up: float = 0.0
    """When the last message of the outage was there."""
    _waiting_from_outage: int = 0
    _events: list[tuple[float, int, Do]] = field(default_factory=list)
    _count: int = 0
    _slots: list[float] = field(default_factory=lambda: [0.0] * SLOTS)

    def run(self) -> None:
        active = round(self.machines * ACTIVE)
        for _ in range(active):
            machine = _Machine()
            self._at(self.dice.uniform(0, 3600 / TURNS_AN_HOUR), partial(self._turn, machine))
        while self._events:
            self.now, _, do = heapq.heappop(self._events)
            do()

    def _at(self, seconds: float, do: Do) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, do))

    @property
    def _is_down(self) -> bool:
        return BEFORE_S <= self.now < BEFORE_S + OUTAGE_S

    def _turn(self, machine: _Machine) -> None:
        """Play one turn: two messages, and a hook that starts a worker unless one is running."""
        machine.pending += 2
        self.written += 2
        if self.now < BEFORE_S + OUTAGE_S + AFTER_S:
            self._at(self.dice.expovariate(TURNS_AN_HOUR / 3600), lambda: self._turn(machine))
        if not machine.ends:
            machine.ends = self.now + worker.MAX_SECONDS
            self._work(machine)

    def _work(self, machine: _Machine) -> None:
        now_ms = round(self.now * 1000)
        if machine.rest and machine.rest.is_active(now_ms, _LOGIN) and machine.rest.until:
            wait = (machine.rest.until - now_ms) / 1000
            if self.now + wait < machine.ends:
                self._at(wait, lambda: self._work(machine))
            else:
                machine.ends = 0.0
        elif machine.pending:
            machine.carried = machine.pending
            # the session is posted before and after its messages
            machine.calls = machine.pending + 2
            self._call(machine, 0)
        else:
            self._at(LINGER_S, lambda: self._leave(machine))

    def _leave(self, machine: _Machine) -> None:
        if machine.pending:
            self._work(machine)
        else:
            machine.ends = 0.0

    def _call(self, machine: _Machine, tries: int) -> None:
        self.arrivals[int(self.now / _BIN_S)] += 1
        if self._is_down:
            self._at(ROUND_TRIP_S, lambda: self._failed(machine, tries))
            return
        free = heapq.heappop(self._slots)
        begins = max(self.now, free)
        if begins - self.now > QUEUE_S:
            heapq.heappush(self._slots, free)
            self.refused += 1
            self._at(QUEUE_S, lambda: self._failed(machine, tries))
            return
        done = begins + self.dice.expovariate(1 / SERVICE_S)
        heapq.heappush(self._slots, done)
        self._at(done - self.now + ROUND_TRIP_S, lambda: self._answered(machine))

    def _answered(self, machine: _Machine) -> None:
        machine.calls -= 1
        if machine.calls > 0:
            is_paced = self.grows and machine.rest is not None and machine.rest.is_long
            pause = drain.PACE_SECONDS * self.dice.uniform(0.5, 1.5) if is_paced else 0.0
            self._at(pause, lambda: self._call(machine, 0))
            return
        machine.pending -= machine.carried
        self.stored += machine.carried
        machine.rest = None
        if machine.carried > 8:  # more than a turn or two: a backlog
            self.caught_up = self.now
        self._work(machine)

    def _failed(self, machine: _Machine, tries: int) -> None:
        if tries + 1 < transport.MAX_ATTEMPTS:
            pause = transport.FIRST_RETRY_WAIT_S * 2**tries * self.dice.uniform(0.8, 1.2)
            self._at(pause, lambda: self._call(machine, tries + 1))
            return
        # What was confirmed before the failure stays confirmed: only the rest is sent again.
        done = max(0, machine.carried + 1 - machine.calls)
        machine.pending -= min(done, machine.carried)
        self.stored += min(done, machine.carried)
        machine.rest = self._rest(machine)
        self._work(machine)

    def _rest(self, machine: _Machine) -> Cooldown | None:
        now_ms = round(self.now * 1000)
        if self.grows:
            return cooldown.next_cooldown(
                _FAILURE, machine.rest, now_ms, _LOGIN, self.dice.random()
            )
        return Cooldown("unreachable", "", now_ms, now_ms + 60_000, 1, _LOGIN)

    def after(self) -> list[int]:
        """Return the requests per ten seconds from the server's return until all have caught up."""
        first = int((BEFORE_S + OUTAGE_S) / _BIN_S)
        last = max(first + 1, int(self.caught_up / _BIN_S))
        return [self.arrivals[second] for second in range(first, last)]


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Simulate `rounds` machines, once as they are and once as if all asked every minute."""
    for grows in (True, False):
        simulation = Simulation(rounds, dice, grows=grows)
        simulation.run()
        figure.lost += simulation.written - simulation.stored if grows else 0
        bins = simulation.after()
        mean, peak = sum(bins) / len(bins), max(bins)
        calm = sum(simulation.arrivals[second] for second in range(30, 180)) / 150
        figure.notes.append(
            f"{'as it is' if grows else 'asking every minute'}: peak {peak / _BIN_S:.0f}/s, "
            f"{peak / mean:.1f} x the mean of {mean / _BIN_S:.0f}/s until all had caught up, "
            f"{len(bins) * _BIN_S / 60:.0f} min after; {simulation.refused:,} refused; "
            f"{calm / _BIN_S:.0f}/s on a calm day"
        )
        if grows:
            figure.check(
                simulation.refused == 0, f"a stampede: {simulation.refused:,} requests refused"
            )
            calm_enough = peak / mean < MOST_PEAK or rounds < 10_000  # a few machines are too noisy
            figure.check(calm_enough, f"a stampede: {peak / mean:.1f} times the mean")
    figure.rounds = rounds
    del folder
