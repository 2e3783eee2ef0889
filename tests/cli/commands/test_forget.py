"""`forget` removes one session from everything that we keep, and `prune` removes all old ones."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.config import EMBEDDED_STORE, load
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Trigger
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from tests.commandline import DATA, FIRST, WITH_SUBAGENTS, run, stored_ids
from tests.opensync import real_opensync
from tests.transcripts import TranscriptWriter

DAY_MS = 86_400_000


@pytest.fixture
def ours(home: Path, tmp_path: Path) -> Path:
    for name in ("01-print-tools-resume", "02-subagents"):
        shutil.copytree(DATA / name, home / ".claude" / "projects" / f"-{name}")
    assert run("sync").returncode == 0
    return tmp_path / "ours"


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_session_and_its_subagents_are_gone_also_from_the_bytes(ours: Path) -> None:
    before = stored_ids(ours)
    assert b"play:agents2 delegate" in contents(ours)
    completed = run("forget", WITH_SUBAGENTS, "--yes")
    assert completed.returncode == 0
    removed = before - stored_ids(ours)
    assert WITH_SUBAGENTS in removed
    assert len(removed) == 3
    assert b"play:agents2 delegate" not in contents(ours)
    assert FIRST in stored_ids(ours)
    with Ledger(ours / "ledger.db") as ledger:
        assert ledger.rows("SELECT * FROM message WHERE session = ?", WITH_SUBAGENTS) == []


def test_forgotten_session_stays_away_until_it_is_asked_for(ours: Path) -> None:
    run("forget", WITH_SUBAGENTS, "--yes")
    for arguments in (["sync"], ["sync", "--all"], ["sync", WITH_SUBAGENTS]):
        run(*arguments)
        assert WITH_SUBAGENTS not in stored_ids(ours)
    assert WITH_SUBAGENTS not in run("status").stdout
    assert run("sync", "--force", WITH_SUBAGENTS).returncode == 0
    assert WITH_SUBAGENTS in stored_ids(ours)
    verified = run("verify", WITH_SUBAGENTS).stdout
    assert f"{WITH_SUBAGENTS}: verified, 8 messages" in verified


def test_dry_run_and_no_answer_change_nothing(ours: Path) -> None:
    before = contents(ours)
    shown = run("forget", WITH_SUBAGENTS, "--dry-run")
    assert shown.returncode == 0
    assert shown.stdout.count("\nsubagent ") == 2
    refused = run("forget", WITH_SUBAGENTS)
    assert refused.returncode == 2
    assert "no terminal to ask on" in refused.stderr
    assert contents(ours) == before


@pytest.mark.usefixtures("ours")
def test_unknown_session_is_named_in_one_sentence() -> None:
    completed = run("forget", "nobody-knows-it", "--yes")
    assert completed.returncode == 2
    assert completed.stderr.startswith("nobody-knows-it: no such session is known.\n")


def test_waiting_job_and_backup_go_with_the_session(ours: Path) -> None:
    settings = load()
    spool, backups = Spool(settings.folders.spool), SessionBackups.from_config(settings)
    located = registry.find(FIRST)
    assert located
    assert backups.save(*located, settings)
    spool.put(Job(Trigger("claude-code", FIRST), {}, 1))
    assert backups.find("claude-code", FIRST)
    assert run("forget", FIRST, "--yes").returncode == 0
    assert backups.find("claude-code", FIRST) is None
    assert not spool.has_job("claude-code", FIRST)
    assert FIRST not in stored_ids(ours)


def test_session_that_was_never_synced_can_be_forgotten(home: Path, tmp_path: Path) -> None:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl")
    writer.turn(1)
    assert run("forget", "s1", "--yes").returncode == 0
    run("sync")
    assert stored_ids(tmp_path / "ours") == set()


def test_forget_ends_the_question_of_a_session_that_was_deleted_there(ours: Path) -> None:
    with Ledger(ours / "ledger.db") as ledger:
        record = SessionRecord(ledger, EMBEDDED_STORE, "claude-code", FIRST)
        record.set_removed(SyncState.DELETED)
    assert FIRST in run("status").stdout
    assert run("forget", FIRST, "--yes").returncode == 0
    assert FIRST not in run("status").stdout


def test_at_opensync_it_says_where_to_click(home: Path, tmp_path: Path) -> None:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl")
    writer.turn(1)
    with real_opensync(tmp_path) as (server, store, key):
        login = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        assert run("sync", **login).returncode == 0
        completed = run("forget", "s1", "--yes", **login)
        assert completed.returncode == 0
        assert f"{server.url} still has it" in completed.stdout
        assert "in the dashboard" in completed.stdout
        writer.turn(2)
        run("sync", **login)
        stored = store.session("s1")
        assert stored
        assert len(stored["messages"]) == 2


# ---- prune ---------------------------------------------------------------------------------------


@pytest.fixture
def old_and_new(tmp_path: Path) -> Path:
    """An old session, an old one with a newer subagent, one without messages, and a new one."""
    ours = tmp_path / "ours"
    now = 1_700_000_000_000
    with Store(ours / "store.db") as store:
        for key, parent, age_days in (
            ("old", None, 400), ("old-sub", "old", 399), ("alive", None, 400),
            ("alive-sub", "alive", 1), ("new", None, 1), ("empty", None, 500),
        ):  # fmt: skip
            at = now - age_days * DAY_MS
            extra = {"parentExternalId": parent} if parent else {}
            store.put_session({"externalId": key, "title": key, "createdAt": at}, extra)
            text = "secret words " + key + "x" * 40_000
            body = {"sessionExternalId": key, "externalId": f"{key}:1", "role": "user"}
            if key != "empty":
                store.put_message(
                    {**body, "textContent": text, "createdAt": at}, {}, replaces=False
                )
    return ours


BEFORE = "2023-08-01"  # 105 days before the newest message


def test_prune_deletes_what_was_last_spoken_in_before_a_moment(old_and_new: Path) -> None:
    shown = run("prune", "--older-than", BEFORE, "--dry-run")
    assert shown.returncode == 0
    assert stored_ids(old_and_new) == {"old", "old-sub", "alive", "alive-sub", "new", "empty"}
    completed = run("prune", "--older-than", BEFORE, "--yes")
    assert completed.returncode == 0
    assert stored_ids(old_and_new) == {"alive", "alive-sub", "new"}
    assert "3 deleted" in completed.stdout
    assert b"words old" not in contents(old_and_new)
    with closing(sqlite3.connect(old_and_new / "store.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_prune_gives_the_space_back(old_and_new: Path) -> None:
    with Store(old_and_new / "store.db") as store:
        for number in range(60):
            body = {"sessionExternalId": "old", "externalId": f"old:x{number}", "role": "user"}
            fields = {"textContent": "y" * 100_000, "createdAt": 1}
            store.put_message({**body, **fields}, {}, replaces=False)
        before = store.size()
    run("prune", "--older-than", BEFORE, "--yes")
    with Store(old_and_new / "store.db") as store:
        assert store.size() < before / 4


@pytest.mark.usefixtures("old_and_new")
def test_nothing_old_and_no_date_are_said_in_one_sentence() -> None:
    assert run("prune", "--older-than", "2001-01-01").stdout == "No session is that old.\n"
    refused = run("prune", "--older-than", "long ago")
    assert refused.returncode == 2
    assert refused.stderr.startswith("--older-than: neither a span such as 90d nor a date")


def test_pruned_session_does_not_come_back_unless_it_goes_on(home: Path, tmp_path: Path) -> None:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl")
    writer.turn(1)
    run("sync")
    assert run("prune", "--older-than", "2090-01-01", "--yes").returncode == 0
    run("sync")
    assert stored_ids(tmp_path / "ours") == set()
    writer.turn(2)
    run("sync")
    with Store(tmp_path / "ours" / "store.db") as store:
        stored = store.session("s1")
        assert stored
        assert len(stored["messages"]) == 4
    with Ledger(tmp_path / "ours" / "ledger.db") as ledger:
        states = ledger.rows("SELECT DISTINCT state FROM message")
        assert states == [(MessageState.CONFIRMED.value,)]
