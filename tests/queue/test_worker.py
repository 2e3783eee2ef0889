"""The one worker: every wish is met or kept, and none stands in the way of another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from opensync_hooks.delivery.send import Limits
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.queue import backoff, drain, worker
from opensync_hooks.queue.drain import Result
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.queue.worker import Worker
from tests.claude_user import ClaudeUser
from tests.transcripts import TranscriptWriter

ROOT = Path(__file__).parents[2]


class Desk(ClaudeUser):
    def last_error(self) -> str | None:
        with Ledger(self.folders.ledger) as ledger:
            noted = ledger.note("last error")
        return noted[0] if noted else None


@pytest.fixture
def desk(home: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.0)
    return Desk(home)


@pytest.mark.parametrize("at_once", [False, True], ids=["worker", "command"])
def test_event_that_comes_while_the_lock_is_released_is_delivered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    desk.session("s1")
    desk.session("s2")
    desk.event("s1")
    work, late = Worker._work, iter(["s2"])

    def work_then_a_hook_comes(running: Worker) -> Iterator[tuple[Job, Result]]:
        yield from work(running)
        for name in late:
            desk.event(name)

    monkeypatch.setattr(Worker, "_work", work_then_a_hook_comes)
    results = list(Worker(desk.folders, at_once=at_once).run())
    assert len(results) == 2
    assert desk.stored() == {"s1", "s2"}


def test_session_is_looked_for_where_its_own_agent_keeps_it(
    home: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker may be one that the hook of an agent with other folders has started."""
    TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl").turn(1)
    TranscriptWriter(home / "work" / "projects" / "-work" / "s2.jsonl").turn(1)
    spool = Spool(desk.folders.spool)
    elsewhere = {"CLAUDE_CONFIG_DIR": str(home / "work")}
    spool.put(Job(Trigger("claude-code", "s1"), {}, 1))
    spool.put(Job(Trigger("claude-code", "s2"), elsewhere, 2))
    with monkeypatch.context() as started:
        started.setenv("CLAUDE_CONFIG_DIR", str(home / "work"))
        worker.main()
    with Store(desk.folders.store) as store:
        assert store.session_ids() == ["s1", "s2"]


def test_second_worker_leaves_at_once(desk: Desk) -> None:
    desk.session("s1")
    desk.event("s1")
    with FileLock(desk.spool.lock):
        began = time.monotonic()
        worker.main()
        assert time.monotonic() - began < 30, "a worker's life is minutes"
        assert desk.stored() == set()
    worker.main()
    assert desk.stored() == {"s1"}


def test_bug_in_one_session_stops_no_other_and_shows_no_text(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Syncer.sync

    def stumble(self: Syncer, source: object, located: object, **more: object) -> object:
        if getattr(located, "session_id", "") == "s1":
            raise KeyError("the user's own words")
        return sync(self, source, located, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Syncer, "sync", stumble)
    for name in ("s1", "s2"):
        desk.session(name)
        desk.event(name)
    worker.main()
    assert desk.stored() == {"s2"}
    said = desk.last_error()
    assert said
    assert "KeyError" in said
    assert "words" not in said
    (parked,) = desk.spool.quarantined()
    assert parked.trigger.session_id == "s1"


def test_session_that_is_being_synced_elsewhere_waits_and_the_others_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "Limits", partial(Limits, lock_timeout=0.05))
    for name in ("s1", "s2"):
        desk.session(name)
        desk.event(name)
    desk.spool.ingest()
    worker.main()
    lock = next(iter(sorted(desk.folders.locks.glob("*.lock"))))
    for name in ("s1", "s2"):
        TranscriptWriter(desk.home / ".claude" / "projects" / "-work" / f"{name}.jsonl").turn(2)
        desk.event(name)
    with FileLock(lock):
        worker.main()
        assert desk.spool.waiting() == 1
    desk.event("unknown")
    worker.main()
    assert desk.spool.waiting() == 1, "it waits for its time"
    worker.main(at_once=True)
    assert desk.spool.waiting() == 0


def test_source_that_cannot_be_read_is_tried_again_then_set_aside(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "_REREAD_SECONDS", 0.0)
    writer = desk.session("s1")
    writer.path.unlink()
    os.mkfifo(writer.path)
    desk.event("s1")
    for _ in range(backoff.MAX_RETRIES):
        worker.main(at_once=True)
        assert desk.spool.waiting() == 1
    worker.main(at_once=True)
    assert desk.spool.waiting() == 0
    assert len(list(desk.spool.quarantined())) == 1


def test_settings_that_cannot_be_used_keep_the_wish_without_its_text(desk: Desk) -> None:
    desk.session("s1")
    desk.event("s1")
    desk.folders.settings.write_text("url = [")
    desk.folders.settings.chmod(0o600)
    worker.main()
    said = desk.last_error()
    assert said
    assert "not valid TOML" in said
    assert desk.spool.waiting() == 1
    assert not desk.spool.has_events()
    desk.folders.settings.unlink()
    desk.event("unknown")
    worker.main()
    assert desk.stored() == {"s1"}
    assert desk.last_error() is None


def test_worker_that_hangs_for_good_is_ended_by_the_system_and_its_job_is_kept(desk: Desk) -> None:
    """Where it cannot look at the time: in one long search, or a file system that is gone."""
    desk.session("s1")
    desk.event("s1")
    hang = (
        "import re; from opensync_hooks.queue import drain, worker\n"
        "worker.GRACE_SECONDS = 0\n"
        "drain.Drain._sync = lambda *_: re.match('(a*)*b', 'a' * 40)\n"
        "worker.main(owns_process=True, seconds=2)"
    )
    ran = subprocess.run([sys.executable, "-c", hang], cwd=ROOT, timeout=60, check=False)
    assert ran.returncode == -signal.SIGALRM
    (job,) = desk.spool.jobs()
    assert job.attempts.crashes == 1
    worker.main()
    assert desk.stored() == {"s1"}
