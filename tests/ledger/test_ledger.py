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
from opensync_hooks.ledger.ledger import Ledger, Summary
from opensync_hooks.ledger.session_record import Account, Entry, Head
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
def account(ledger: Ledger) -> Account:
    return ledger.account(HERE, AGENT, "s1")


def fill(path: Path, messages: int = 500) -> None:
    with Ledger(path) as ledger:
        account = ledger.account(HERE, AGENT, "s1")
        account.opened("r1")
        for number in range(messages):
            account.write(f"m{number}", "h" * 64, "confirmed")


def is_usable(path: Path) -> bool:
    with Ledger(path) as ledger:
        account = ledger.account(HERE, AGENT, "fresh")
        account.opened("r9")
        account.write("m1", "h1", "confirmed")
        return account.entry("m1") == Entry("h1", "confirmed")


# ---- the page of one session ---------------------------------------------------------------------


def test_message_is_as_it_was_written_last(account: Account) -> None:
    assert account.entry("m1") is None
    account.write("m1", "h1", "in doubt")
    assert account.entry("m1") == Entry("h1", "in doubt")
    account.write("m1", "h1", "confirmed")
    assert account.entry("m1") == Entry("h1", "confirmed")
    account.write("m1", "h2", "parked", "too large")
    assert account.entry("m1") == Entry("h2", "parked")


def test_session_is_known_once_the_destination_named_it(account: Account) -> None:
    account.finished("f1")
    assert account.head() is None
    account.opened("r1")
    assert account.head() == Head("r1", None, None, None)
    account.closed("h1", "Title", "clear", ["model-x"])
    assert account.head() == Head("r1", "h1", "Title", "clear")
    account.opened("r2")
    assert account.head() == Head("r2", "h1", "Title", "clear")


@pytest.mark.parametrize("opened", [True, False], ids=["with messages", "with nothing to send"])
def test_session_that_was_read_to_its_end_is_remembered_as_it_looked(
    ledger: Ledger, account: Account, opened: bool
) -> None:
    if opened:
        account.opened("r1")
    assert ledger.fingerprint(HERE, AGENT, "s1") is None
    account.finished("f1")
    account.finished("f2")
    assert ledger.fingerprint(HERE, AGENT, "s1") == "f2"
    assert ledger.summary(HERE).sessions == opened


def test_doubt_has_everything_sent_again_and_keeps_the_ids(
    ledger: Ledger, account: Account
) -> None:
    account.opened("r1")
    account.write("m1", "h1", "confirmed")
    account.write("m2", "h2", "parked", "refused")
    account.closed("h", "Title", None, [])
    account.finished("f1")
    account.doubt()
    assert account.head() == Head("r1", None, None, None)
    assert account.entry("m1") == Entry("h1", "in doubt")
    assert account.entry("m2") == Entry("h2", "in doubt")
    assert ledger.fingerprint(HERE, AGENT, "s1") is None


def test_doubt_of_some_messages_leaves_the_others_confirmed(account: Account) -> None:
    account.opened("r1")
    account.write("m1", "h1", "confirmed")
    account.write("m2", "h2", "confirmed")
    account.closed("h", "Title", None, [])
    account.doubt(["m2"])
    assert account.head() == Head("r1", None, None, None)
    assert account.entry("m1") == Entry("h1", "confirmed")
    assert account.entry("m2") == Entry("h2", "in doubt")


def test_owners_are_told_without_claiming_anything(ledger: Ledger, account: Account) -> None:
    other = ledger.account(HERE, AGENT, "s2")
    other.claim(["c1"])
    assert account.owners(["c1", "c2"]) == {"c1": "s2", "c2": "s1"}
    assert other.owners(["c2"]) == {"c2": "s2"}


def test_forgotten_session_is_unknown_but_its_calls_stay_its_own(
    ledger: Ledger, account: Account
) -> None:
    account.opened("r1")
    account.write("m1", "h1", "confirmed")
    account.finished("f1")
    account.claim(["c1"])
    account.forget()
    assert (account.head(), account.entry("m1")) == (None, None)
    assert ledger.fingerprint(HERE, AGENT, "s1") is None
    assert ledger.account(HERE, AGENT, "fork").claim(["c1"]) == {"c1": "s1"}


@pytest.mark.parametrize("undo", [Account.forget, Account.doubt], ids=["forget", "doubt"])
@pytest.mark.parametrize(
    "key",
    [(THERE, AGENT, "s1"), (HERE, "cursor", "s1"), (HERE, AGENT, "s2")],
    ids=["another destination", "another agent", "another session"],
)
def test_pages_do_not_touch_each_other(
    ledger: Ledger, account: Account, undo: Callable[[Account], None], key: tuple[str, str, str]
) -> None:
    other = ledger.account(*key)
    other.opened("r2")
    other.closed("h2", "Other", None, [])
    other.write("m1", "h2", "confirmed")
    other.finished("f2")
    account.opened("r1")
    account.write("m1", "h1", "parked")
    undo(account)
    assert other.head() == Head("r2", "h2", "Other", None)
    assert other.entry("m1") == Entry("h2", "confirmed")
    assert ledger.fingerprint(*key) == "f2"


@pytest.mark.parametrize(
    "text",
    ["\ud83d", "a\udcff", "", "nul\0inside", "🚀", "x" * 1_000_000],
    ids=["lone surrogate", "byte of a file's name", "empty", "NUL", "emoji", "1 MB"],
)
def test_any_text_may_be_an_id_a_title_or_a_models_name(ledger: Ledger, text: str) -> None:
    """JSON can escape a lone surrogate, SQLite takes none."""
    account = ledger.account(HERE, AGENT, text)
    account.opened("r1")
    account.write(text, "h1", "parked", text)
    account.closed("h", text, text, [text])
    ledger.note("last error", text)
    assert account.entry(text) == Entry("h1", "parked")
    assert account.head() == Head("r1", "h", text, text)
    assert account.claim([text]) == {text: text}
    assert ledger.noted("last error")
    assert ledger.summary(HERE).unpriced == ((text,) if text else ())


# ---- who owns a call -----------------------------------------------------------------------------


def test_call_belongs_to_the_first_that_claimed_it(ledger: Ledger) -> None:
    first, fork = ledger.account(HERE, AGENT, "s1"), ledger.account(HERE, AGENT, "fork")
    assert first.claim(["a", "b", "a"]) == {"a": "s1", "b": "s1"}
    assert fork.claim(["b", "c"]) == {"b": "s1", "c": "fork"}
    assert first.claim(["a", "c"]) == {"a": "s1", "c": "fork"}
    assert ledger.account(THERE, AGENT, "fork").claim(["a"]) == {"a": "fork"}
    assert first.claim([]) == {}


def test_claim_that_breaks_in_the_middle_claims_nothing(ledger: Ledger, account: Account) -> None:
    def charges() -> Iterator[str]:
        yield "a"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        account.claim(charges())
    assert ledger.account(HERE, AGENT, "fork").claim(["a"]) == {"a": "fork"}


_CLAIM = """
import json, sys
from pathlib import Path
from opensync_hooks.ledger.ledger import Ledger
path, name = sys.argv[1:]
owners = {}
print("ready", flush=True)
sys.stdin.readline()
with Ledger(Path(path)) as ledger:
    account = ledger.account("here", "claude-code", name)
    for start in range(0, 200, 10):
        owners |= account.claim(f"c{number}" for number in range(start, start + 10))
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
    aside = list(path.parent.glob("ledger.db.ruined-*"))
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
        account = ledger.account(HERE, AGENT, "s1")
        with pytest.raises(UnreachableError, match="is damaged"):
            account.entry("m1")
        with pytest.raises(UnreachableError, match="is damaged"):
            account.claim(["c"])
    assert is_usable(path)
    assert len(list(path.parent.glob("ledger.db.ruined-*"))) == 1


def _damaged_behind_the_schema(path: Path) -> None:
    fill(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def test_second_run_that_met_the_damage_leaves_the_new_ledger_where_it_is(path: Path) -> None:
    _damaged_behind_the_schema(path)
    first, second = Ledger(path), Ledger(path)
    for one in (first, second):
        with pytest.raises(UnreachableError, match="is damaged"):
            one.account(HERE, AGENT, "s1").entry("m1")
    first.close()
    with Ledger(path) as new:
        account = new.account(HERE, AGENT, "s1")
        account.write("m1", "h", "confirmed")
        second.close()
        assert account.entry("m1") == Entry("h", "confirmed")
        account.write("m2", "h", "confirmed")
    with Ledger(path) as again:
        assert again.account(HERE, AGENT, "s1").entry("m2")


def test_run_that_could_not_open_a_ruined_ledger_takes_no_new_one_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_bytes(_random(5_000))

    def meanwhile(*given: Any) -> Any:
        """Another run is there first, as soon as this one has met the damage."""
        monkeypatch.setattr("opensync_hooks.ledger.ledger.Database", SqliteFile)
        try:
            return SqliteFile(*given)
        except DamagedError:
            fill(path, 1)
            raise

    monkeypatch.setattr("opensync_hooks.ledger.ledger.Database", meanwhile)
    with Ledger(path) as ledger:
        assert ledger.account(HERE, AGENT, "s1").entry("m0"), "what the other run has written"


def test_all_files_are_the_users_alone_though_the_umask_hides_nothing(path: Path) -> None:
    before = os.umask(0)
    try:
        with Ledger(path) as ledger:
            ledger.note("last error", "x")
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
    assert not list(folder.glob("*ruined*"))


def test_ledger_that_another_process_holds_is_an_error_that_passes(path: Path) -> None:
    fill(path, 1)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        Ledger(path, patience=0.05) as ledger,
    ):
        account = ledger.account(HERE, AGENT, "s1")
        other.execute("BEGIN IMMEDIATE")
        for write in (
            lambda: account.write("m1", "h", "confirmed"),
            lambda: account.claim(["c"]),
            account.forget,
            account.doubt,
            lambda: account.finished("f"),
            lambda: ledger.note("last error", "x"),
        ):
            with pytest.raises(UnreachableError, match="another process is writing") as caught:
                write()
            assert caught.value.hint
        assert account.entry("m0") == Entry("h" * 64, "confirmed")
        other.execute("ROLLBACK")
        account.write("m1", "h", "confirmed")
        assert account.entry("m1")


def test_ledger_that_is_held_at_the_start_is_not_taken_for_a_ruined_one(path: Path) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Ledger(path, patience=0.05) as ledger:
            assert ledger.account(HERE, AGENT, "s1").entry("m0"), "reading waits for nobody"
    with Ledger(path) as ledger:
        assert ledger.account(HERE, AGENT, "s1").entry("m0")
    assert not list(path.parent.glob("*ruined*"))


def test_full_disk_is_an_error_that_passes_and_loses_nothing_that_was_confirmed(
    path: Path,
) -> None:
    fill(path)
    with Ledger(path) as ledger:
        account = ledger.account(HERE, AGENT, "s1")
        (pages,) = ledger._file._db.execute("PRAGMA page_count").fetchone()
        ledger._file._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(UnreachableError, match="full"):
            account.claim(f"charge {number}" for number in range(10_000))
        with pytest.raises(UnreachableError, match="full"):
            account.write("n", "h" * 100_000, "confirmed")
        assert account.entry("m499") == Entry("h" * 64, "confirmed")
        ledger._file._db.execute("PRAGMA max_page_count = 1000000")
        assert account.claim(["charge 1"]) == {"charge 1": "s1"}
    assert not list(path.parent.glob("*ruined*"))


_WRITE_FOR_EVER = """
import sys
from pathlib import Path
from opensync_hooks.ledger.ledger import Ledger
path, run = sys.argv[1:]
with Ledger(Path(path)) as ledger:
    account = ledger.account("here", "claude-code", "s1")
    account.opened("r1")
    for number in range(10**9):
        account.write(f"{run}-{number}", "h" * 64, "confirmed")
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
        account = ledger.account("here", "claude-code", "s1")
        assert len(written) == 270
        assert all(account.entry(one) == Entry("h" * 64, "confirmed") for one in written)
    assert not list(path.parent.glob("*ruined*"))


def test_second_ledger_in_one_process_does_not_loosen_the_firsts_hold(path: Path) -> None:
    """To open and close the file itself drops the locks of every connection that has it open.

    Another process that ends then takes itself for the last one, and deletes the log.
    """
    script = (
        "import sys; from pathlib import Path; from opensync_hooks.ledger.ledger import Ledger\n"
        "with Ledger(Path(sys.argv[1])) as ledger: print(ledger.noted('last error'))"
    )
    command = [sys.executable, "-c", script, str(path)]
    with Ledger(path) as first:
        Ledger(path).close()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        first.note("last error", "written afterwards")
        seen = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "written afterwards" in seen.stdout


# ---- at a glance ---------------------------------------------------------------------------------


def test_summary_counts_what_one_destination_has(ledger: Ledger) -> None:
    began = time.time_ns() // 1_000_000
    for session, unpriced in (("s1", ["my model", "model-a"]), ("s2", ["model-a"]), ("s3", [])):
        account = ledger.account(HERE, AGENT, session)
        account.opened(f"r-{session}")
        account.closed("h", None, None, unpriced)
        account.write("m1", "h1", "confirmed")
        account.write("m2", "h2", "parked", "refused")
        account.write("m3", "h3", "in doubt")
    ledger.account(HERE, AGENT, "s1").finished("f1")
    there = ledger.account(THERE, AGENT, "s1")
    there.opened("r9")
    there.write("m1", "h1", "confirmed")
    summary = ledger.summary(HERE)
    assert summary.last_sync is not None
    assert began <= summary.last_sync <= time.time_ns() // 1_000_000
    assert summary == Summary(3, 3, 3, summary.last_sync, ("model-a", "my model"))
    assert ledger.summary(THERE) == Summary(1, 1, 0, None, ())
    assert ledger.summary("nowhere") == Summary(0, 0, 0, None, ())


def test_sessions_that_were_delivered_whole_are_counted_for_each_agent(ledger: Ledger) -> None:
    for agent, session, whole in (
        (AGENT, "s1", True), (AGENT, "s2", True), (AGENT, "s3", False), ("cursor", "s1", True),
    ):  # fmt: skip
        account = ledger.account(HERE, agent, session)
        account.opened(f"r-{session}")
        if whole:
            account.finished("f")
    ledger.account(THERE, AGENT, "s9").finished("f")
    found = ledger.by_agent(HERE)
    assert {agent: count for agent, (count, _) in found.items()} == {AGENT: 2, "cursor": 1}
    last = ledger.summary(HERE).last_sync
    assert last == max(at for _, at in found.values())


def test_look_at_the_ledger_finds_what_was_just_confirmed_and_changes_no_byte_of_it(
    path: Path,
) -> None:
    fill(path, 5)
    with Ledger(path) as worker:
        worker.account(HERE, AGENT, "s1").write("m9", "h9", "confirmed")
        files = [path, path.with_name("ledger.db-wal")]
        before = [one.read_bytes() for one in files]
        with readonly.copied(path) as seen:
            assert seen.account(HERE, AGENT, "s1").entry("m9") == Entry("h9", "confirmed")
            seen.note("last error", "noted in the copy only")
        assert [one.read_bytes() for one in files] == before
        assert worker.noted("last error") is None


def test_look_at_a_ledger_that_is_not_there_or_ruined_finds_nothing_and_mends_nothing(
    path: Path,
) -> None:
    with readonly.copied(path) as seen:
        assert seen.summary(HERE) == Summary(0, 0, 0, None, ())
    assert not path.parent.exists()
    path.parent.mkdir()
    _random_bytes(path)
    before = path.read_bytes()
    with readonly.copied(path) as seen:
        assert seen.summary(HERE) == Summary(0, 0, 0, None, ())
    assert {one: one.read_bytes() for one in path.parent.iterdir()} == {path: before}


def test_note_is_kept_with_its_time_until_it_is_taken_away(path: Path) -> None:
    began = time.time_ns() // 1_000_000
    with Ledger(path) as ledger:
        assert ledger.noted("last error") is None
        ledger.note("last error", "one")
        ledger.note("last error", "two")
    with Ledger(path) as ledger:
        noted = ledger.noted("last error")
        assert noted
        assert noted[0] == "two"
        assert began <= noted[1] <= time.time_ns() // 1_000_000
        ledger.note("last error", None)
        assert ledger.noted("last error") is None


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
