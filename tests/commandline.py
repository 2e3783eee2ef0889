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
"""Pipes are buffered for users, whatever the machine that runs the tests has set."""

Completed = subprocess.CompletedProcess[str]


def run(*arguments: str, stdin: str = "", **environ: str) -> Completed:
    """Run the command in this process, which is faster than `run_python`."""
    encoding = environ.get("PYTHONIOENCODING", "utf-8")
    out, err = io.BytesIO(), io.BytesIO()
    with (
        patch.dict(os.environ, environ),
        patch.object(sys, "stdin", io.StringIO(stdin)),
        redirect_stdout(io.TextIOWrapper(out, encoding, write_through=True)),
        redirect_stderr(io.TextIOWrapper(err, encoding, write_through=True)),
    ):
        try:
            code = main.main(arguments)
        except SystemExit as usage:
            code = int(usage.code or 0)
        return Completed(
            arguments, code, out.getvalue().decode(encoding), err.getvalue().decode(encoding)
        )


def run_script(*arguments: str, stdin: str = "", **environ: str) -> Completed:
    """Run Claude Code's entry script."""
    return run_python(str(HOOK), *arguments, stdin=stdin, **environ)


def run_python(
    *command: str, stdin: str = "", python: str = sys.executable, **environ: str
) -> Completed:
    return subprocess.run(
        [python, *command],
        cwd=ROOT, env={**os.environ, **BUFFERED, **environ}, input=stdin, capture_output=True,
        text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip


def stored_rows(ours: Path) -> list[tuple[Any, ...]]:
    """Every row of the embedded store, with the time of its last change."""
    with closing(sqlite3.connect(ours / "store.db")) as db:
        sessions = db.execute("SELECT * FROM session ORDER BY id").fetchall()
        return sessions + db.execute("SELECT * FROM message ORDER BY id").fetchall()


def stored_ids(ours: Path) -> set[str]:
    """The ids of all sessions in the embedded store."""
    with closing(sqlite3.connect(ours / "store.db")) as db:
        return {session_id for (session_id,) in db.execute("SELECT externalId FROM session")}


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of every file below the folder."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: the file descriptors of the user's end and the program's end."""
    outer, inner = pty.openpty()
    try:
        yield outer, inner
    finally:
        os.close(outer)
        os.close(inner)


def run_on_terminal(command: list[str], *lines: str) -> str:
    """All that a terminal shows while a user answers each question with a line."""
    child, outer = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(command[0], command)  # noqa: S606 - our own Python
    shown = b""
    for line in lines:
        question = b""
        while not question.endswith((b": ", b"? ")):
            question += os.read(outer, 1024)
        os.write(outer, line.encode())
        shown += question
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while output := os.read(outer, 1024):
            shown += output
    os.waitpid(child, 0)
    os.close(outer)
    return shown.decode()
