"""Stops a process at its k-th step: before each system call that changes or requests something.

Linux on x86-64 only, with ptrace(2): what a process does between two such calls is invisible to
other processes and to the disk. At a step it can be killed, or its call can be made to fail.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.faults import child

_TRACEME, _PEEKUSER, _POKEUSER, _SYSCALL, _SETOPTIONS = 0, 3, 6, 24, 0x4200
_OPTIONS = 0x1 | 0x100000  # TRACESYSGOOD, EXITKILL
_IN_SYSCALL = signal.SIGTRAP | 0x80
ARGUMENTS = (14 * 8, 13 * 8, 12 * 8, 7 * 8)
"""The registers of a call's first four: rdi, rsi, rdx, r10, as `struct user` has them."""
RESULT, _ORIG_RAX = 10 * 8, 15 * 8
_O_CREAT = os.O_CREAT
WRITES = {1: "write", 18: "pwrite64", 20: "writev", 74: "fsync", 75: "fdatasync", 77: "ftruncate"}
_NAMES = {82: "rename", 83: "mkdir", 85: "creat", 87: "unlink", 257: "openat", 2: "open"}
_AT = {258: "mkdirat", 263: "unlinkat", 264: "renameat", 316: "renameat2", 265: "linkat"}
_MODES = {90: "chmod", 91: "fchmod", 73: "flock"}
_NET = {42: "connect", 44: "sendto", 45: "recvfrom"}
SPACE = {**WRITES, **_NAMES, 258: "mkdirat"}
"""The calls that a full disk can refuse."""
STEPS = {**WRITES, **_NAMES, **_AT, **_MODES, **_NET}

Deed = Callable[[int, str], int | None]
"""Given a step's number and name: the error it fails with, -9 for a kill, None to let it pass."""
KILL = -9


@dataclass(slots=True)
class Trace:
    """The steps that a process reached, and its exit code."""

    steps: list[str] = field(default_factory=list)
    code: int = 0


@cache
def can_trace() -> bool:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        return traced(lambda: 0, lambda _number, _name: None).code == 0
    except OSError:
        return False


def traced(
    run: child.Run, deed: Deed, *, steps: dict[int, str] = STEPS, stdin: bytes | None = None
) -> Trace:
    """Run it in a new process, from step to step."""
    stepper = _Stepper(*begun(run, stdin), deed, steps)
    stepper.trace.code = stepper.follow()
    return stepper.trace


def begun(
    run: child.Run, stdin: bytes | None = None, output: Path | None = None
) -> tuple[ctypes.CDLL, int]:
    """Start it in a new process that waits for a Tracer."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long

    def stopped_at_first() -> int | None:
        if libc.ptrace(_TRACEME, 0, None, None):
            return child.BROKEN
        os.kill(os.getpid(), signal.SIGSTOP)
        return run()

    pid = child.fork(stopped_at_first, stdin=stdin, output=output)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        raise OSError(errno.EPERM, "this process may not be traced")
    libc.ptrace(_SETOPTIONS, pid, None, ctypes.c_void_p(_OPTIONS))
    return libc, pid


@dataclass(slots=True)
class Tracer:
    """A tracer of one process, from call to call until it ends."""

    libc: ctypes.CDLL
    pid: int

    def follow(self) -> int:
        """Follow the process to its end; return its exit code."""
        sent, is_inside = 0, False
        while True:
            self.libc.ptrace(_SYSCALL, self.pid, None, ctypes.c_void_p(sent))
            _, status = os.waitpid(self.pid, 0)
            if not os.WIFSTOPPED(status):
                return os.waitstatus_to_exitcode(status)
            sent = 0
            if os.WSTOPSIG(status) != _IN_SYSCALL:
                sent = os.WSTOPSIG(status) if os.WSTOPSIG(status) != signal.SIGTRAP else 0
                continue
            is_inside = not is_inside
            (self.enter if is_inside else self.leave)(self.peek(_ORIG_RAX))

    def enter(self, call: int) -> None:
        """Handle the start of the call with this number."""

    def leave(self, call: int) -> None:
        """Handle the end of a call."""

    def peek(self, offset: int) -> int:
        """Return a register by its offset in the kernel's `struct user`."""
        return int(self.libc.ptrace(_PEEKUSER, self.pid, ctypes.c_void_p(offset), None))

    def poke(self, offset: int, value: int) -> None:
        self.libc.ptrace(_POKEUSER, self.pid, ctypes.c_void_p(offset), ctypes.c_void_p(value))


@dataclass(slots=True)
class _Stepper(Tracer):
    deed: Deed
    numbers: dict[int, str]
    trace: Trace = field(default_factory=Trace)
    _failing: int = 0

    def enter(self, call: int) -> None:
        name = self.numbers.get(call)
        if name is None or not self._counts(name):
            return
        deed = self.deed(len(self.trace.steps), name)
        self.trace.steps.append(name)
        if deed == KILL:
            os.kill(self.pid, signal.SIGKILL)
        elif deed:
            self._failing = deed
            self.poke(_ORIG_RAX, -1)

    def leave(self, _call: int) -> None:
        if self._failing:
            self.poke(RESULT, -self._failing)
            self._failing = 0

    def _counts(self, name: str) -> bool:
        """Return whether a call is a step: opening only if it creates a file, a write to
        stderr never.
        """
        if name == "openat":
            return bool(self.peek(ARGUMENTS[2]) & _O_CREAT)
        if name == "open":
            return bool(self.peek(ARGUMENTS[1]) & _O_CREAT)
        return not (name == "write" and self.peek(ARGUMENTS[0]) in (1, 2))
