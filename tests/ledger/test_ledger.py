"""What a destination has confirmed is never forgotten, and never stands in the way."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.ledger import readonly
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import (
    MessageRecord,
    MessageState,
    RemoteSession,
    SessionRecord,
)
from opensync_hooks.ledger.summary import Summary, complete_sessions, summarize
from opensync_hooks.system.sqlite import DamagedError, SqliteFile

ROOT = Path(__file__).parents[2]
HERE, THERE = "embedded store", "https://x.convex.site"
AGENT = "claude-code"
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        yield opened


@pytest.fixture
def record(ledger: Ledger) -> SessionRecord:
    return session_record(ledger)


def session_record(ledger: Ledger, session_id: str = "s1") -> SessionRecord:
    return SessionRecord(ledger, HERE, AGENT, session_id)


def confirmed(content_hash: str) -> MessageRecord:
    return MessageRecord(content_hash, MessageState.CONFIRMED)


def fill(path: Path, messages: int = 500) -> None:
    with Ledger(path) as ledger:
        record = session_record(ledger)
        record.set_remote_id("r1")
        for number in range(messages):
            record.set_message(f"m{number}", "h" * 64, MessageState.CONFIRMED)


def is_usable(path: Path) -> bool:
    with Ledger(path) as ledger:
        record = session_record(ledger, "fresh")
        record.set_remote_id("r9")
        record.set_message("m1", "h1", MessageState.CONFIRMED)
        return record.message("m1") == confirmed("h1")


# ---- the page of one session ---------------------------------------------------------------------


def test_message_is_as_it_was_written_last(record: SessionRecord) -> None:
    assert record.message("m1") is None
    record.set_message("m1", "h1", MessageState.PENDING)
    assert record.message("m1") == MessageRecord("h1", MessageState.PENDING)
    record.set_message("m1", "h1", MessageState.CONFIRMED)
    assert record.message("m1") == confirmed("h1")
    record.set_message("m1", "h2", MessageState.QUARANTINED, "too large")
    assert record.message("m1") == MessageRecord("h2", MessageState.QUARANTINED)


def test_session_is_known_once_the_destination_named_it(record: SessionRecord) -> None:
    record.set_fingerprint("f1")
    assert record.remote_session() is None
    record.set_remote_id("r1")
    assert record.remote_session() == RemoteSession("r1", None, None, None)
    record.confirm_session("h1", "Title", "clear", ["model-x"])
    assert record.remote_session() == RemoteSession("r1", "h1", "Title", "clear")
    record.set_remote_id("r2")
    assert record.remote_session() == RemoteSession("r2", "h1", "Title", "clear")


def test_origin_of_the_delivered_copy_is_kept_until_the_session_is_forgotten(
    ledger: Ledger, record: SessionRecord
) -> None:
    assert record.origin() is None
    record.set_origin("transcript")
    record.set_origin("database")
    record.mark_pending()
    assert record.origin() == "database"
    assert SessionRecord(ledger, THERE, AGENT, "s1").origin() is None
    record.forget()
    assert record.origin() is None


def test_ledger_of_version_2_is_upgraded_in_place(path: Path) -> None:
    fill(path, 5)
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE session DROP COLUMN origin")
        db.execute("PRAGMA user_version = 2")
        db.commit()
    with readonly.copied(path) as copy:
        assert SessionRecord(copy, HERE, AGENT, "s1").origin() is None
    for _ in range(2):
        with Ledger(path) as ledger:
            record = SessionRecord(ledger, HERE, AGENT, "s1")
            assert record.message("m4") is not None
            record.set_origin("database")
            assert record.origin() == "database"


@pytest.mark.parametrize("opened", [True, False], ids=["with messages", "with nothing to send"])
def test_session_that_was_read_to_its_end_is_remembered_as_it_looked(
    ledger: Ledger, record: SessionRecord, opened: bool
) -> None:
    if opened:
        record.set_remote_id("r1")
    assert session_record(ledger).fingerprint() is None
    record.set_fingerprint("f1")
    record.set_fingerprint("f2")
    assert session_record(ledger).fingerprint() == "f2"
    assert summarize(ledger, HERE).sessions == opened


def test_doubt_has_everything_sent_again_and_keeps_the_ids(
    ledger: Ledger, record: SessionRecord
) -> None:
    record.set_remote_id("r1")
    record.set_message("m1", "h1", MessageState.CONFIRMED)
    record.set_message("m2", "h2", MessageState.QUARANTINED, "refused")
    record.confirm_session("h", "Title", None, [])
    record.set_fingerprint("f1")
    record.mark_pending()
    assert record.remote_session() == RemoteSession("r1", None, None, None)
    assert record.message("m1") == MessageRecord("h1", MessageState.PENDING)
    assert record.message("m2") == MessageRecord("h2", MessageState.PENDING)
    assert session_record(ledger).fingerprint() is None


def test_doubt_of_some_messages_leaves_the_others_confirmed(record: SessionRecord) -> None:
    record.set_remote_id("r1")
    record.set_message("m1", "h1", MessageState.CONFIRMED)
    record.set_message("m2", "h2", MessageState.CONFIRMED)
    record.confirm_session("h", "Title", None, [])
    record.mark_pending(["m2"])
    assert record.remote_session() == RemoteSession("r1", None, None, None)
    assert record.message("m1") == confirmed("h1")
    assert record.message("m2") == MessageRecord("h2", MessageState.PENDING)


def test_owners_are_told_without_claiming_anything(ledger: Ledger, record: SessionRecord) -> None:
    other = session_record(ledger, "s2")
    other.claim_charges(["c1"])
    assert record.charge_owners(["c1", "c2"]) == {"c1": "s2", "c2": "s1"}
    assert other.charge_owners(["c2"]) == {"c2": "s2"}


def test_forgotten_session_is_unknown_but_its_calls_stay_its_own(
    ledger: Ledger, record: SessionRecord
) -> None:
    record.set_remote_id("r1")
    record.set_message("m1", "h1", MessageState.CONFIRMED)
    record.set_fingerprint("f1")
    record.claim_charges(["c1"])
    record.forget()
    assert (record.remote_session(), record.message("m1")) == (None, None)
    assert session_record(ledger).fingerprint() is None
    assert session_record(ledger, "fork").claim_charges(["c1"]) == {"c1": "s1"}


@pytest.mark.parametrize(
    "undo", [SessionRecord.forget, SessionRecord.mark_pending], ids=["forget", "mark"]
)
@pytest.mark.parametrize(
    "key",
    [(THERE, AGENT, "s1"), (HERE, "cursor", "s1"), (HERE, AGENT, "s2")],
    ids=["another destination", "another agent", "another session"],
)
def test_records_do_not_touch_each_other(
    ledger: Ledger,
    record: SessionRecord,
    undo: Callable[[SessionRecord], None],
    key: tuple[str, str, str],
) -> None:
    other = SessionRecord(ledger, *key)
    other.set_remote_id("r2")
    other.confirm_session("h2", "Other", None, [])
    other.set_message("m1", "h2", MessageState.CONFIRMED)
    other.set_fingerprint("f2")
    record.set_remote_id("r1")
    record.set_message("m1", "h1", MessageState.QUARANTINED)
    undo(record)
    assert other.remote_session() == RemoteSession("r2", "h2", "Other", None)
    assert other.message("m1") == confirmed("h2")
    assert SessionRecord(ledger, *key).fingerprint() == "f2"


@pytest.mark.parametrize(
    "text",
    ["\ud83d", "a\udcff", "", "nul\0inside", "🚀", "x" * 1_000_000],
    ids=["lone surrogate", "byte of a file's name", "empty", "NUL", "emoji", "1 MB"],
)
def test_any_text_may_be_an_id_a_title_or_a_models_name(ledger: Ledger, text: str) -> None:
    """JSON can escape a lone surrogate, SQLite takes none."""
    record = session_record(ledger, text)
    record.set_remote_id("r1")
    record.set_message(text, "h1", MessageState.QUARANTINED, text)
    record.confirm_session("h", text, text, [text])
    ledger.set_note("last error", text)
    assert record.message(text) == MessageRecord("h1", MessageState.QUARANTINED)
    assert record.remote_session() == RemoteSession("r1", "h", text, text)
    assert record.claim_charges([text]) == {text: text}
    assert ledger.note("last error")
    assert summarize(ledger, HERE).unpriced == ((text,) if text else ())


# ---- who owns a call -----------------------------------------------------------------------------


def test_call_belongs_to_the_first_that_claimed_it(ledger: Ledger) -> None:
    first, fork = (
        session_record(ledger),
        session_record(ledger, "fork"),
    )
    assert first.claim_charges(["a", "b", "a"]) == {"a": "s1", "b": "s1"}
    assert fork.claim_charges(["b", "c"]) == {"b": "s1", "c": "fork"}
    assert first.claim_charges(["a", "c"]) == {"a": "s1", "c": "fork"}
    assert SessionRecord(ledger, THERE, AGENT, "fork").claim_charges(["a"]) == {"a": "fork"}
    assert first.claim_charges([]) == {}


def test_claim_that_breaks_in_the_middle_claims_nothing(
    ledger: Ledger, record: SessionRecord
) -> None:
    def charges() -> Iterator[str]:
        yield "a"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        record.claim_charges(charges())
    assert session_record(ledger, "fork").claim_charges(["a"]) == {"a": "fork"}


_CLAIM = """
import json, sys
from pathlib import Path
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
path, name = sys.argv[1:]
owners = {}
print("ready", flush=True)
sys.stdin.readline()
with Ledger(Path(path)) as ledger:
    record = SessionRecord(ledger, "here", "claude-code", name)
    for start in range(0, 200, 10):
        owners |= record.claim_charges(f"c{number}" for number in range(start, start + 10))
print(json.dumps(owners))
"""


def test_processes_that_claim_the_same_calls_at_once_agree_on_one_owner_each(path: Path) -> None:
    """The file is new as well: all of them lay it out at the same moment."""
    names = ["s1", "s2", "s3", "s4"]
    claimers = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIM, str(path), name],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    for claimer in claimers:
        assert claimer.stdout
        assert claimer.stdout.readline() == "ready\n"
    for claimer in claimers:
        assert claimer.stdin
        claimer.stdin.write("go\n")
        claimer.stdin.flush()
    answers = [json.loads(claimer.communicate(timeout=30)[0]) for claimer in claimers]
    assert len(answers[0]) == 200
    assert all(answer == answers[0] for answer in answers)
    assert set(answers[0].values()) <= set(names)


# ---- the file ------------------------------------------------------------------------------------


def _random(length: int) -> bytes:
    return random.Random(7).randbytes(length)  # noqa: S311 - the same in every run


def _random_bytes(path: Path) -> None:
    path.write_bytes(_random(20_000))


def _random_behind_the_magic(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + _random(20_000))


def _text(path: Path) -> None:
    path.write_text("not a database at all, but long enough to be one" * 100)


def _cut(path: Path) -> None:
    fill(path)
    os.truncate(path, path.stat().st_size // 2)


def _cut_inside_the_first_page(path: Path) -> None:
    fill(path)
    os.truncate(path, 1500)


def _zeros(path: Path) -> None:
    fill(path)
    path.write_bytes(bytes(path.stat().st_size))


def _empty(path: Path) -> None:
    fill(path)
    os.truncate(path, 0)


def _ruined_log(path: Path) -> None:
    _random_bytes(path)
    path.with_name("ledger.db-wal").write_bytes(_random(5_000))
    path.with_name("ledger.db-shm").write_bytes(_random(5_000))


_RUINS = [
    _random_bytes, _random_behind_the_magic, _text, _cut, _cut_inside_the_first_page, _zeros,
    _empty, _ruined_log,
]  # fmt: skip


@pytest.mark.parametrize("ruin", _RUINS, ids=lambda ruin: ruin.__name__.replace("_", " ").strip())
def test_ruined_ledger_is_set_aside_and_a_new_one_takes_its_place(
    path: Path, ruin: Callable[[Path], None]
) -> None:
    path.parent.mkdir()
    ruin(path)
    ruined = path.read_bytes()
    assert is_usable(path)
    aside = list(path.parent.glob("ledger.db.damaged-*"))
    assert [one.read_bytes() for one in aside] == ([ruined] if ruined else [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_damage_found_in_mid_use_is_an_error_of_ours_and_gone_at_the_next_start(
    path: Path,
) -> None:
    fill(path)
    with path.open("r+b") as file:
        file.seek(4096)  # behind the page with the schema
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with Ledger(path) as ledger:
        record = session_record(ledger)
        with pytest.raises(UnreachableError, match="damaged"):
            record.message("m1")
        with pytest.raises(UnreachableError, match="damaged"):
            record.claim_charges(["c"])
    assert is_usable(path)
    assert len(list(path.parent.glob("ledger.db.damaged-*"))) == 1


def _damaged_behind_the_schema(path: Path) -> None:
    fill(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def test_second_run_that_met_the_damage_leaves_the_new_ledger_where_it_is(path: Path) -> None:
    _damaged_behind_the_schema(path)
    first, second = Ledger(path), Ledger(path)
    for one in (first, second):
        with pytest.raises(UnreachableError, match="damaged"):
            session_record(one).message("m1")
    first.close()
    with Ledger(path) as new:
        record = session_record(new)
        record.set_message("m1", "h", MessageState.CONFIRMED)
        second.close()
        assert record.message("m1") == confirmed("h")
        record.set_message("m2", "h", MessageState.CONFIRMED)
    with Ledger(path) as again:
        assert session_record(again).message("m2")


def test_run_that_could_not_open_a_ruined_ledger_takes_no_new_one_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_bytes(_random(5_000))

    def meanwhile(*given: Any) -> Any:
        """Another run is there first, as soon as this one has met the damage."""
        monkeypatch.setattr("opensync_hooks.ledger.ledger.SqliteFile", SqliteFile)
        try:
            return SqliteFile(*given)
        except DamagedError:
            fill(path, 1)
            raise

    monkeypatch.setattr("opensync_hooks.ledger.ledger.SqliteFile", meanwhile)
    with Ledger(path) as ledger:
        assert session_record(ledger).message("m0"), "what the other run has written"


def test_all_files_are_the_users_alone_though_the_umask_hides_nothing(path: Path) -> None:
    before = os.umask(0)
    try:
        with Ledger(path) as ledger:
            ledger.set_note("last error", "x")
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


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


@pytest.mark.parametrize("plant", [_below_a_file, _folder, _link, _pipe])
def test_place_where_no_ledger_can_be_is_an_error_of_ours(
    path: Path, plant: Callable[[Path], None]
) -> None:
    plant(path)
    with pytest.raises(OpenSyncError) as caught:
        Ledger(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


@contextmanager
def without_roots_rights() -> Iterator[None]:
    """Root may write everywhere; for the rest of the block this process is not root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("made_before", [False, True], ids=["no ledger yet", "ledger there"])
def test_folder_that_cannot_be_written_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_before: bool
) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    monkeypatch.chdir(folder)  # the way there is closed to nobody as well
    if made_before:
        fill(Path("ledger.db"), 1)
    for one in folder.iterdir():
        one.chmod(0o444)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, -1)  # a foreign folder is refused before anything else
    try:
        with without_roots_rights(), pytest.raises(OpenSyncError, match=r"ledger\.db"):
            Ledger(Path("ledger.db"))
    finally:
        folder.chmod(0o755)
    assert not list(folder.glob("*damaged*"))


def test_ledger_that_another_process_holds_is_an_error_that_passes(path: Path) -> None:
    fill(path, 1)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        Ledger(path, lock_timeout=0.05) as ledger,
    ):
        record = session_record(ledger)
        other.execute("BEGIN IMMEDIATE")
        for write in (
            lambda: record.set_message("m1", "h", MessageState.CONFIRMED),
            lambda: record.claim_charges(["c"]),
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


def test_ledger_that_is_held_at_the_start_is_not_taken_for_a_ruined_one(path: Path) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Ledger(path, lock_timeout=0.05) as ledger:
            assert session_record(ledger).message("m0"), "reading waits for nobody"
    with Ledger(path) as ledger:
        assert session_record(ledger).message("m0")
    assert not list(path.parent.glob("*damaged*"))


def test_full_disk_is_an_error_that_passes_and_loses_nothing_that_was_confirmed(
    path: Path,
) -> None:
    fill(path)
    with Ledger(path) as ledger:
        record = session_record(ledger)
        (pages,) = ledger._database._db.execute("PRAGMA page_count").fetchone()
        ledger._database._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(UnreachableError, match="full"):
            record.claim_charges(f"charge {number}" for number in range(10_000))
        with pytest.raises(UnreachableError, match="full"):
            record.set_message("n", "h" * 100_000, MessageState.CONFIRMED)
        assert record.message("m499") == confirmed("h" * 64)
        ledger._database._db.execute("PRAGMA max_page_count = 1000000")
        assert record.claim_charges(["charge 1"]) == {"charge 1": "s1"}
    assert not list(path.parent.glob("*damaged*"))


_WRITE_FOR_EVER = """
import sys
from pathlib import Path
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
path, run = sys.argv[1:]
with Ledger(Path(path)) as ledger:
    record = SessionRecord(ledger, "here", "claude-code", "s1")
    record.set_remote_id("r1")
    for number in range(10**9):
        record.set_message(f"{run}-{number}", "h" * 64, MessageState.CONFIRMED)
        print(f"{run}-{number}", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_kill_in_the_middle_of_writing_loses_no_row_that_was_written(path: Path) -> None:
    written: list[str] = []
    for run in range(5):
        command = [sys.executable, "-c", _WRITE_FOR_EVER, str(path), str(run)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            written += [writer.stdout.readline().strip() for _ in range(40 + run * 7)]
            writer.kill()
    with Ledger(path) as ledger:
        record = SessionRecord(ledger, "here", "claude-code", "s1")
        assert len(written) == 270
        assert all(record.message(one) == confirmed("h" * 64) for one in written)
    assert not list(path.parent.glob("*damaged*"))


def test_second_ledger_in_one_process_does_not_loosen_the_firsts_hold(path: Path) -> None:
    """To open and close the file itself drops the locks of every connection that has it open.

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
        seen = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "written afterwards" in seen.stdout


# ---- at a glance ---------------------------------------------------------------------------------


def test_summary_counts_what_one_destination_has(ledger: Ledger) -> None:
    began = time.time_ns() // 1_000_000
    for session, unpriced in (("s1", ["my model", "model-a"]), ("s2", ["model-a"]), ("s3", [])):
        record = session_record(ledger, session)
        record.set_remote_id(f"r-{session}")
        record.confirm_session("h", None, None, unpriced)
        record.set_message("m1", "h1", MessageState.CONFIRMED)
        record.set_message("m2", "h2", MessageState.QUARANTINED, "refused")
        record.set_message("m3", "h3", MessageState.PENDING)
    session_record(ledger).set_fingerprint("f1")
    there = SessionRecord(ledger, THERE, AGENT, "s1")
    there.set_remote_id("r9")
    there.set_message("m1", "h1", MessageState.CONFIRMED)
    summary = summarize(ledger, HERE)
    assert summary.last_sync is not None
    assert began <= summary.last_sync <= time.time_ns() // 1_000_000
    assert summary == Summary(3, 3, 3, summary.last_sync, ("model-a", "my model"))
    assert summarize(ledger, THERE) == Summary(1, 1, 0, None, ())
    assert summarize(ledger, "nowhere") == Summary(0, 0, 0, None, ())


def test_sessions_that_were_delivered_whole_are_counted_for_each_agent(ledger: Ledger) -> None:
    SessionRecord(ledger, HERE, AGENT, "without a message").set_fingerprint("f")
    for agent, session, whole in (
        (AGENT, "s1", True), (AGENT, "s2", True), (AGENT, "s3", False), ("cursor", "s1", True),
    ):  # fmt: skip
        record = SessionRecord(ledger, HERE, agent, session)
        record.set_remote_id(f"r-{session}")
        if whole:
            record.set_fingerprint("f")
    SessionRecord(ledger, THERE, AGENT, "s9").set_fingerprint("f")
    found = complete_sessions(ledger, HERE)
    assert {agent: count for agent, (count, _) in found.items()} == {AGENT: 2, "cursor": 1}
    last = summarize(ledger, HERE).last_sync
    assert last == max(at for _, at in found.values())


def test_look_at_the_ledger_finds_what_was_just_confirmed_and_changes_no_byte_of_it(
    path: Path,
) -> None:
    fill(path, 5)
    with Ledger(path) as worker:
        session_record(worker).set_message("m9", "h9", MessageState.CONFIRMED)
        files = [path, path.with_name("ledger.db-wal")]
        before = [one.read_bytes() for one in files]
        with readonly.copied(path) as seen:
            assert session_record(seen).message("m9") == MessageRecord("h9", MessageState.CONFIRMED)
            seen.set_note("last error", "noted in the copy only")
        assert [one.read_bytes() for one in files] == before
        assert worker.note("last error") is None


def test_look_at_a_ledger_that_is_not_there_or_ruined_finds_nothing_and_mends_nothing(
    path: Path,
) -> None:
    with readonly.copied(path) as seen:
        assert summarize(seen, HERE) == Summary(0, 0, 0, None, ())
    assert not path.parent.exists()
    path.parent.mkdir()
    _random_bytes(path)
    before = path.read_bytes()
    with readonly.copied(path) as seen:
        assert summarize(seen, HERE) == Summary(0, 0, 0, None, ())
    assert {one: one.read_bytes() for one in path.parent.iterdir()} == {path: before}


def test_note_is_kept_with_its_time_until_it_is_taken_away(path: Path) -> None:
    began = time.time_ns() // 1_000_000
    with Ledger(path) as ledger:
        assert ledger.note("last error") is None
        ledger.set_note("last error", "one")
        ledger.set_note("last error", "two")
    with Ledger(path) as ledger:
        noted = ledger.note("last error")
        assert noted
        assert noted[0] == "two"
        assert began <= noted[1] <= time.time_ns() // 1_000_000
        ledger.set_note("last error", None)
        assert ledger.note("last error") is None


def test_file_says_in_its_header_whose_it_is(path: Path) -> None:
    """Changed, it would be taken for another program's by those who have one already."""
    with Ledger(path):
        pass
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (0x4F534C47,)


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_nothing_of_a_ruined_ledger_stays_beside_the_new_one(path: Path, suffix: str) -> None:
    fill(path, 5)
    path.write_bytes(b"ruined" * 1000)
    side = path.with_name(path.name + suffix)
    side.write_bytes(b"of the old one")
    with Ledger(path):
        assert not side.exists() or side.read_bytes() != b"of the old one"
    assert is_usable(path)
