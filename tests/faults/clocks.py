"""Clocks that jump or are wrong by ninety seconds, an hour or ten years."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

from tests.faults.clock import CLOCK
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.plan import Board, Fault, Plan, Request
from tests.transcripts import TranscriptWriter, text

HOUR, YEARS = 3_600.0, 10 * 365.25 * 86_400
JUMPS = (-YEARS, -HOUR, -90.0, 90.0, HOUR, YEARS)
_TWO_HOURS = 7_200


class _Down(Plan):
    """A server that fails until the trial heals it."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def request(self, _request: Request) -> Fault | None:
        return None if self.board["healed"] else Fault("nothing")


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Run `rounds` cases: three for every jump, repeatedly."""
    cells = list(product((_wrong_all_the_time, _jumps_while_waiting, _update_in_the_window), JUMPS))
    with CLOCK.running(1, skips=True):
        for number in range(rounds):
            if number % len(cells) == 0:
                dice.shuffle(cells)
            case, jump = cells[number % len(cells)]
            before = CLOCK.error
            case(figure, folder / str(number), jump)
            CLOCK.error = before
            figure.rounds += 1


def _wrong_all_the_time(figure: Figure, folder: Path, jump: float) -> None:
    """Run the machine and its agent with a wall clock that differs from the server's."""
    with deployment(folder) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            CLOCK.error = jump
            for turn in range(4):
                machine.turn("s", turn, began=int(CLOCK.time()))
                machine.hook("s")
                machine.work()
            _settle(figure, machine, f"wrong by {jump:,.0f} s")


def _jumps_while_waiting(figure: Figure, folder: Path, jump: float) -> None:
    """Set the clock while a job waits for a retry; two hours later it must be delivered."""
    board = Board()
    with deployment(folder, _Down(board), board) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            for turn in range(2):
                machine.turn("s", turn)
                machine.hook("s")
                machine.work()
            CLOCK.error = jump
            board["healed"] = 1
            CLOCK.skip(_TWO_HOURS)
            machine.hook("somebody else's")
            machine.work()
            _settle(figure, machine, f"set by {jump:,.0f} s while waiting")


def _update_in_the_window(figure: Figure, folder: Path, jump: float) -> None:
    """Send a second version within the five seconds in which the server acknowledges and
    ignores it.
    """
    with deployment(folder) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            CLOCK.error = jump
            machine.turn("s", 0, began=int(CLOCK.time()) - 1)
            writer = machine.authors["s"]
            assert isinstance(writer, TranscriptWriter)
            writer.respond("growing", text("half"))
            machine.hook("s")
            machine.work()
            writer.respond("growing", text("whole"))
            machine.hook("s")
            machine.work()
            CLOCK.skip(_TWO_HOURS)
            machine.hook("s")
            machine.work()
            _, stored = machine.rows()
    texts = list(stored["s"])
    figure.check(
        "half\n\nwhole" in texts, f"update lost with a clock {jump:,.0f} s beside: {texts}"
    )
    figure.doubled += max(0, stored["s"].total() - 3)


def _settle(figure: Figure, machine: Machine, where: str) -> None:
    audit = machine.audit()
    figure.add(audit.lost, audit.doubled, f"{where} {audit.names}")
    figure.check(not machine.waiting(), f"{where}: waiting {machine.waiting()}")
