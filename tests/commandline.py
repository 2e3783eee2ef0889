"""The command as a user runs it, in the test's home."""

from __future__ import annotations

import io
import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from opensync_hooks.cli import main

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data" / "claude"
HOOK = ROOT / "hooks" / "claude_code.py"
FIRST = "00000001-0000-4000-8000-000000000001"
WITH_SUBAGENTS = "00000002-0000-4000-8000-000000000002"
KEY = "osk_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
NOBODY_LISTENS = "http://127.0.0.1:1"

BUFFERED = {"PYTHONUNBUFFERED": ""}
"""Pipes are, unless the machine that tests says otherwise."""

Ran = subprocess.CompletedProcess[str]


def run(*arguments: str, said: str = "", **environ: str) -> Ran:
    """In this process, which has all that is imported already; `start` makes one of its own."""
    encoding = environ.get("PYTHONIOENCODING", "utf-8")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    with (
        patch.dict(os.environ, environ),
        patch.object(sys, "stdin", io.StringIO(said)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main.main(arguments)
        except SystemExit as usage:
            code = int(usage.code or 0)
    return Ran(arguments, code, _written(out, encoding), _written(err, encoding))


def _written(stream: io.TextIOWrapper, encoding: str) -> str:
    stream.flush()
    written = stream.buffer
    assert isinstance(written, io.BytesIO)
    return written.getvalue().decode(encoding)


def by_hand(*arguments: str, said: str = "", **environ: str) -> Ran:
    return start(str(HOOK), *arguments, said=said, **environ)


def start(*command: str, said: str = "", python: str = sys.executable, **environ: str) -> Ran:
    return subprocess.run(
        [python, *command],
        cwd=ROOT, env={**os.environ, **BUFFERED, **environ}, input=said, capture_output=True,
        text=True, encoding="utf-8", timeout=30, check=False,
    )  # fmt: skip


def stored(ours: Path) -> list[tuple[Any, ...]]:
    """Every row of the embedded store, with the time of its last change."""
    with closing(sqlite3.connect(ours / "store.db")) as db:
        sessions = db.execute("SELECT * FROM session ORDER BY id").fetchall()
        return sessions + db.execute("SELECT * FROM message ORDER BY id").fetchall()


def sessions_in(ours: Path) -> set[str]:
    with closing(sqlite3.connect(ours / "store.db")) as db:
        return {one for (one,) in db.execute("SELECT externalId FROM session")}


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    outer, inner = pty.openpty()
    try:
        yield outer, inner
    finally:
        os.close(outer)
        os.close(inner)


def typed(command: list[str], *lines: str) -> str:
    """All that a terminal shows while a user answers each question with a line."""
    child, outer = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(command[0], command)  # noqa: S606 - our own Python
    shown = b""
    for line in lines:
        asked = b""
        while not asked.endswith((b": ", b"? ")):
            asked += os.read(outer, 1024)
        os.write(outer, line.encode())
        shown += asked
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while more := os.read(outer, 1024):
            shown += more
    os.waitpid(child, 0)
    os.close(outer)
    return shown.decode()
