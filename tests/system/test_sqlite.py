"""A database file of ours is private, whole, and safe for many threads and processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import (
    OpenSyncError,
    RejectedError,
    UnreachableError,
    UnusableDestinationError,
)
from opensync_hooks.model import Json

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from opensync_hooks.destinations.store.store import Store
store, session, count = Store(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
store.put_session({"externalId": session}, {})
for number in range(count):
    text = f"{session} {number} " + "x" * 5000
    parts = [{"type": "text", "content": text}] * 3
    body = {"sessionExternalId": session, "externalId": f"{session}-{number}", "role": "user"}
    store.put_message({**body, "parts": parts}, {}, replaces=False)
    print(f"{session}-{number}", flush=True)
"""
READER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA user_version").fetchone()
db.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def text(content: str) -> Json:
    return {"type": "text", "content": content}


def put_message(store: Store, key: str, session: str = "s", **fields: Any) -> str:
    body = {"sessionExternalId": session, "externalId": key, "role": "user", **fields}
    return store.put_message(body, {}, replaces=False)


def messages(store: Store, key: str = "s") -> list[Json]:
    session = store.session(key)
    assert session is not None
    stored: list[Json] = session["messages"]
    return stored


def quick_check(path: Path) -> str:
    """Return `ok`, or what SQLite finds wrong with the file."""
    with closing(sqlite3.connect(path)) as db:
        try:
            return str(db.execute("PRAGMA quick_check").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)


def start_writer(path: Path, session: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), session, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_reopened_store_has_the_same_content(path: Path) -> None:
    with Store(path) as store:
        store_id = store.put_session({"externalId": "s"}, {})
    with Store(path) as again:
        assert again.put_session({"externalId": "s"}, {}) == store_id
    assert quick_check(path) == "ok"


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o277], ids=oct, indirect=True)
@pytest.mark.usefixtures("umask")
def test_files_are_private_under_any_umask(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.put_session({"externalId": "s"}, {})
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("store*")}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


@pytest.mark.parametrize("umask", [0o000, 0o022], ids=oct, indirect=True)
@pytest.mark.usefixtures("umask")
def test_new_folder_is_private_under_any_umask(path: Path) -> None:
    Store(path).close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_concurrent_first_opening_creates_the_schema_once(tmp_path: Path) -> None:
    together = threading.Barrier(8, timeout=300)
    done: list[str] = []

    def open_each(name: str) -> None:
        for number in range(10):
            together.wait()
            with Store(tmp_path / f"{number}.db") as store:
                done.append(store.put_session({"externalId": name}, {}))

    threads = [threading.Thread(target=open_each, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 80


def test_acknowledged_writes_are_synced_to_disk(store: Store) -> None:
    """No test can cut the power; with FULL, SQLite promises to survive it."""
    setting = store._file._db.execute("PRAGMA synchronous").fetchone()[0]
    assert setting == 2


def test_store_that_others_could_read_is_closed_to_them(path: Path) -> None:
    Store(path).close()
    path.chmod(0o644)
    Store(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(UnusableDestinationError, match="not a regular file"):
        Store(path)
    assert not (tmp_path / "elsewhere.db").exists()


def write_garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def write_foreign_database(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE session (x)")
    db.close()


def write_newer_version(path: Path) -> None:
    Store(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_garbage, "damaged, or not a SQLite file"),
        (write_foreign_database, "is another program's database"),
        (write_newer_version, r"was written by a newer opensync-hooks \(version 99"),
    ],
)
def test_file_that_is_not_ours_is_refused_and_unchanged(
    path: Path, write: Callable[[Path], None], message: str
) -> None:
    path.parent.mkdir()
    write(path)
    before = path.read_bytes()
    with pytest.raises(OpenSyncError, match=message) as refused:
        Store(path)
    assert refused.value.hint
    assert not isinstance(refused.value, UnreachableError)
    assert path.read_bytes() == before


def test_every_call_reports_a_damaged_store(store: Store, path: Path) -> None:
    for number in range(50):
        put_message(store, str(number), parts=[text("x" * 4000)])
    store.close()
    with closing(sqlite3.connect(path)) as db:
        tables = "SELECT rootpage FROM sqlite_master WHERE name IN ('session', 'message')"
        pages = [page for (page,) in db.execute(tables)]
    content = bytearray(path.read_bytes())
    for page in pages:
        content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    assert quick_check(path) != "ok"
    with Store(path) as damaged:
        for call in (
            lambda: damaged.put_session({"externalId": "s"}, {}),
            lambda: put_message(damaged, "m"),
            lambda: damaged.put_batch({"sessions": [{"externalId": "s"}]}),
        ):
            with pytest.raises(OpenSyncError, match="damaged") as named:
                call()
            assert "Move it away" in named.value.hint


def test_store_whose_tables_cannot_be_read_is_called_damaged(path: Path) -> None:
    Store(path).close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    with pytest.raises(OpenSyncError, match="damaged") as named:
        Store(path)
    assert "Move it away" in named.value.hint


def test_lock_timeout_is_a_temporary_failure(path: Path) -> None:
    with Store(path, lock_timeout_s=0.05) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnreachableError, match="another process is writing"):
            store.put_session({"externalId": "s"}, {})
        other.execute("ROLLBACK")
        other.close()
        assert store.put_session({"externalId": "s"}, {})


def test_transaction_is_stored_as_a_whole(store: Store, path: Path) -> None:
    with Store(path) as other:
        with store.transaction():
            put_message(store, "m1")
            put_message(store, "m2")
            assert other.session("s") is None
        assert len(messages(other)) == 2


def test_refused_message_leaves_the_rest_of_its_transaction(store: Store) -> None:
    with store.transaction():
        put_message(store, "m1")
        with pytest.raises(RejectedError):
            put_message(store, "m2", role="nobody")
        put_message(store, "m3")
    assert [message["externalId"] for message in messages(store)] == ["m1", "m3"]


def test_failed_transaction_stores_nothing(store: Store) -> None:
    put_message(store, "m1")

    def fail() -> None:
        with store.transaction():
            put_message(store, "m2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [message["externalId"] for message in messages(store)] == ["m1"]
    put_message(store, "m3")


def test_transaction_of_one_thread_keeps_others_waiting(store: Store) -> None:
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.append(len(messages(store))))
    with store.transaction():
        put_message(store, "m1")
        reader.start()
        put_message(store, "m2")
    reader.join()
    assert seen == [2]


def test_full_disk_is_a_temporary_failure_and_stores_nothing_half(store: Store) -> None:
    put_message(store, "m", parts=[text("kept")])
    (pages,) = store._file._db.execute("PRAGMA page_count").fetchone()
    store._file._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UnreachableError, match="the disk is full") as full:
        put_message(store, "m", parts=[text("x" * 1_000_000)])
    assert full.value.hint
    assert messages(store)[0]["parts"] == [text("kept")]
    store._file._db.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    put_message(store, "m", parts=[text("new")])
    assert messages(store)[0]["parts"] == [text("new")]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UnreachableError, match="Permission denied"):
        Store(tmp_path / "store.db")


def test_file_in_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(UnreachableError, match=r"store\.db") as refused:
        Store(tmp_path / "data" / "store.db")
    assert refused.value.hint


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "deleted"])
def test_write_to_a_moved_or_deleted_file_is_not_acknowledged(
    store: Store, path: Path, *, moved: bool
) -> None:
    store.put_session({"externalId": "s"}, {})
    if moved:
        path.rename(path.with_name("moved.db"))
    else:
        path.unlink()
    with pytest.raises(UnreachableError, match="moved or deleted"):
        store.put_session({"externalId": "s"}, {})


def test_closing_a_second_store_leaves_the_first_one_its_locks(path: Path) -> None:
    """With its locks lost, another process would delete the log that this one writes to."""
    with Store(path) as first:
        first.put_session({"externalId": "a"}, {})
        Store(path).close()
        subprocess.run([sys.executable, "-c", READER, str(path)], check=True)
        first.put_session({"externalId": "b"}, {})
        assert path.with_name("store.db-wal").exists()
    with Store(path) as again:
        assert again.session_ids() == ["a", "b"]


def test_threads_share_one_store(store: Store) -> None:
    def write(session: str) -> None:
        for number in range(25):
            put_message(store, f"{session}{number}", session)
            store.sessions()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: len(messages(store, name)) for name in "abcd"} == dict.fromkeys("abcd", 25)


def test_four_processes_write_at_once_and_lose_nothing(path: Path) -> None:
    writers = [start_writer(path, name, 40) for name in "abcd"]
    outputs = [writer.communicate(timeout=300)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    with Store(path) as store:
        for name, output in zip("abcd", outputs, strict=True):
            assert [message["externalId"] for message in messages(store, name)] == output.split()
        assert quick_check(path) == "ok"


def test_killed_writer_leaves_every_acknowledged_message_complete(path: Path) -> None:
    writer = start_writer(path, "s", 100_000)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(30)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.communicate()[0].split()
    with Store(path) as store:
        assert quick_check(path) == "ok"
        stored = {message["externalId"]: message["parts"] for message in messages(store)}
        assert set(acknowledged) <= set(stored)
        assert {len(parts) for parts in stored.values()} == {3}
        assert put_message(store, "s-0", textContent="more")
