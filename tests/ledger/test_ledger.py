"""The ledger's file is private, survives kills and damage, and reads what older versions wrote."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.ledger import charges, losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageRecord, MessageState, RemoteSession
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.system import clock
from opensync_hooks.system.sqlite import DamagedError, SqliteFile
from tests.ledger.records import HERE, confirmed, fill, is_usable, record_of

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parents[1] / "data" / "ledger" / "version-6.db"
NOBODY = 65534


def damaged_files(path: Path) -> list[Path]:
    return list(path.parent.glob("ledger.db.damaged-*"))


def random_bytes(length: int) -> bytes:
    return random.Random(7).randbytes(length)  # noqa: S311 - the same in every run


# ---- files of older versions ---------------------------------------------------------------------

_VERSION_1 = """
    CREATE TABLE session (
        destination TEXT, agent TEXT, id TEXT, remote_id TEXT, head TEXT, title TEXT,
        end_reason TEXT, fingerprint TEXT, synced_at INTEGER, unpriced TEXT,
        PRIMARY KEY (destination, agent, id)) WITHOUT ROWID;
    CREATE TABLE message (
        destination TEXT, agent TEXT, session TEXT, id TEXT, hash TEXT, state TEXT, reason TEXT,
        PRIMARY KEY (destination, agent, session, id)) WITHOUT ROWID;
    CREATE TABLE charge (
        destination TEXT, agent TEXT, id TEXT, session TEXT,
        PRIMARY KEY (destination, agent, id)) WITHOUT ROWID;
    CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT, at INTEGER) WITHOUT ROWID;
    INSERT INTO session VALUES
        ('embedded store', 'claude-code', 's1', 'r1', 'h', 'Title', 'clear', 'f1', 7, 'm');
    INSERT INTO message VALUES
        ('embedded store', 'claude-code', 's1', 'm1', 'h1', 'confirmed', NULL),
        ('embedded store', 'claude-code', 's1', 'm2', 'h2', 'in doubt', NULL),
        ('embedded store', 'claude-code', 's1', 'm3', 'h3', 'parked', 'too large'),
        ('embedded store', 'claude-code', 's1', 'm4', 'h4', 'dropped', 'too large');
    INSERT INTO charge VALUES ('embedded store', 'claude-code', 'c1', 's0');
    INSERT INTO note VALUES ('last error', 'the server was away', 7);
    PRAGMA application_id = 0x4F534C47;
    PRAGMA user_version = 1;
"""
_VERSION_2 = """
    CREATE TABLE rest (
        destination TEXT PRIMARY KEY, cause TEXT, reason TEXT, since INTEGER, until INTEGER,
        tries INTEGER, login TEXT) WITHOUT ROWID;
    CREATE TABLE loss (
        destination TEXT, agent TEXT, session TEXT, kind TEXT, count INTEGER,
        PRIMARY KEY (destination, agent, session, kind)) WITHOUT ROWID;
    INSERT INTO loss VALUES ('embedded store', 'claude-code', 's1', 'texts cut short', 2);
    PRAGMA user_version = 2;
"""
_VERSION_3 = """
    ALTER TABLE session ADD COLUMN origin TEXT;
    PRAGMA user_version = 3;
"""
_VERSION_4 = """
    CREATE TABLE stated_free (
        destination TEXT, agent TEXT, session TEXT, model TEXT, list_price REAL,
        PRIMARY KEY (destination, agent, session, model)) WITHOUT ROWID;
    PRAGMA user_version = 4;
"""
_VERSION_5 = """
    CREATE TABLE account (login TEXT PRIMARY KEY, destination TEXT) WITHOUT ROWID;
    PRAGMA user_version = 5;
"""
_VERSIONS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)


@pytest.mark.parametrize("version", range(1, len(_VERSIONS) + 1))
def test_file_of_an_older_version_keeps_everything(path: Path, version: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.executescript("".join(_VERSIONS[:version]))
    for origin in (None, "database"):  # upgraded by the first, and opened again by the second
        with Ledger(path) as ledger:
            record = record_of(ledger)
            assert record.remote_session() == RemoteSession("r1", "h", "Title", "clear")
            assert [record.message(f"m{number}") for number in range(1, 5)] == [
                MessageRecord(f"h{number}", state) for number, state in enumerate(
                    (MessageState.CONFIRMED, MessageState.PENDING, MessageState.QUARANTINED,
                     MessageState.DISMISSED), 1)
            ]  # fmt: skip
            assert record.fingerprint() == "f1"
            assert record.state("f1") is SyncState.UP_TO_DATE
            assert charges.owners(record, ["c1"]) == {"c1": "s0"}
            assert ledger.note("last error") == ("the server was away", 7)
            assert losses.total(ledger, HERE) == ({losses.CUT_TEXTS: 2} if version > 1 else {})
            assert record.origin() == origin
            record.set_origin("database")
            assert summarize(ledger, HERE).unpriced == ("m",)


def test_recorded_ledger_keeps_every_row(path: Path) -> None:
    """The file was written by the code of its own version, from real sessions."""
    path.parent.mkdir()
    shutil.copyfile(RECORDED, path)
    tables = "session", "message", "charge", "note", "skipped", "stated_free"

    def rows() -> list[list[Any]]:
        with closing(sqlite3.connect(path)) as db:
            return [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608

    before = rows()
    Ledger(path).close()
    after = rows()
    assert [len(table) for table in before[:3]] == [18, 98, 47]
    for old_table, new_table in zip(before, after, strict=True):
        assert [row[: len(old)] for row, old in zip(new_table, old_table, strict=True)] == old_table


def test_file_bears_our_application_id(path: Path) -> None:
    """With another one, existing ledgers would be taken for other programs' databases."""
    with Ledger(path):
        pass
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (0x4F534C47,)


# ---- notes ---------------------------------------------------------------------------------------


def test_note_is_kept_with_its_time_until_it_is_deleted(path: Path) -> None:
    start = clock.now()
    with Ledger(path) as ledger:
        assert ledger.note("last error") is None
        ledger.set_note("last error", "one")
        ledger.set_note("last error", "two")
    with Ledger(path) as ledger:
        note = ledger.note("last error")
        assert note
        assert note.text == "two"
        assert start <= note.at <= clock.now()
        ledger.set_note("last error", None)
        assert ledger.note("last error") is None


# ---- damage --------------------------------------------------------------------------------------


def _random_file(path: Path) -> None:
    path.write_bytes(random_bytes(20_000))


def _random_after_the_magic(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + random_bytes(20_000))


def _text(path: Path) -> None:
    path.write_text("not a database at all, but long enough to be one" * 100)


def _truncated_to_half(path: Path) -> None:
    fill(path)
    os.truncate(path, path.stat().st_size // 2)


def _truncated_in_the_first_page(path: Path) -> None:
    fill(path)
    os.truncate(path, 1500)


def _zeros(path: Path) -> None:
    fill(path)
    path.write_bytes(bytes(path.stat().st_size))


def _empty(path: Path) -> None:
    fill(path)
    os.truncate(path, 0)


def _random_log(path: Path) -> None:
    _random_file(path)
    path.with_name("ledger.db-wal").write_bytes(random_bytes(5_000))
    path.with_name("ledger.db-shm").write_bytes(random_bytes(5_000))


def overwrite_after_the_schema(path: Path) -> None:
    fill(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


@pytest.mark.parametrize(
    "damage",
    [
        _random_file, _random_after_the_magic, _text, _truncated_to_half,
        _truncated_in_the_first_page, _zeros, _empty, _random_log,
    ],
    ids=lambda damage: damage.__name__.strip("_"),
)  # fmt: skip
def test_damaged_ledger_is_moved_aside_for_a_new_one(
    path: Path, damage: Callable[[Path], None]
) -> None:
    path.parent.mkdir()
    damage(path)
    content = path.read_bytes()
    assert is_usable(path)
    assert [file.read_bytes() for file in damaged_files(path)] == ([content] if content else [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_side_files_of_a_damaged_ledger_are_removed(path: Path, suffix: str) -> None:
    fill(path, 5)
    path.write_bytes(b"damaged" * 1000)
    side_file = path.with_name(path.name + suffix)
    side_file.write_bytes(b"of the old one")
    with Ledger(path):
        assert not side_file.exists() or side_file.read_bytes() != b"of the old one"
    assert is_usable(path)


def test_damage_that_shows_in_use_is_our_error_and_gone_at_the_next_start(path: Path) -> None:
    overwrite_after_the_schema(path)
    with Ledger(path) as ledger:
        record = record_of(ledger)
        with pytest.raises(UnreachableError, match="damaged"):
            record.message("m1")
        with pytest.raises(UnreachableError, match="damaged"):
            charges.claim(record, ["c"])
    assert is_usable(path)
    assert len(damaged_files(path)) == 1


def test_second_run_that_met_the_damage_leaves_the_new_ledger_in_place(path: Path) -> None:
    overwrite_after_the_schema(path)
    first, second = Ledger(path), Ledger(path)
    for ledger in (first, second):
        with pytest.raises(UnreachableError, match="damaged"):
            record_of(ledger).message("m1")
    first.close()
    with Ledger(path) as new:
        record = record_of(new)
        record.set_message("m1", "h", MessageState.CONFIRMED)
        second.close()
        assert record.message("m1") == confirmed("h")
        record.set_message("m2", "h", MessageState.CONFIRMED)
    with Ledger(path) as reopened:
        assert record_of(reopened).message("m2")


def test_new_ledger_of_another_run_is_not_taken_for_the_damaged_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_bytes(random_bytes(5_000))

    def open_late(*arguments: Any) -> SqliteFile:
        """Another run replaces the file as soon as this one has met the damage."""
        monkeypatch.setattr("opensync_hooks.ledger.ledger.SqliteFile", SqliteFile)
        try:
            return SqliteFile(*arguments)
        except DamagedError:
            fill(path, 1)
            raise

    monkeypatch.setattr("opensync_hooks.ledger.ledger.SqliteFile", open_late)
    with Ledger(path) as ledger:
        assert record_of(ledger).message("m0"), "the other run wrote it"


# ---- a path that cannot be used ------------------------------------------------------------------


def _below_a_file(path: Path) -> None:
    path.parent.touch()


def _folder(path: Path) -> None:
    path.mkdir(parents=True)


def _link(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "elsewhere.db")


def _pipe(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)


@pytest.mark.parametrize("occupy", [_below_a_file, _folder, _link, _pipe])
def test_path_that_cannot_be_a_ledger_is_an_error_of_ours(
    path: Path, occupy: Callable[[Path], None]
) -> None:
    occupy(path)
    with pytest.raises(OpenSyncError) as caught:
        Ledger(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


@contextmanager
def without_root_rights() -> Iterator[None]:
    """Root may write everywhere; inside the block this process is not root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("exists", [False, True])
def test_folder_that_cannot_be_written_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    monkeypatch.chdir(folder)  # `nobody` cannot walk down to it
    if exists:
        fill(Path("ledger.db"), 1)
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, -1)  # a folder of another user is refused before anything else
    try:
        with without_root_rights(), pytest.raises(OpenSyncError, match=r"ledger\.db"):
            Ledger(Path("ledger.db"))
    finally:
        folder.chmod(0o755)
    assert damaged_files(folder / "ledger.db") == []


def test_all_files_are_private_whatever_the_umask(path: Path) -> None:
    umask = os.umask(0)
    try:
        with Ledger(path) as ledger:
            ledger.set_note("last error", "x")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


# ---- several processes, and no room --------------------------------------------------------------


def test_lock_of_another_process_is_a_temporary_error(path: Path) -> None:
    fill(path, 1)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        Ledger(path, lock_timeout=0.05) as ledger,
    ):
        record = record_of(ledger)
        other.execute("BEGIN IMMEDIATE")
        for write in (
            lambda: record.set_message("m1", "h", MessageState.CONFIRMED),
            lambda: charges.claim(record, ["c"]),
            record.forget,
            record.mark_pending,
            lambda: record.set_fingerprint("f"),
            lambda: ledger.set_note("last error", "x"),
        ):
            with pytest.raises(UnreachableError, match="another process is writing") as caught:
                write()
            assert caught.value.hint
        assert record.message("m0") == confirmed("h" * 64)
        other.execute("ROLLBACK")
        record.set_message("m1", "h", MessageState.CONFIRMED)
        assert record.message("m1")


def test_ledger_that_is_locked_at_the_start_is_not_taken_for_damaged(path: Path) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Ledger(path, lock_timeout=0.05) as ledger:
            assert record_of(ledger).message("m0"), "readers wait for nobody"
    with Ledger(path) as ledger:
        assert record_of(ledger).message("m0")
    assert damaged_files(path) == []


def test_full_disk_is_a_temporary_error_and_loses_nothing(path: Path) -> None:
    fill(path)
    with Ledger(path) as ledger:
        record, db = record_of(ledger), ledger._database._db
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(UnreachableError, match="full"):
            charges.claim(record, (f"charge {number}" for number in range(10_000)))
        with pytest.raises(UnreachableError, match="full"):
            record.set_message("n", "h" * 100_000, MessageState.CONFIRMED)
        assert record.message("m499") == confirmed("h" * 64)
        db.execute("PRAGMA max_page_count = 1000000")
        assert charges.claim(record, ["charge 1"]) == {"charge 1": "s1"}
    assert damaged_files(path) == []


_WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from opensync_hooks.ledger import charges
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
path, run = sys.argv[1:]
with Ledger(Path(path)) as ledger:
    record = SessionRecord(ledger, "embedded store", "claude-code", "s1")
    record.set_remote_id("r1")
    for number in range(10**9):
        record.set_message(f"{run}-{number}", "h" * 64, MessageState.CONFIRMED)
        print(f"{run}-{number}", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_kill_while_writing_loses_no_confirmed_message(path: Path) -> None:
    message_ids: list[str] = []
    for run in range(5):
        command = [sys.executable, "-c", _WRITE_UNTIL_KILLED, str(path), str(run)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            message_ids += [writer.stdout.readline().strip() for _ in range(40 + run * 7)]
            writer.kill()
    with Ledger(path) as ledger:
        record = record_of(ledger)
        assert len(message_ids) == 270
        assert all(record.message(message_id) == confirmed("h" * 64) for message_id in message_ids)
    assert damaged_files(path) == []


def test_second_ledger_in_one_process_does_not_drop_the_locks_of_the_first(path: Path) -> None:
    """Opening and closing the file drops the locks of every connection that has it open.

    Another process that ends then takes itself for the last one, and deletes the log.
    """
    script = (
        "import sys; from pathlib import Path; from opensync_hooks.ledger.ledger import Ledger\n"
        "with Ledger(Path(sys.argv[1])) as ledger: print(ledger.note('last error'))"
    )
    command = [sys.executable, "-c", script, str(path)]
    with Ledger(path) as first:
        Ledger(path).close()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        first.set_note("last error", "written afterwards")
        reader = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "written afterwards" in reader.stdout
