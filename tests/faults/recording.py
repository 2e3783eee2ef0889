"""Records what processes ask of a file system, call by call, with the data.

Linux on x86-64 only, like `syscalls`. Playing a recording back must give what is on the disk, so a
call that is not handled here is noticed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import child, syscalls
from tests.faults.syscalls import ARGUMENTS, RESULT

_OPENS = {257: "openat", 2: "open", 85: "creat"}
_WRITES = {1: "write", 18: "pwrite64"}
_SYNCS = {74: "fsync", 75: "fdatasync"}
_CUT = {77: "ftruncate"}
_NAMING = {82: "rename", 83: "mkdir", 84: "rmdir", 87: "unlink", 263: "unlinkat"}
_CREAT, _TRUNC = os.O_CREAT, os.O_TRUNC
_AT_REMOVEDIR = 0x200
FOLDER = -1
"""What a name stands for, if it is no file."""
_UNKEPT = "-shm"
"""Shared memory of SQLite's, which is none of a file's content after a start."""


@dataclass(frozen=True, slots=True)
class Write:
    file: int
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """The size of a file changes."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Names:
    """Each name refers to this file from now on, or to none; all of them in one step."""

    changed: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """What was written to the file is on the disk; its name may not be."""

    file: int


@dataclass(frozen=True, slots=True)
class SyncNames:
    """The names in the folder are on the disk."""

    folder: str


@dataclass(frozen=True, slots=True)
class Outside:
    """Something that a power cut on this machine does not undo: `name` has the value `value`
    now.
    """

    name: str
    value: object


Tree = dict[str, bytes | None]
"""What lies in a folder, by name; None is a folder in it."""
Call = Write | Cut | Names | Sync | SyncNames | Outside


@dataclass(slots=True)
class Recording:
    """A recording of everything below `root`, except below `apart`. Names are relative to
    `root`.
    """

    root: Path
    apart: str = "\0"
    calls: list[Call] = field(default_factory=list)
    first: dict[str, int] = field(default_factory=dict)
    """The file that each name stood for at the start."""
    names: dict[str, int] = field(default_factory=dict)
    """The same, after all calls."""
    contents: dict[int, bytes] = field(default_factory=dict)
    """Of the files of `first`."""
    descriptors: dict[int, int] = field(default_factory=dict)
    """By inode."""
    before: Callable[[], None] = lambda: None
    """Looks at the world outside, before each call."""
    _files: int = 0

    def __post_init__(self) -> None:
        for name, content in tree(self.root, self.apart).items():
            self.first[name] = FOLDER if content is None else self.new_file(self.root / name)
            if content is not None:
                self.contents[self.first[name]] = content
        self.names = self.first.copy()

    def new_file(self, path: Path) -> int:
        self._files += 1
        self.descriptors[path.stat().st_ino] = self._files
        return self._files

    def run(self, run: child.Run, stdin: bytes | None = None, output: Path | None = None) -> int:
        """Record a process from start to end; return its exit code."""
        return _Recorder(*syscalls.begun(run, stdin, output), self).follow()

    def outside(self, moment: int) -> dict[str, Any]:
        """Return the values outside after that many calls."""
        before = self.calls[:moment]
        return {call.name: call.value for call in before if isinstance(call, Outside)}

    def note(self, name: str, value: object) -> None:
        self.calls.append(Outside(name, value))

    def within(self, path: str) -> str | None:
        """Return the name of a recorded path; None for any other path."""
        name = os.path.relpath(path, self.root)
        is_ours = not name.startswith(("..", self.apart)) and not name.endswith(_UNKEPT)
        return name if is_ours else None


@dataclass(slots=True)
class _Recorder(syscalls.Tracer):
    to: Recording
    _existed: bool = False

    def enter(self, call: int) -> None:
        if call in _OPENS:
            self._existed = os.path.lexists(self._path(call))

    def leave(self, call: int) -> None:
        result = self.peek(RESULT)
        if result < 0:
            return
        if call in _OPENS:
            self._opened(call, result)
        elif call in _WRITES:
            self._wrote(call, result)
        elif call in _SYNCS or call in _CUT:
            self._changed(call)
        elif call in _NAMING:
            self._named(call)

    def _opened(self, call: int, fd: int) -> None:
        flags = _CREAT | _TRUNC if call == 85 else self._argument(2 if call == 257 else 1)
        name = self.to.within(self._path(call))
        if name is None or not flags & (_CREAT | _TRUNC):
            return
        if not self._existed:
            self._add(Names(((name, self.to.new_file(Path(self._open(fd)))),)))
        elif flags & _TRUNC and (file := self._file(fd)) is not None:
            self._add(Cut(file, 0))

    def _wrote(self, call: int, count: int) -> None:
        file = self._file(self._argument(0))
        if file is None:
            return
        data = self._memory(self._argument(1), count)
        at = self._argument(3) if call == 18 else self._offset(self._argument(0)) - count
        self._add(Write(file, at, data))

    def _changed(self, call: int) -> None:
        fd = self._argument(0)
        file = self._file(fd)
        if call in _CUT and file is not None:
            self._add(Cut(file, self._argument(1)))
        elif file is not None:
            self._add(Sync(file))
        elif (name := self.to.within(os.readlink(self._open(fd)))) is not None:  # noqa: PTH115
            self._add(SyncNames(name))

    def _named(self, call: int) -> None:
        path = self._path(call)
        name = self.to.within(path)
        if call == 82:
            other = self.to.within(os.path.abspath(self._text(self._argument(1))))  # noqa: PTH100
            if name is not None and other is not None:
                self._add(Names(((name, None), (other, self.to.names[name]))))
        elif name is not None:
            self._add(Names(((name, FOLDER if call == 83 else None),)))

    def _add(self, call: Call) -> None:
        self.to.before()
        self.to.calls.append(call)
        for name, file in call.changed if isinstance(call, Names) else ():
            if file is None:
                self.to.names.pop(name, None)
            else:
                self.to.names[name] = file

    def _argument(self, number: int) -> int:
        return self.peek(ARGUMENTS[number])

    def _path(self, call: int) -> str:
        is_at = call in (257, 263)
        path = self._text(self._argument(1 if is_at else 0))
        folder = self._argument(0) & 0xFFFFFFFF
        if not is_at or path.startswith("/") or folder == 0xFFFFFF9C:  # AT_FDCWD
            return os.path.abspath(path)  # noqa: PTH100 - no link is to be followed
        return f"{Path(self._open(folder)).readlink()}/{path}"

    def _open(self, fd: int) -> str:
        return f"/proc/{self.pid}/fd/{fd}"

    def _file(self, fd: int) -> int | None:
        """Return the recorded file of a descriptor, if any."""
        path = Path(self._open(fd))
        with suppress(OSError):
            about = path.stat()
            # An inode number is reused, perhaps by a file that is not recorded.
            if stat.S_ISREG(about.st_mode) and not str(path.readlink()).endswith(_UNKEPT):
                return self.to.descriptors.get(about.st_ino)
        return None

    def _offset(self, fd: int) -> int:
        return int(Path(f"/proc/{self.pid}/fdinfo/{fd}").read_text().split()[1])

    def _memory(self, at: int, count: int) -> bytes:
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
            memory.seek(at)
            return memory.read(count)

    def _text(self, at: int) -> str:
        content = b""
        while b"\0" not in content:
            start = at + len(content)
            content += self._memory(start, 4096 - start % 4096)
        return os.fsdecode(content.partition(b"\0")[0])


def tree(root: Path, apart: str = "\0") -> Tree:
    """Return everything below `root`, except below `apart`."""
    tree: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not name.startswith(apart) and not name.endswith(_UNKEPT):
            tree[name] = None if path.is_dir() else path.read_bytes()
    return tree
