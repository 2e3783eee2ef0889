"""`doctor` checks small files as a whole, and large ones by a sample unless `--full` is given."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from opensync_hooks.cli.doctor import storage
from opensync_hooks.cli.doctor.finding import Finding
from opensync_hooks.destinations.store.search_query import parse_query
from opensync_hooks.destinations.store.store import Store
from tests.bench.made_up_sessions import session
from tests.commandline import run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ours" / "store.db"
    with Store(path) as store:
        for number in range(20):
            made_up = session(number, 20)
            with store.transaction():
                store.put_session(made_up.body, made_up.extra)
                for body, extra in made_up.messages:
                    store.put_message(body, extra, replaces=False)
    return path


@pytest.fixture
def large(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(storage, "_MAX_CHECKED_BYTES", 0)
    return path


def steps(path: Path, *, is_full: bool) -> int:
    """How many thousands of instructions SQLite executes for the check of the file."""
    return steps_of(partial(storage.database, "store", path, "", is_full=is_full))


def steps_of(check: Callable[[], Iterator[Finding]]) -> int:
    counted = []
    real = sqlite3.connect

    def connect(*arguments: object, **options: object) -> sqlite3.Connection:
        db: sqlite3.Connection = real(*arguments, **options)  # type: ignore[call-overload]
        db.set_progress_handler(lambda: counted.append(1), 1_000)
        return db

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect)
        list(check())
    return len(counted)


def test_sample_takes_the_same_work_however_large_the_store_is(large: Path) -> None:
    small_sample, small_full = steps(large, is_full=False), steps(large, is_full=True)
    with Store(large) as store, store.transaction():
        for number in range(100, 200):
            made_up = session(number, 40)
            store.put_session(made_up.body, made_up.extra)
            for body, extra in made_up.messages:
                store.put_message(body, extra, replaces=False)
    assert steps(large, is_full=True) > 4 * small_full
    assert steps(large, is_full=False) < 2 * small_sample


def test_large_store_is_said_to_be_sampled(large: Path) -> None:
    (finding,) = storage.database("store", large, "")
    assert finding.state == "ok"
    assert "a sample of its rows; `opensync-hooks doctor --full` reads all of it" in finding.fact


def test_sample_notices_damaged_rows(large: Path) -> None:
    with closing(sqlite3.connect(large)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'message'"
        (page,) = db.execute(query).fetchone()
    content = bytearray(large.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    large.write_bytes(content)
    (finding,) = storage.database("store", large, "move it away")
    assert (finding.state, finding.cure) == ("failed", "move it away")


@pytest.mark.usefixtures("path")
def test_full_check_also_reads_the_index() -> None:
    assert "search index:        complete" in run("doctor", "--full").stdout
    assert "search index" not in run("doctor").stdout


def test_damaged_index_is_made_again(path: Path) -> None:
    with Store(path) as store:
        store._file._db.execute("DELETE FROM message_search_docsize WHERE id % 2")
    completed = run("doctor", "--full")
    assert "it is made again by the next search" in completed.stdout
    with Store(path) as store:
        assert store.search_index.backlog() > 0
    assert "search index:        complete" in run("doctor", "--full").stdout
    assert run("search", "tool:Bash").returncode == 0
    with Store(path) as store:
        assert store.search_index.backlog() == 0
        assert store.search_index.problems() == []
        assert store.search(parse_query("tool:Bash"), 0, 5)


def test_wrong_sums_are_made_again(path: Path) -> None:
    with Store(path) as store:
        _, expected = store.spending("day")
        assert expected.calls > 0
        store._file._db.execute("UPDATE spending SET calls = calls + 1")
    completed = run("doctor", "--full")
    assert "sessions differed from their rows and have been rebuilt" in completed.stdout
    assert "sums:                as the rows of the store" in run("doctor", "--full").stdout
    with Store(path) as store:
        assert store.spending("day")[1].as_json() == expected.as_json()


@pytest.mark.parametrize("change", ["cost = cost + 1", "day = '2020-01-01'", "model = 'other'"])
def test_sample_notices_wrong_sums_and_leaves_them_to_the_full_check(
    path: Path, change: str
) -> None:
    with Store(path) as store:
        newest = "SELECT max(arrival) FROM session"
        store._file._db.execute(f"UPDATE spending SET {change} WHERE session = ({newest})")  # noqa: S608 - see above
    for _ in range(2):
        assert "wrong for 1 session of a sample" in run("doctor").stdout
    assert "been rebuilt" in run("doctor", "--full").stdout
    assert "sums:                as the rows of the store, in a sample" in run("doctor").stdout


def test_sample_of_sums_takes_the_same_work_however_large_the_store_is(path: Path) -> None:
    small = steps_of(partial(storage.sampled_sums, path))
    with Store(path) as store, store.transaction():
        for number in range(20, 2_000):
            made_up = session(number, 2)
            store.put_session(made_up.body, made_up.extra)
    assert 0 < steps_of(partial(storage.sampled_sums, path)) < 3 * small


def test_store_of_an_earlier_version_is_not_sampled(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE spending")
    assert list(storage.sampled_sums(path)) == []
