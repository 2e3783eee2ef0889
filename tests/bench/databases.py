"""One session out of a database that holds much else, against the same one out of a small one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from tests.bench import processes
from tests.bench.home import BenchHome, bench_home
from tests.bench.table import Row, ratio
from tests.cursor_home import Editor
from tests.opencode_home import OpenCodeHome

_ROW_BYTES = 10_000
_ROUNDS = 3


def measure(*, quick: bool) -> Iterator[Row]:
    with bench_home() as home:
        editor = Editor(home.path, lists=False)
        draft = editor.draft("s1")
        for number in range(40):
            draft.add_turn(number)
        draft.save()
        sizes = (0.1, 0.5) if quick else (0.1, 5)
        fill = [_cursor_filler(editor.path, size) for size in sizes]
        editor.close()
        names = [f"{size:g} GB" for size in sizes]
        yield from _compared(home, "cursor", "s1", names, fill)
    with bench_home() as home:
        opencode = OpenCodeHome(home.path).put("1.18.33")
        counts = (10, 1_000) if quick else (10, 10_000)
        with opencode.writing() as db:
            (session_id,) = db.execute("SELECT session_id FROM message LIMIT 1").fetchone()
        fill = [_opencode_filler(opencode, session_id, count) for count in counts]
        names = [f"{count:,} sessions" for count in counts]
        yield from _compared(home, "opencode", session_id, names, fill)


def _compared(
    home: BenchHome, agent: str, session_id: str, names: list[str], fill: list[Callable[[], None]]
) -> Iterator[Row]:
    """Measure after each step of filling, and compare the last one with the first."""
    costs = []
    for grow in fill:
        grow()
        rounds = []
        for number in range(_ROUNDS):
            environ = {**home.environ, "OPENSYNC_HOOKS_HOME": str(home.path / f"ours-{number}")}
            read = processes.run("read", agent, session_id, environ=environ)
            sync = processes.run("command", "sync", session_id, environ=environ)
            rounds.append((read.cpu_s, sync.cpu_s, read.read_mb, sync.read_mb))
            _forget(home.path / f"ours-{number}")
        costs.append([min(figures) for figures in zip(*rounds, strict=True)])
    (first, last), basis = costs, f"{names[0]}"
    units = ("read, CPU", "ms"), ("delivered, CPU", "ms"), ("read", "MB"), ("delivered", "MB")
    for (name, unit), small, large in zip(units, first, last, strict=True):
        label = f"{agent} session of {names[1]}, {name}"
        yield ratio(label, large, small, f"of {basis}", unit)


def _forget(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def _cursor_filler(path: Path, gigabytes: float) -> Callable[[], None]:
    def fill() -> None:
        with closing(sqlite3.connect(path)) as db:
            rows = int((gigabytes * 1e9 - path.stat().st_size) / _ROW_BYTES)
            first = db.execute("SELECT max(rowid) FROM cursorDiskKV").fetchone()[0]
            numbers = (first + row * 2_654_435_761 for row in range(rows))
            keys = (f"agentKv:blob:{number % 2**64:064x}" for number in numbers)
            with db:
                query = "INSERT INTO cursorDiskKV VALUES (?, ?)"
                db.executemany(query, ((key, "x" * _ROW_BYTES) for key in keys))
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return fill


def _opencode_filler(home: OpenCodeHome, session_id: str, count: int) -> Callable[[], None]:
    def fill() -> None:
        with home.writing() as db:
            first = db.execute("SELECT count(*) FROM session").fetchone()[0]
            db.execute("BEGIN")
            for number in range(first, count):
                _copy(db, session_id, f"ses_copy{number}")
            db.execute("COMMIT")

    return fill


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
