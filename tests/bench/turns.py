"""What a new turn costs in a session of any length, its memory, and what all of its turns cost."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.bench import processes
from tests.bench.home import BenchHome, SessionWriter, bench_home
from tests.bench.processes import Cost
from tests.bench.table import Row, ratio

_TURNS = 3


def measure(*, quick: bool) -> Iterator[Row]:
    first: Cost | None = None
    idle = Cost(0, 0, 0, 0)
    for size in (1, 8) if quick else (1, 32, 300):
        with bench_home() as home:
            idle = processes.run("nothing", environ=home.environ)
            whole_session, turn = _turn(home, size)
        first = first or turn
        name = f"one turn, session of {size} MB"
        if turn is not first:
            yield ratio(name, turn.cpu_s, first.cpu_s, "that of 1 MB, CPU")
            yield ratio(name, turn.read_mb, first.read_mb, "that of 1 MB, read", "MB")
        yield Row(f"{name}: memory", turn.peak_mib, "MiB", f"{idle.peak_mib:.0f} MiB idle")
        yield Row(f"all of {size} MB at once: memory", whole_session.peak_mib, "MiB")
    yield _large_message(5 if quick else 100)
    yield _life(20 if quick else 200)


def _turn(home: BenchHome, megabytes: float) -> tuple[Cost, Cost]:
    """Return what a session of this size costs, and the cheapest of some turns that follow."""
    writer = SessionWriter(home.transcript("s1"))
    writer.write(megabytes)
    whole_session = home.deliver("s1")
    costs = []
    for _ in range(_TURNS):
        writer.turn()
        costs.append(home.deliver("s1"))
    return whole_session, min(costs, key=lambda cost: cost.cpu_s)


def _large_message(megabytes: int) -> Row:
    with bench_home() as home:
        writer = SessionWriter(home.transcript("s1"))
        writer.turn()
        words = "one word after the other " * (megabytes * 40_000)
        line = {
            "type": "user",
            "uuid": "large",
            "parentUuid": None,
            "sessionId": "s1",
            "timestamp": "2026-01-01T00:00:00Z",
            "isSidechain": False,
            "cwd": "/work",
            "message": {"role": "user", "content": words},
        }
        with home.transcript("s1").open("a") as file:
            file.write(json.dumps(line) + "\n")
        cost = home.deliver("s1")
    return Row(
        f"one message of {megabytes} MB: memory", cost.peak_mib, "MiB", f"{cost.cpu_s:.2f} s"
    )


def _life(turns: int) -> Row:
    """Compare all turns of a session with as many starts of a worker and one reading of it all."""
    with bench_home() as home:
        writer = SessionWriter(home.transcript("s1"))
        writer.turn()
        home.deliver("s1")
        start = home.deliver("s1").cpu_s
        total = 0.0
        for _ in range(turns):
            writer.turn()
            total += home.deliver("s1").cpu_s
    with bench_home() as other:
        writer = SessionWriter(other.transcript("s1"))
        for _ in range(turns):
            writer.turn()
        one_pass = other.deliver("s1").cpu_s
    name = f"life of {turns} turns"
    return ratio(name, total, turns * start + one_pass, "starts and one pass, CPU", "s")
