"""The worker meets or keeps every request, however it ends and whatever changes meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from filelock import FileLock

from opensync_hooks import config
from opensync_hooks.config import settings
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.errors import DiskError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.queue import backoff, spool, worker
from opensync_hooks.queue.drain import Result
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.queue.worker import Worker
from tests.claude_user import ClaudeUser
from tests.commandline import run, run_python
from tests.opensync import real_opensync

ROOT = Path(__file__).parents[2]


def last_error(user: ClaudeUser) -> str | None:
    with Ledger(user.folders.ledger) as ledger:
        note = ledger.note("last error")
    return note.text if note else None


def make_unreadable(user: ClaudeUser, name: str) -> None:
    """Leave the event of a session that has to wait, because its file cannot be read."""
    writer = user.session(name)
    writer.path.unlink()
    os.mkfifo(writer.path)
    user.event(name)


# ---- the lock ------------------------------------------------------------------------------------


def test_second_worker_leaves_at_once(user: ClaudeUser) -> None:
    user.session("s1")
    user.event("s1")
    with FileLock(user.spool.lock):
        start = time.monotonic()
        worker.main()
        assert time.monotonic() - start < 30
        assert user.stored() == set()
    worker.main()
    assert user.stored() == {"s1"}


@pytest.mark.parametrize("at_once", [False, True], ids=["worker", "command"])
def test_event_that_comes_while_the_lock_is_released_is_delivered(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch, *, at_once: bool
) -> None:
    user.session("s1")
    user.session("s2")
    user.event("s1")
    work, late_sessions = Worker._work, iter(["s2"])

    def work_then_a_hook_comes(running: Worker) -> Iterator[tuple[Job, Result]]:
        yield from work(running)
        for name in late_sessions:
            user.event(name)

    monkeypatch.setattr(Worker, "_work", work_then_a_hook_comes)
    results = list(Worker(user.folders, at_once=at_once).run())
    assert len(results) == 2
    assert user.stored() == {"s1", "s2"}


def test_event_that_comes_before_the_worker_is_stopped_leaves_no_text(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.session("s1")
    user.session("s2")
    user.event("s1")
    late_sessions = iter(["s2"])

    def fail(*_: object, **__: object) -> None:
        for name in late_sessions:
            user.event(name)
        raise DiskError("The store cannot be written.")

    monkeypatch.setattr(Syncer, "sync", fail)
    assert worker.main() == 1
    assert not user.spool.has_events()
    assert len(user.spool.jobs()) == 2
    assert last_error(user) == "The store cannot be written."


@pytest.mark.parametrize(
    "arguments", [("sync", "s2"), ("verify",), ("queue", "list")], ids=lambda words: words[0]
)
def test_command_leaves_events_to_the_worker(user: ClaudeUser, arguments: tuple[str, ...]) -> None:
    user.session("s1")
    user.session("s2")
    user.event("s1")
    run(*arguments)
    assert user.spool.has_events()
    assert user.spool.jobs() == []
    worker.main()
    assert user.spool.waiting() == 0
    assert "s1" in user.stored()


# ---- one loop ------------------------------------------------------------------------------------


def test_one_session_takes_few_rounds_and_one_reading_of_the_settings(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.5)
    calls = Counter[str]()

    def count(owner: object, name: str) -> None:
        original = getattr(owner, name)

        def counting(*arguments: Any, **more: Any) -> Any:
            calls[name] += 1
            return original(*arguments, **more)

        monkeypatch.setattr(owner, name, counting)

    count(Spool, "ingest")
    count(config, "load")
    count(Ledger, "__init__")
    user.session("s1")
    user.event("s1")
    worker.main()
    assert user.stored() == {"s1"}
    assert calls["ingest"] <= 4
    assert (calls["load"], calls["__init__"]) == (1, 1)


class StopWaitingError(BaseException):
    """Ends a worker that would wait a second time."""


def at_first_wait(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Run `action` when the worker first waits for a retry; end the worker when it waits again."""
    wait, actions = Spool.wait, [action]

    def wait_once(spool: Spool, mtime: int, seconds: float) -> None:
        if seconds < 1:  # it lingers
            return wait(spool, mtime, seconds)
        if not actions:
            raise StopWaitingError
        actions.pop()()
        return wait(spool, mtime, seconds)

    monkeypatch.setattr(Spool, "wait", wait_once)


def test_event_that_the_clock_of_the_folder_hides_is_found_in_time(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of a coarse file system clock the folder's time stays the same."""
    monkeypatch.setattr(Spool, "mtime", lambda _: 1)
    monkeypatch.setattr(spool, "MAX_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(backoff, "WAITS", (30_000, 30_000))
    make_unreadable(user, "s1")
    user.session("s2")
    at_first_wait(monkeypatch, lambda: user.event("s2"))
    with pytest.raises(StopWaitingError):
        worker.main()
    assert user.stored() == {"s2"}
    (waiting,) = user.spool.jobs()
    assert waiting.attempts.count == 1


def test_project_that_is_excluded_while_the_worker_waits_stays_here(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "WAITS", (30_000, 30_000))
    make_unreadable(user, "s1")
    user.session("s2")

    def exclude_and_finish_a_turn() -> None:
        settings.change(os.environ, "exclude", ["/work"])
        user.event("s2")

    at_first_wait(monkeypatch, exclude_and_finish_a_turn)
    with pytest.raises(StopWaitingError):
        worker.main()
    assert user.stored() == set()


def test_settings_that_change_between_two_sessions_hold_for_the_second(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Syncer.sync

    def sync_then_exclude(*arguments: Any, **more: Any) -> SyncOutcome:
        outcome = sync(*arguments, **more)
        settings.change(os.environ, "exclude", ["/work"])
        return outcome

    monkeypatch.setattr(Syncer, "sync", sync_then_exclude)
    for name in ("s1", "s2"):
        user.session(name)
        user.event(name)
    worker.main()
    assert len(user.stored()) == 1
    assert user.spool.waiting() == 0


def test_event_that_comes_meanwhile_is_ingested_before_the_next_session(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To work the queue off may take minutes, and no event's text may stay for so long."""
    monkeypatch.setattr(worker, "INGEST_SECONDS", 0.0)
    sync, has_events = Syncer.sync, []

    def sync_then_finish_a_turn(*arguments: Any, **more: Any) -> SyncOutcome:
        has_events.append(user.spool.has_events())
        outcome = sync(*arguments, **more)
        if len(has_events) == 1:
            user.event("s3")
        return outcome

    monkeypatch.setattr(Syncer, "sync", sync_then_finish_a_turn)
    for name in ("s1", "s2", "s3"):
        user.session(name)
    user.event("s1")
    user.event("s2")
    worker.main()
    assert has_events == [False, False, False]
    assert user.stored() == {"s1", "s2", "s3"}


# ---- failures ------------------------------------------------------------------------------------


def test_bug_in_one_session_stops_no_other_and_shows_no_text(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Syncer.sync

    def fail_on_s1(self: Syncer, source: Any, located: Any, **more: Any) -> SyncOutcome:
        if located.session_id == "s1":
            raise KeyError("the user's own words")
        return sync(self, source, located, **more)

    monkeypatch.setattr(Syncer, "sync", fail_on_s1)
    for name in ("s1", "s2"):
        user.session(name)
        user.event(name)
    worker.main()
    assert user.stored() == {"s2"}
    error = last_error(user)
    assert error
    assert "KeyError" in error
    assert "words" not in error
    (quarantined,) = user.spool.quarantined()
    assert quarantined.trigger.session_id == "s1"


def test_unusable_settings_keep_the_request_without_its_text(user: ClaudeUser) -> None:
    user.session("s1")
    user.event("s1")
    user.folders.settings.write_text("url = [")
    user.folders.settings.chmod(0o600)
    worker.main()
    assert "not valid TOML" in (last_error(user) or "")
    assert user.spool.waiting() == 1
    assert not user.spool.has_events()
    user.folders.settings.unlink()
    user.event("unknown")
    worker.main()
    assert user.stored() == {"s1"}
    assert last_error(user) is None


@pytest.mark.parametrize(
    ("method", "has_events"), [("update", False), ("put", True)], ids=["job", "event"]
)
def test_spool_that_cannot_be_written_is_named_and_is_not_a_bug(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch, method: str, *, has_events: bool
) -> None:
    """A lock that belongs to root, say, after one `sudo opensync-hooks`."""
    user.session("s1")
    user.event("s1")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/x/spool/jobs.lock")

    monkeypatch.setattr(Spool, method, refuse)
    assert worker.main() == 1
    assert user.spool.has_events() is has_events
    assert last_error(user) == "/x/spool/jobs.lock: Permission denied."


def test_worker_that_hangs_for_good_is_ended_by_the_system(user: ClaudeUser) -> None:
    """Where it cannot look at the time: in one long search, or in a network file system."""
    user.session("s1")
    user.event("s1")
    hang = (
        "import re; from opensync_hooks.queue import drain, worker\n"
        "worker.GRACE_SECONDS = 0\n"
        "drain.Drain._sync = lambda *_: re.match('(a*)*b', 'a' * 40)\n"
        "worker.main(owns_process=True, seconds=2)"
    )
    ran = subprocess.run([sys.executable, "-c", hang], cwd=ROOT, timeout=60, check=False)
    assert ran.returncode == -signal.SIGALRM
    (job,) = user.spool.jobs()
    assert job.attempts.crashes == 1
    worker.main()
    assert user.stored() == {"s1"}


def test_worker_that_is_slow_but_at_work_is_left_alone(user: ClaudeUser) -> None:
    """It compares a long session for longer than a worker may hang."""
    user.session("s1", turns=7)
    user.event("s1")
    slow = (
        "import time; from opensync_hooks.delivery import payloads\n"
        "from opensync_hooks.queue import worker\n"
        "worker.GRACE_SECONDS, body = 0, payloads.message_body\n"
        "payloads.message_body = lambda *values: time.sleep(0.5) or body(*values)\n"
        "worker.main(owns_process=True, seconds=5)"
    )
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", slow], cwd=ROOT, timeout=300, check=False)
    assert ran.returncode == 0
    assert time.monotonic() - began > 6, "longer than the system lets a worker hang"
    assert user.stored() == {"s1"}
    assert user.spool.waiting() == 0


def test_session_is_read_where_its_own_hook_found_it(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker may have been started by the hook of an agent with other folders."""
    user.session("s1")
    other = user.home / "work" / "projects" / "-work" / "s2.jsonl"
    other.parent.mkdir(parents=True)
    user.session("s2").path.rename(other)
    environ = {"CLAUDE_CONFIG_DIR": str(user.home / "work")}
    user.spool.put(Job(Trigger("claude-code", "s1"), {}, 1))
    user.spool.put(Job(Trigger("claude-code", "s2"), environ, 2))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(user.home / "work"))
    worker.main()
    assert user.stored() == {"s1", "s2"}


# ---- what it costs -------------------------------------------------------------------------------


def test_worker_of_a_hook_ends_at_once_with_its_files_closed(user: ClaudeUser) -> None:
    user.session("s1")
    user.event("s1")
    script = "from opensync_hooks.queue import worker; worker.main(owns_process=True); print(1)"
    ran = run_python("-c", script)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert not [*user.folders.state.rglob("*-wal"), *user.folders.ledger.parent.rglob("*-wal")]
    assert user.stored() == {"s1"}


def test_turn_without_news_is_spared_the_import_of_requests(
    user: ClaudeUser, tmp_path: Path
) -> None:
    script = "import sys; from opensync_hooks.queue import worker; worker.main();"
    script += "print('requests' in sys.modules)"
    user.session("s1")
    with real_opensync(tmp_path) as (server, store, key):
        login = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        with patch.dict(os.environ, login):
            for imports_requests in (True, False):
                user.event("s1")
                assert run_python("-c", script).stdout == f"{imports_requests}\n"
                assert user.spool.waiting() == 0
        assert [*store.session_ids()] == ["s1"]
