"""How fast the commands start, beside a bare interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

from tests.bench import processes
from tests.bench.home import SessionWriter, bench_home
from tests.bench.processes import BARE
from tests.bench.table import Row, ratio

_COMMANDS = ("version", "status", "sync")


def measure(*, quick: bool) -> Iterator[Row]:
    with bench_home() as home:
        SessionWriter(home.transcript("s1")).turn()
        home.deliver("s1")
        started = ((sys.executable, "-m", "opensync_hooks", name) for name in _COMMANDS)
        calls = [partial(processes.cpu, command, home.environ) for command in (BARE, *started)]
        bare, *costs = processes.medians(5 if quick else 15, *calls)
    for name, cost in zip(_COMMANDS, costs, strict=True):
        yield ratio(f"opensync-hooks {name}", cost, bare, "bare interpreter, CPU")
