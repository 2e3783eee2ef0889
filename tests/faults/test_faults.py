"""Every trial in its quick form; `python -m tests.faults` has the longer ones."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.damage import of_pages, prefixes
from tests.faults.figure import Figure, table
from tests.faults.watch import Watch

ROOT = Path(__file__).parents[2]
TRIALS = (
    *("kills", "steps", "power", "network", "lost answers", "poison", "one session"),
    *("many sessions", "wake-ups", "disk", "places", "corruption", "clocks", "flood", "fleet"),
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults", "--quick", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.skipif(sys.platform != "linux", reason="the trials fork, and look into /proc")
def test_nothing_is_lost_and_nothing_doubled(trial: str, tmp_path: Path) -> None:
    kept = tmp_path / "figures.json"
    done = run("--only", trial, "--json", str(kept))
    assert done.returncode == 0, done.stdout + done.stderr
    (figure,) = json.loads(kept.read_text())["figures"]
    assert (figure["lost"], figure["doubled"], figure["passed"]) == (0, 0, True)


def test_every_trial_is_in_the_list() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--list"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert process.stdout.split("\n")[:-1] == list(TRIALS)


def test_trial_that_lost_something_has_failed() -> None:
    figure = Figure("kills", rounds=3)
    assert figure.passed
    figure.add(1, 0, "here")
    assert not figure.passed
    assert "1 FAILED" in table([figure])


def test_two_in_one_place_are_noticed_in_both_ways(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    with watch.inside("worker"), watch.inside("session s1"):
        pass
    with watch.inside("worker"):
        pass
    assert (watch.stays(), watch.met(), watch.overlaps()) == (3, [], [])
    with watch.inside("worker"), watch.inside("worker"):
        pass
    assert (watch.met(), watch.overlaps()) == (["worker"], ["worker"])


_WITHOUT_SESSION_LOCK = """
from contextlib import nullcontext
from opensync_hooks.delivery import session_sync
session_sync.session_lock = lambda *_: nullcontext()
"""
_LEAVING_ON_A_PROBE = """
from contextlib import contextmanager
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.file_lock import file_lock, is_acquired
from tests.faults import wakeups
@contextmanager
def single_worker(spool):
    lock = file_lock(spool.lock)
    is_single = is_acquired(lock)
    yield is_single
    lock.release()
Spool.single_worker = single_worker
wakeups._LONGEST_S = 3.0
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("trial", "damage", "sign"),
    [
        ("one session", _WITHOUT_SESSION_LOCK, "times two at once: ['session s0'"),
        ("wake-ups", _LEAVING_ON_A_PROBE, "waits, and no worker comes"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="the trials fork, and look into /proc")
def test_trial_of_a_broken_product_fails(trial: str, damage: str, sign: str) -> None:
    code = f"""
import sys
from tests.faults.clock import CLOCK
CLOCK.install()
{damage}
from tests.faults import program
sys.exit(program.main(["--quick", "--only", {trial!r}]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert sign in done.stdout


_DEADLINE = """
import threading
from tests.faults.clock import CLOCK
CLOCK.install()
from opensync_hooks.destinations.opensync.deadline import DeadlineError, DeadlineThread
late = threading.Event()
def answer():
    CLOCK.skip(31)
    late.wait(20)
    return "it waited by the true time"
try:
    print(DeadlineThread().run_within(30, answer))
except DeadlineError:
    print("in time")
"""


def test_a_deadline_passes_with_the_time_that_a_trial_skips() -> None:
    process = subprocess.run(
        [sys.executable, "-c", _DEADLINE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout == "in time\n"


def test_damage_never_leaves_a_file_as_it_was() -> None:
    content = bytes(range(256)) * 40
    damages = [*of_pages(content, random.Random(1), 3), *prefixes(content, 100)]  # noqa: S311
    assert all(damage.content != content for damage in damages)
