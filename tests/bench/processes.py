"""What a process costs: CPU time, bytes read and peak memory, of itself and of those it started."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BARE = (sys.executable, "-I", "-S", "-c", "pass")


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one call in a process of its own."""

    cpu_s: float
    children_cpu_s: float
    """The part of the processes that it started."""
    read_mb: float
    """Also what the page cache had; 0 where the system does not count it."""
    peak_mib: float


def run(function: str, *arguments: object, environ: Mapping[str, str]) -> Cost:
    """Call a function of `tests.bench.child` in a new process and return what that cost."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "cost.json")
        command = [sys.executable, "-m", "tests.bench.child", str(report), function]
        command += map(str, arguments)
        subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, check=True)
        return Cost(**json.loads(report.read_text()))


def cpu(command: Sequence[str | Path], env: Mapping[str, str], payload: bytes = b"") -> float:
    before = _cpu_of_children()
    subprocess.run(command, input=payload, env=env, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
    return _cpu_of_children() - before


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def medians(repetitions: int, *calls: Callable[[], float]) -> list[float]:
    """Return the median of each call; they take turns, so that a busy moment meets all of them."""
    rounds = [[call() for call in calls] for _ in range(repetitions)]
    return [statistics.median(results) for results in zip(*rounds, strict=True)]
