"""A file of an older version is brought up to date in one transaction, or stays as it is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from opensync_hooks.errors import UnusableDestinationError
from opensync_hooks.system.sqlite import Schema, SqliteFile

ROOT = Path(__file__).parents[2]
ID = 0x4F535454
FIRST = ("CREATE TABLE plant (name TEXT)", "INSERT INTO plant VALUES ('fern'), ('moss')")
SECOND = (
    "ALTER TABLE plant ADD COLUMN height INTEGER",
    "UPDATE plant SET height = length(name)",
    "CREATE INDEX plant_by_height ON plant (height)",
)
THIRD = ("CREATE TABLE pot (width INTEGER)",)
KILLED = """
import os, signal, sys
from pathlib import Path
from opensync_hooks.system.sqlite import Schema, SqliteFile
from tests.system.test_migrations import FIRST, ID, SECOND, THIRD

class DiesAfter(tuple):
    def __iter__(self):
        yield from list(super().__iter__())[: int(sys.argv[2])]
        os.kill(os.getpid(), signal.SIGKILL)

SqliteFile(Path(sys.argv[1]), Schema(ID, (FIRST, SECOND, DiesAfter(THIRD)), ()))
"""


def schema(*migrations: tuple[str, ...]) -> Schema:
    return Schema(ID, migrations, ())


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        return [f"version {version}", *db.iterdump()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "garden.db"


def create(path: Path, *migrations: tuple[str, ...]) -> None:
    SqliteFile(path, schema(*migrations)).close()


def test_migrated_file_and_new_file_are_the_same(path: Path, tmp_path: Path) -> None:
    create(path, FIRST)
    create(path, FIRST, SECOND, THIRD)
    new = tmp_path / "new.db"
    create(new, FIRST, SECOND, THIRD)
    assert dump(path) == dump(new)
    assert "version 3" in dump(path)


def test_file_of_every_version_is_migrated_with_its_rows(path: Path) -> None:
    create(path, FIRST, SECOND)
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO plant VALUES ('oak', 900)")
        db.commit()
    create(path, FIRST, SECOND, THIRD)
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, height FROM plant ORDER BY height").fetchall()
    assert rows == [("fern", 4), ("moss", 4), ("oak", 900)]


@pytest.mark.parametrize("statements", [0, 1])
@pytest.mark.parametrize("exists", [True, False], ids=["old file", "new file"])
def test_kill_in_a_migration_leaves_the_old_version(
    path: Path, statements: int, *, exists: bool
) -> None:
    if exists:
        create(path, FIRST)
    else:
        path.touch()
    before = dump(path)
    command = [sys.executable, "-c", KILLED, str(path), str(statements)]
    killed = subprocess.run(command, cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert dump(path) == before
    create(path, FIRST, SECOND, THIRD)
    assert "version 3" in dump(path)


def test_migration_that_fails_leaves_the_old_version_and_no_lock(path: Path) -> None:
    create(path, FIRST)
    before = dump(path)
    with pytest.raises(UnusableDestinationError):
        create(path, FIRST, SECOND, ("CREATE TABLE plant (name TEXT)",))
    assert dump(path) == before
    create(path, FIRST, SECOND)
    assert "version 2" in dump(path)


def test_older_program_leaves_a_newer_file_as_it_is(path: Path) -> None:
    create(path, FIRST, SECOND)
    before = path.read_bytes()
    with pytest.raises(UnusableDestinationError, match="newer opensync-hooks") as refused:
        create(path, FIRST)
    assert refused.value.hint == "Update opensync-hooks."
    assert path.read_bytes() == before


def test_processes_that_open_an_old_file_together_migrate_it_once(path: Path) -> None:
    create(path, FIRST)
    together = threading.Barrier(6, timeout=300)

    def migrate() -> None:
        together.wait()
        create(path, FIRST, SECOND, THIRD)

    threads = [threading.Thread(target=migrate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "version 3" in dump(path)
