"""Child processes of a trial, forked after all imports so that thousands can be started."""

from __future__ import annotations

import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.faults.clock import pause, stopwatch

Run = Callable[[], int | None]
BROKEN = 99
"""How a child ends that met an exception nobody caught."""
_LONGEST_S = 120.0


def fork(run: Run, *, stdin: bytes | None = None, output: Path | None = None) -> int:
    """Run `run` in a new process and return its id; its exit code is what `run` returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        random.seed()
        _redirect(stdin, output)
        code = run() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - a child must never go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(stdin: bytes | None, output: Path | None) -> None:
    if stdin is not None:
        reading, writing = os.pipe()
        os.write(writing, stdin)
        os.close(writing)
        os.dup2(reading, 0)
        sys.stdin = os.fdopen(0, closefd=False)
    if output is not None:
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)


def ended(pid: int, seconds: float = _LONGEST_S) -> int:
    """Return the child's exit code, minus the signal that ended it, or -99 if it had to be
    killed.
    """
    end = stopwatch() + seconds
    nap = 0.0002
    while stopwatch() < end:
        reaped, status = os.waitpid(pid, os.WNOHANG)
        if reaped:
            return os.waitstatus_to_exitcode(status)
        pause(nap)
        nap = min(nap * 1.3, 0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -BROKEN


def call(run: Run, *, stdin: bytes | None = None, output: Path | None = None) -> int:
    return ended(fork(run, stdin=stdin, output=output))


def lives(pid: int) -> bool:
    """Return whether the child is still running, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def killed_after(pid: int, seconds: float) -> bool:
    """Kill the child after that time; return whether it was still running."""
    pause(seconds)
    reaped, _ = os.waitpid(pid, os.WNOHANG)
    if reaped:
        return False
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True
