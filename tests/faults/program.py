"""The command: the trials, their rounds, and the table of results."""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults import (
    answers,
    clocks,
    corruption,
    crowd,
    disk,
    fleet,
    flood,
    kills,
    network,
    places,
    poison,
    power,
    steps,
    wakeups,
)
from tests.faults.clock import CLOCK, stopwatch
from tests.faults.figure import Figure, table

Trial = Callable[[Figure, Path, int, random.Random], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """The rounds of a trial: in each test run, by hand in minutes, and for the published
    figures.
    """

    run: Trial
    quick: int
    short: int
    long: int


TRIALS: dict[str, Entry] = {
    "kills": Entry(kills.trial, 24, 200, 5_000),
    "steps": Entry(steps.trial, 12, 240, 0),
    "power": Entry(power.trial, 24, 200, 2_000),
    "network": Entry(network.trial, 9, 162, 810),
    "lost answers": Entry(answers.trial, 40, 500, 20_000),
    "poison": Entry(poison.trial, 1, 6, 6),
    "one session": Entry(crowd.one_session, 2, 20, 500),
    "many sessions": Entry(crowd.many_sessions, 2, 10, 200),
    "wake-ups": Entry(wakeups.trial, 300, 2_000, 100_000),
    "disk": Entry(disk.trial, 16, 200, 0),
    "places": Entry(places.trial, 99, 99, 99),
    "corruption": Entry(corruption.trial, 2, 20, 0),
    "clocks": Entry(clocks.trial, 5, 18, 180),
    "flood": Entry(flood.trial, 200, 2_000, 10_000),
    "fleet": Entry(fleet.trial, 500, 10_000, 10_000),
}
"""The rounds of each length; 0 is all that there are."""


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if every trial has passed."""
    arguments = _parser().parse_args(argv)
    if arguments.list:
        print("\n".join(TRIALS))
        return 0
    figures: list[Figure] = []
    for name in arguments.only or TRIALS:
        figures.append(_run_row(name, arguments))
        print(table(figures[-1:]).splitlines()[1], flush=True)
        for sentence in figures[-1].failures[:10]:
            print(f"    {sentence}", flush=True)
        _keep(figures, arguments.json)
    print()
    print(table(figures))
    return 0 if all(figure.passed for figure in figures) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="a minute, as in the tests")
    length.add_argument("--long", action="store_true", help="the figures of the README; hours")
    parser.add_argument("--list", action="store_true", help="only name the trials")
    parser.add_argument("--only", nargs="+", choices=TRIALS, metavar="TRIAL")
    parser.add_argument("--rounds", type=int, help="in place of each trial's own number")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="PATH", help="keep the figures there, too")
    return parser


def _run_row(name: str, arguments: argparse.Namespace) -> Figure:
    entry = TRIALS[name]
    rounds = entry.long if arguments.long else entry.quick if arguments.quick else entry.short
    if arguments.rounds is not None:
        rounds = arguments.rounds
    figure = Figure(name)
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{name}-"))
    began = stopwatch()
    CLOCK.reset()
    try:
        entry.run(figure, folder, rounds, random.Random(f"{arguments.seed} {name}"))  # noqa: S311
    finally:
        figure.seconds = round(stopwatch() - began, 1)
        shutil.rmtree(folder, ignore_errors=True)
    return figure


def _keep(figures: Sequence[Figure], path: Path | None) -> None:
    if path is None:
        return
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    report = {"machine": machine, "figures": [figure.as_json() for figure in figures]}
    path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
