"""A disk that is full, broken or over its quota at each write, once and for good; and a small real
disk that is filled to the last byte.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opensync_hooks.queue import worker
from tests.faults import child, syscalls
from tests.faults.clock import CLOCK
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine

ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EDQUOT": errno.EDQUOT}
TURNS = 2
_LIMITS = (0, 1, 100, 4_096, 20_000, 33_000, 60_000)
_HOURS = 2 * 3600


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Inject `rounds` errors, or every possible one for 0, and fill ten disks."""
    with CLOCK.running(1, skips=True), deployment(folder) as server:
        machines = {
            "wire": Machine(folder / "wire", server),
            "embedded": Machine(folder / "embedded"),
        }
        for name, machine in machines.items():
            with machine.used():
                if syscalls.can_trace():
                    _injected(figure, machine, name, rounds // 2, dice)
                _limited(figure, machine, name)
        passes = 10 if rounds == 0 else 2
        with _small_disk(folder / "small") as small:
            if small:
                for number in range(passes):
                    _full(figure, Machine(small / f"m{number}", server), number)
                figure.notes.append(f"a real disk of 1 MB filled {passes} times")
            else:
                figure.notes.append("no right to mount a small disk: left out")


def _injected(figure: Figure, machine: Machine, name: str, most: int, dice: random.Random) -> None:
    calls = {"hook": 0, "worker": 0}
    for who in calls:
        calls[who] = _round(figure, machine, f"{name}-{who}-whole", who, lambda *_: None)
    cells = [
        (who, k, error, stays)
        for who, count in calls.items()
        for k in range(count)
        for error in ERRORS
        for stays in (False, True)
    ]
    chosen = dice.sample(cells, most) if 0 < most < len(cells) else cells
    for who, k, error, stays in chosen:

        def fails(
            number: int, _name: str, k: int = k, e: str = error, s: bool = stays
        ) -> int | None:
            return ERRORS[e] if number == k or (s and number > k) else None

        session = f"{name}-{who}-{k}-{error}-{'stays' if stays else 'once'}"
        _round(figure, machine, session, who, fails)
        figure.rounds += 1
    figure.notes.append(f"{name}: {len(chosen)} of {len(cells)} injected errors")


def _round(figure: Figure, machine: Machine, session: str, who: str, deed: syscalls.Deed) -> int:
    """Inject one error into hook or worker, then none; return how many steps could have failed."""
    for turn in range(TURNS):
        machine.turn(session, turn)
    if who == "hook":
        payload = machine.payload(session)
        run = machine.hook_run(session)
        trace = syscalls.traced(run, deed, steps=syscalls.SPACE, stdin=payload)
        figure.check(trace.code == 0, f"{session}: the hook ended with {trace.code}")
        machine.hook(session)  # the event may not have been written
    else:
        machine.hook(session)
        trace = syscalls.traced(worker.main, deed, steps=syscalls.SPACE)
        figure.check(trace.code in (0, 1), f"{session}: the worker ended with {trace.code}")
    _recover(figure, machine, session)
    machine.clear()
    return len(trace.steps)


def _recover(figure: Figure, machine: Machine, session: str) -> None:
    """Check that the next worker delivers everything once there is room again."""
    CLOCK.skip(_HOURS)
    machine.work()
    audit = machine.audit()
    figure.add(audit.lost, audit.doubled, f"{session} {audit.names}")
    figure.check(not machine.unreadable(), f"{session}: unreadable {machine.unreadable()}")
    figure.check(not machine.waiting(), f"{session}: waiting {machine.waiting()}")
    machine.forget(session)


def _limited(figure: Figure, machine: Machine, name: str) -> None:
    """Limit the size of files, so that a write ends in the middle."""
    for limit in _LIMITS:
        session = f"{name}-limit-{limit}"
        for turn in range(TURNS):
            machine.turn(session, turn)

        def limited(run: child.Run, limit: int = limit) -> child.Run:
            def inner() -> int | None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                return run()

            return inner

        code = child.call(limited(machine.hook_run(session)), stdin=machine.payload(session))
        figure.check(code == 0, f"{session}: the hook ended with {code}")
        machine.hook(session)
        code = child.call(limited(worker.main))
        figure.check(code in (0, 1), f"{session}: the worker ended with {code}")
        _recover(figure, machine, session)
        machine.clear()
        figure.rounds += 1


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield folder if done else None
    finally:
        if done:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def _full(figure: Figure, machine: Machine, number: int) -> None:
    with machine.used():
        session = f"full-{number}"
        for turn in range(TURNS):
            machine.turn(session, turn)
        if number % 2:
            machine.hook(session)  # there is room for the event, and for nothing else
        ballast = machine.folder / "ballast"
        _fill(ballast, spare=(number // 2) * 2_000)
        figure.check(machine.hook(session) == 0, f"{session}: the hook failed")
        code = machine.work()
        figure.check(code in (0, 1), f"{session}: the worker ended with {code}")
        code, output = machine.command("status")
        figure.check(
            "Traceback" not in output and "bug" not in output, f"{session}: {output[:200]}"
        )
        ballast.unlink()
        machine.hook(session)
        _recover(figure, machine, session)
        machine.clear()
        figure.rounds += 1


def _fill(path: Path, spare: int) -> None:
    """Fill the disk, then free a few bytes."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    size = 0
    with suppress(OSError):
        while True:
            size += os.write(fd, b"\0" * 512)
    os.ftruncate(fd, max(0, size - spare))
    os.close(fd)
