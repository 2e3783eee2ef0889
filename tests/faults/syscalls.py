"""Stops a process at its k-th step: just before each system call that changes or asks anything.

Linux on x86-64 only, by ptrace(2): what a process does between two such calls no other process, and
no disk, ever sees. At a step it can be killed, or told that the call failed.
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

from tests.faults import child

_TRACEME, _PEEKUSER, _POKEUSER, _SYSCALL, _SETOPTIONS = 0, 3, 6, 24, 0x4200
_OPTIONS = 0x1 | 0x100000  # TRACESYSGOOD, EXITKILL
_IN_SYSCALL = signal.SIGTRAP | 0x80
_RSI, _RDI, _RDX, _RAX, _ORIG_RAX = 13 * 8, 14 * 8, 12 * 8, 10 * 8, 15 * 8
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
    """The steps that a process came to, and how it ended."""

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
    """Run it in a process of its own, from step to step."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long

    def stopped_at_first() -> int | None:
        if libc.ptrace(_TRACEME, 0, None, None):
            return child.BROKEN
        os.kill(os.getpid(), signal.SIGSTOP)
        return run()

    pid = child.fork(stopped_at_first, stdin=stdin)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        raise OSError(errno.EPERM, "this process may not be traced")
    libc.ptrace(_SETOPTIONS, pid, None, ctypes.c_void_p(_OPTIONS))
    return _Tracer(libc, pid, deed, steps).follow()


@dataclass(slots=True)
class _Tracer:
    libc: ctypes.CDLL
    pid: int
    deed: Deed
    wanted: dict[int, str]
    trace: Trace = field(default_factory=Trace)
    _entered: bool = False
    _failing: int = 0

    def follow(self) -> Trace:
        sent = 0
        while True:
            self.libc.ptrace(_SYSCALL, self.pid, None, ctypes.c_void_p(sent))
            _, status = os.waitpid(self.pid, 0)
            if not os.WIFSTOPPED(status):
                self.trace.code = os.waitstatus_to_exitcode(status)
                return self.trace
            sent = 0
            if os.WSTOPSIG(status) != _IN_SYSCALL:
                sent = os.WSTOPSIG(status) if os.WSTOPSIG(status) != signal.SIGTRAP else 0
            elif self._entered:
                self._leave()
            else:
                self._enter()

    def _enter(self) -> None:
        self._entered = True
        name = self.wanted.get(self._peek(_ORIG_RAX))
        if name is None or not self._counts(name):
            return
        what = self.deed(len(self.trace.steps), name)
        self.trace.steps.append(name)
        if what == KILL:
            os.kill(self.pid, signal.SIGKILL)
        elif what:
            self._failing = what
            self._poke(_ORIG_RAX, -1)

    def _leave(self) -> None:
        self._entered = False
        if self._failing:
            self._poke(_RAX, -self._failing)
            self._failing = 0

    def _counts(self, name: str) -> bool:
        """Opening only counts where it makes a file; a write to stderr not at all."""
        if name == "openat":
            return bool(self._peek(_RDX) & _O_CREAT)
        if name == "open":
            return bool(self._peek(_RSI) & _O_CREAT)
        return not (name == "write" and self._peek(_RDI) in (1, 2))

    def _peek(self, offset: int) -> int:
        return int(self.libc.ptrace(_PEEKUSER, self.pid, ctypes.c_void_p(offset), None))

    def _poke(self, offset: int, value: int) -> None:
        self.libc.ptrace(_POKEUSER, self.pid, ctypes.c_void_p(offset), ctypes.c_void_p(value))
