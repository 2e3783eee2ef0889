"""Reading a database that another program owns: whole, current, and without leaving a trace."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.errors import SourceError

ROOT = Path(__file__).parents[2]
WRITER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
generation = 0
while True:
    generation += 1
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(key, generation) for key in range(60)])
    db.execute("COMMIT")
    time.sleep(0.005)
"""
READER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from opensync_hooks.errors import SourceError
from opensync_hooks.agents import sqlite_snapshot as snapshot
query = "SELECT max(value) FROM t"
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    print(snapshot.read(Path(sys.argv[2]), lambda db: db.execute(query).fetchall()))
except SourceError as error:
    print(error, error.hint)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other users can get into, too."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def make(path: Path, journal: str) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode={journal}")
    db.execute("CREATE TABLE t (key INTEGER UNIQUE ON CONFLICT REPLACE, value)")
    db.execute("CREATE TABLE login (token)")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(key, 0) for key in range(60)])
    return db


def values(db: sqlite3.Connection) -> list[int]:
    low = db.execute("SELECT value FROM t WHERE key < 30").fetchall()
    high = db.execute("SELECT value FROM t WHERE key >= 30").fetchall()
    return sorted({row[0] for row in (*low, *high)})


def digests(path: Path) -> dict[str, str]:
    """Every file in the folder by its content, but for the lock area that any reader changes."""
    return {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        for one in sorted(path.parent.iterdir())
        if not one.name.endswith("-shm")
    }


State = Callable[[Path], Path]


def closed(folder: Path) -> Path:
    make(folder / "x.db", "WAL").close()
    return folder / "x.db"


def killed(folder: Path) -> Path:
    """All rows in the -wal, and no lock area: as a crash leaves it, or a copy."""
    db = make(folder / "from" / "x.db", "WAL")
    (folder / "to").mkdir()
    for suffix in ("", "-wal"):
        content = (folder / "from" / f"x.db{suffix}").read_bytes()
        (folder / "to" / f"x.db{suffix}").write_bytes(content)
    db.close()
    assert (folder / "to" / "x.db").stat().st_size == 4096
    return folder / "to" / "x.db"


def rollback(folder: Path) -> Path:
    make(folder / "x.db", "DELETE").close()
    return folder / "x.db"


@pytest.mark.parametrize("state", [closed, killed, rollback])
def test_file_in_every_state_is_read_and_stays_as_it_was(folder: Path, state: State) -> None:
    path = state(folder / "inner")
    before = digests(path)
    assert sqlite_snapshot.read(path, values) == [0]
    assert digests(path) == before


@pytest.mark.parametrize("state", [closed, rollback])
def test_folder_that_cannot_be_written_is_no_hindrance(folder: Path, state: State) -> None:
    path = state(folder / "inner")
    assert as_nobody(path) == "[(0,)]"
    assert [one.name for one in path.parent.iterdir()] == ["x.db"]


def test_log_in_a_folder_that_cannot_be_written_is_refused_and_never_left_out(
    folder: Path,
) -> None:
    assert "copy it with its -wal elsewhere" in as_nobody(killed(folder / "inner"))


def as_nobody(path: Path) -> str:
    """What a process without the right to write there finds; root may write everywhere."""
    for one in path.parent.iterdir():
        one.chmod(0o444)
    path.parent.chmod(0o555)
    command = [sys.executable, "-c", READER, str(ROOT), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    path.parent.chmod(0o755)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_rows_that_stand_in_the_log_alone_are_seen(tmp_path: Path) -> None:
    with closing(make(tmp_path / "x.db", "WAL")) as db:
        db.execute("INSERT INTO t VALUES (99, 7)")
        assert sqlite_snapshot.read(tmp_path / "x.db", values) == [0, 7]


@pytest.fixture(params=["WAL", "DELETE"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A database that a process rewrites two hundred times a second, and the process."""
    path = tmp_path / "live" / "x.db"
    make(path, request.param).close()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stderr=subprocess.PIPE)
    assert writer.stderr
    yield path, writer.pid
    ended = writer.poll()
    writer.kill()
    writer.wait()
    said = writer.stderr.read().decode()
    writer.stderr.close()
    assert ended is None, said


def test_each_reading_is_one_state_while_the_owner_writes(written: tuple[Path, int]) -> None:
    path, _ = written
    seen = []
    end = time.monotonic() + 2
    while time.monotonic() < end:
        seen.append(sqlite_snapshot.read(path, values))
        time.sleep(0.005)
    assert {len(found) for found in seen} == {1}
    assert seen == sorted(seen)
    assert len({found[0] for found in seen}) > 5


def test_no_byte_changes_while_the_owner_is_held(
    written: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_snapshot, "PATIENCE_S", 0.1)
    path, writer = written
    for _ in range(10):
        time.sleep(0.02)
        os.kill(writer, signal.SIGSTOP)
        before = digests(path)
        with suppress(SourceError):  # held in the middle of a commit of the old kind
            sqlite_snapshot.read(path, values)
        after = digests(path)
        os.kill(writer, signal.SIGCONT)
        assert after == before


def test_owner_that_lets_nobody_read_is_an_error_and_no_empty_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.db"

    def waited(patience: float) -> float:
        monkeypatch.setattr(sqlite_snapshot, "PATIENCE_S", patience)
        began = time.monotonic()
        with pytest.raises(SourceError, match="lets nobody read"):
            sqlite_snapshot.read(path, values)
        return time.monotonic() - began

    with closing(make(path, "WAL")) as db:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("INSERT INTO t VALUES (1, 1)")
        assert any(2 * waited(0.05) < waited(0.8) for _ in range(3)), "as long as its patience"
        db.execute("ROLLBACK")


def test_file_that_is_opened_during_the_reading_is_read_again(tmp_path: Path) -> None:
    path = closed(tmp_path)
    opened: list[sqlite3.Connection] = []

    def work(db: sqlite3.Connection) -> list[int]:
        found = values(db)
        if not opened:
            opened.append(sqlite3.connect(path, isolation_level=None))
            opened[0].execute("UPDATE t SET value = 8")
        return found

    assert sqlite_snapshot.read(path, work) == [8]
    opened[0].close()


def test_file_that_is_opened_all_the_time_is_given_up(tmp_path: Path) -> None:
    path = closed(tmp_path)

    def work(_: sqlite3.Connection) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE t SET value = value + 1")

    with pytest.raises(SourceError, match="keeps opening"):
        sqlite_snapshot.read(path, work)


def test_forbidden_table_cannot_be_read(tmp_path: Path) -> None:
    path = closed(tmp_path)
    login = frozenset({"login"})
    with pytest.raises(SourceError, match="prohibited"):
        sqlite_snapshot.read(
            path, lambda db: db.execute("SELECT * FROM login").fetchall(), forbidden=login
        )
    assert sqlite_snapshot.read(path, values, forbidden=login) == [0]


def test_nothing_can_be_written_through_it(tmp_path: Path) -> None:
    for path in (closed(tmp_path / "a"), rollback(tmp_path / "b")):
        with pytest.raises(SourceError):
            sqlite_snapshot.read(path, lambda db: db.execute("DELETE FROM t").fetchall())


@pytest.mark.parametrize("content", [b"SQLite format 3", b"x" * 5_000, None])
def test_file_that_is_no_database_is_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x #?%20.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match="x #"):
        sqlite_snapshot.read(path, values)


def test_damaged_database_ends_in_an_error_or_in_an_answer(tmp_path: Path) -> None:
    path = rollback(tmp_path)
    whole = path.read_bytes()
    for page in range(0, len(whole), 4096):
        for damage in (bytes(4096), b"\xff" * 4096):
            path.write_bytes(whole[:page] + damage + whole[page + 4096 :])
            with suppress(SourceError):
                assert sqlite_snapshot.read(path, values) in ([], [0])
