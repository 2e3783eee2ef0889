"""Reading a database that another program owns: complete, current, and without a trace."""

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
from opensync_hooks.agents import sqlite_snapshot
query = "SELECT max(value) FROM t"
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    print(sqlite_snapshot.read(Path(sys.argv[2]), lambda db: db.execute(query).fetchall()))
except SourceError as error:
    print(error, error.hint)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can enter, too."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


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
    """Return the digest of every file in the folder; any reader changes the lock area, -shm."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.parent.iterdir())
        if not file.name.endswith("-shm")
    }


Setup = Callable[[Path], Path]
"""Creates a database in a certain state and returns its path."""


def closed(folder: Path) -> Path:
    make(folder / "x.db", "WAL").close()
    return folder / "x.db"


def killed(folder: Path) -> Path:
    """All rows are in the -wal, and there is no lock area, as after a crash or in a copy."""
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


@pytest.mark.parametrize("setup", [closed, killed, rollback])
def test_file_in_any_state_is_read_and_left_unchanged(folder: Path, setup: Setup) -> None:
    path = setup(folder / "inner")
    before = digests(path)
    assert sqlite_snapshot.read(path, values) == [0]
    assert digests(path) == before


@pytest.mark.parametrize("setup", [closed, rollback])
def test_read_only_folder_can_be_read(folder: Path, setup: Setup) -> None:
    path = setup(folder / "inner")
    assert read_as_nobody(path) == "[(0,)]"
    assert [file.name for file in path.parent.iterdir()] == ["x.db"]


def test_log_in_a_read_only_folder_is_refused_instead_of_ignored(folder: Path) -> None:
    assert "copy it with its -wal elsewhere" in read_as_nobody(killed(folder / "inner"))


def read_as_nobody(path: Path) -> str:
    """Return what a process may read that cannot write there; root may write everywhere."""
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    command = [sys.executable, "-c", READER, str(ROOT), str(path)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    path.parent.chmod(0o755)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_rows_that_are_only_in_the_log_are_read(tmp_path: Path) -> None:
    with closing(make(tmp_path / "x.db", "WAL")) as db:
        db.execute("INSERT INTO t VALUES (99, 7)")
        assert sqlite_snapshot.read(tmp_path / "x.db", values) == [0, 7]


@pytest.fixture(params=["WAL", "DELETE"])
def rewritten(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A database, and the id of a process that rewrites it two hundred times a second."""
    path = tmp_path / "live" / "x.db"
    make(path, request.param).close()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stderr=subprocess.PIPE)
    assert writer.stderr
    yield path, writer.pid
    exit_code = writer.poll()
    writer.kill()
    writer.wait()
    errors = writer.stderr.read().decode()
    writer.stderr.close()
    assert exit_code is None, errors


def test_each_read_sees_one_state_while_the_owner_writes(rewritten: tuple[Path, int]) -> None:
    path, _ = rewritten
    reads = []
    end = time.monotonic() + 2
    while time.monotonic() < end:
        reads.append(sqlite_snapshot.read(path, values))
        time.sleep(0.005)
    assert {len(generations) for generations in reads} == {1}
    assert reads == sorted(reads)
    assert len({generations[0] for generations in reads}) > 5


def test_no_byte_changes_while_the_owner_is_stopped(
    rewritten: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_snapshot, "LOCK_TIMEOUT_S", 0.1)
    path, writer = rewritten
    for _ in range(10):
        time.sleep(0.02)
        os.kill(writer, signal.SIGSTOP)
        before = digests(path)
        with suppress(SourceError):  # stopped in the middle of a commit with a rollback journal
            sqlite_snapshot.read(path, values)
        after = digests(path)
        os.kill(writer, signal.SIGCONT)
        assert after == before


def test_locked_database_is_an_error_after_the_lock_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.db"

    def seconds_until_error(lock_timeout: float) -> float:
        monkeypatch.setattr(sqlite_snapshot, "LOCK_TIMEOUT_S", lock_timeout)
        began = time.monotonic()
        with pytest.raises(SourceError, match="locked by the program"):
            sqlite_snapshot.read(path, values)
        return time.monotonic() - began

    with closing(make(path, "WAL")) as db:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("INSERT INTO t VALUES (1, 1)")
        assert any(2 * seconds_until_error(0.05) < seconds_until_error(0.8) for _ in range(3))
        db.execute("ROLLBACK")


def test_file_that_is_opened_during_the_read_is_read_again(tmp_path: Path) -> None:
    path = closed(tmp_path)
    owners: list[sqlite3.Connection] = []

    def query(db: sqlite3.Connection) -> list[int]:
        generations = values(db)
        if not owners:
            owners.append(sqlite3.connect(path, isolation_level=None))
            owners[0].execute("UPDATE t SET value = 8")
        return generations

    assert sqlite_snapshot.read(path, query) == [8]
    owners[0].close()


def test_file_that_is_opened_during_every_read_is_an_error(tmp_path: Path) -> None:
    path = closed(tmp_path)

    def query(_: sqlite3.Connection) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE t SET value = value + 1")

    with pytest.raises(SourceError, match="keeps opening"):
        sqlite_snapshot.read(path, query)


def test_forbidden_table_cannot_be_read(tmp_path: Path) -> None:
    path = closed(tmp_path)
    login = frozenset({"login"})
    with pytest.raises(SourceError, match="prohibited"):
        sqlite_snapshot.read(
            path, lambda db: db.execute("SELECT * FROM login").fetchall(), forbidden=login
        )
    assert sqlite_snapshot.read(path, values, forbidden=login) == [0]


def test_snapshot_cannot_be_written_to(tmp_path: Path) -> None:
    for path in (closed(tmp_path / "a"), rollback(tmp_path / "b")):
        with pytest.raises(SourceError):
            sqlite_snapshot.read(path, lambda db: db.execute("DELETE FROM t").fetchall())


@pytest.mark.parametrize("content", [b"SQLite format 3", b"x" * 5_000, None])
def test_file_that_is_not_a_database_is_an_error_with_its_name(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "x #?%20.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match="x #"):
        sqlite_snapshot.read(path, values)


def test_damaged_database_gives_an_error_or_a_result(tmp_path: Path) -> None:
    path = rollback(tmp_path)
    intact = path.read_bytes()
    for page in range(0, len(intact), 4096):
        for damage in (bytes(4096), b"\xff" * 4096):
            path.write_bytes(intact[:page] + damage + intact[page + 4096 :])
            with suppress(SourceError):
                assert sqlite_snapshot.read(path, values) in ([], [0])
