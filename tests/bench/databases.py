"""One session out of a database that holds much else, against the same one out of a small one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tests.bench import processes
from tests.bench.home import BenchHome, bench_home
from tests.bench.table import Row, ratio
from tests.cursor_home import Editor
from tests.opencode_home import OpenCodeHome

_ROW_BYTES = 10_000
_ROUNDS = 3


def measure(*, quick: bool) -> Iterator[Row]:
    with bench_home() as small, bench_home() as large:
        sizes = (0.1, 0.5) if quick else (0.1, 5)
        for home, size in zip((small, large), sizes, strict=True):
            _fill_cursor(home, size)
        yield from _compared((small, large), "cursor", "s1", [f"{size:g} GB" for size in sizes])
    with bench_home() as small, bench_home() as large:
        counts = (10, 1_000) if quick else (10, 10_000)
        for home, count in zip((small, large), counts, strict=True):
            session_id = _fill_opencode(home, count)
        names = [f"{count:,} sessions" for count in counts]
        yield from _compared((small, large), "opencode", session_id, names)


def _compared(
    homes: tuple[BenchHome, BenchHome], agent: str, session_id: str, names: list[str]
) -> Iterator[Row]:
    """Read and deliver the session out of both, in turns, and compare the cheapest of each."""
    rounds = [[_costs(home, agent, session_id) for home in homes] for _ in range(_ROUNDS)]
    small, large = (
        [min(figures) for figures in zip(*costs, strict=True)]
        for costs in zip(*rounds, strict=True)
    )
    units = ("read, CPU", "ms"), ("delivered, CPU", "ms"), ("read", "MB"), ("delivered", "MB")
    for (name, unit), base, value in zip(units, small, large, strict=True):
        label = f"{agent} session of {names[1]}, {name}"
        yield ratio(label, value, base, f"of {names[0]}", unit)


def _costs(home: BenchHome, agent: str, session_id: str) -> tuple[float, ...]:
    read = processes.run("read", agent, session_id, environ=home.environ)
    sync = processes.run("command", "sync", session_id, environ=home.environ)
    _forget(home.path / "ours")
    return read.cpu_s, sync.cpu_s, read.read_mb, sync.read_mb


def _forget(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def _fill_cursor(home: BenchHome, gigabytes: float) -> None:
    editor = Editor(home.path, lists=False)
    draft = editor.draft("s1")
    for number in range(40):
        draft.add_turn(number)
    draft.save()
    numbers = (row * 2_654_435_761 for row in range(int(gigabytes * 1e9 / _ROW_BYTES)))
    rows = ((f"agentKv:blob:{number % 2**64:064x}", "x" * _ROW_BYTES) for number in numbers)
    editor.db.execute("BEGIN")
    editor.db.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", rows)
    editor.db.execute("COMMIT")
    editor.close()


def _fill_opencode(home: BenchHome, count: int) -> str:
    """Add copies of a recorded session, and return its id."""
    with OpenCodeHome(home.path).put("1.18.33").writing() as db:
        (session_id,) = db.execute("SELECT session_id FROM message LIMIT 1").fetchone()
        db.execute("BEGIN")
        for number in range(count):
            _copy(db, session_id, f"ses_copy{number}")
        db.execute("COMMIT")
    return str(session_id)


def _copy(db: sqlite3.Connection, session_id: str, copy_id: str) -> None:
    """Insert a copy of a session with its messages and parts."""
    for table in ("session", "message", "part"):
        changes = {"id": "? || id", "session_id": "?", "message_id": "? || message_id"}
        changes |= {"id": "?", "parent_id": "NULL"} if table == "session" else {}
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        values = [changes.get(column, column) for column in columns]
        key = "id" if table == "session" else "session_id"
        query = f"INSERT INTO {table} SELECT {', '.join(values)} FROM {table} WHERE {key} = ?"  # noqa: S608
        db.execute(query, [*([copy_id] * sum("?" in value for value in values)), session_id])
