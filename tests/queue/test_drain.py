"""What becomes of each job: tried in its turn, by the settings of that moment, never for ever."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks import config
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import Located
from opensync_hooks.config import settings
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.queue import backoff, backups, drain, spool, worker
from opensync_hooks.queue.backoff import Attempts
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.log import Log
from tests.claude_user import ClaudeUser
from tests.commandline import run
from tests.cursor_home import Editor
from tests.transcripts import TranscriptWriter

HOUR_MS = 3_600_000


@pytest.fixture
def desk(home: Path, monkeypatch: pytest.MonkeyPatch) -> ClaudeUser:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.05)
    return ClaudeUser(home)


def test_clock_that_was_set_back_does_not_stretch_the_wait_for_the_agent(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook came in what is the future now; what it had been shown is never written."""
    monkeypatch.setattr(drain, "SETTLE_SECONDS", 0.2)
    desk.session("s1")
    shown = Trigger("claude-code", "s1", "Stop", awaits="0" * 64)
    desk.spool.put(Job(shown, {}, time.time_ns() // 1_000_000 + HOUR_MS))
    worker.main(seconds=3)
    assert desk.stored() == {"s1"}


def test_session_that_cannot_be_looked_for_now_leaves_the_others_their_copies(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that its owner holds, say."""
    locate = ClaudeCodeSource.locate

    def held(self: ClaudeCodeSource, trigger: Trigger) -> Located | None:
        if trigger.session_id == "s1":
            raise SourceError("its owner lets nobody read")
        return locate(self, trigger)

    monkeypatch.setattr(ClaudeCodeSource, "locate", held)
    for at, name in enumerate(("s1", "s2")):
        desk.session(name)
        desk.spool.put(Job(Trigger("claude-code", name), {}, at))
    loaded, log = config.load(), Log(desk.folders.state)
    with Ledger(desk.folders.ledger) as ledger:
        backups.back_up_queue(desk.spool, ledger, loaded, log, time.monotonic() + 60)
    assert SessionBackups.from_config(loaded).find("claude-code", "s2")


def test_what_waits_or_was_set_aside_is_copied_wherever_its_agent_keeps_it(
    desk: ClaudeUser, tmp_path: Path
) -> None:
    TranscriptWriter(tmp_path / "other" / "projects" / "-work" / "s1.jsonl").turn(1)
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path / "other")}
    desk.spool.put(Job(Trigger("an agent of next year", "s0"), {}, 1))
    desk.spool.put(Job(Trigger("claude-code", "gone"), {}, 2))
    desk.spool.put(Job(Trigger("claude-code", "s1"), environ, 3))
    desk.session("s2")
    desk.spool.quarantine(Job(Trigger("claude-code", "s2"), {}, 4), "It was refused.")
    log, kept = Log(desk.folders.state), SessionBackups.from_config(config.load())
    with Ledger(desk.folders.ledger) as ledger:
        for _ in range(2):
            backups.back_up_queue(desk.spool, ledger, config.load(), log, time.monotonic() + 60)
    assert kept.find("claude-code", "s1")
    assert kept.find("claude-code", "s2")
    told = [line.partition(" copied ")[2] for line in log.path.read_text().splitlines()]
    assert told == ["agent=claude-code session=s1", "agent=claude-code session=s2"]


def test_copy_that_is_dropped_is_told_in_status_and_log_also_by_a_worker_without_time(
    desk: ClaudeUser,
) -> None:
    desk.session("s1")
    desk.session("s2")
    desk.spool.put(Job(Trigger("claude-code", "s1"), {}, 1))
    loaded, log = config.load(), Log(desk.folders.state)
    kept = SessionBackups.from_config(loaded)
    with Ledger(desk.folders.ledger) as ledger:
        backups.back_up_queue(desk.spool, ledger, loaded, log, time.monotonic() + 60)
        (copy,) = kept.folder.iterdir()
        os.utime(copy, (1, 1))
        desk.spool.put(Job(Trigger("claude-code", "s2"), {}, 2))
        backups.back_up_queue(desk.spool, ledger, loaded, log, time.monotonic() - 1)
    assert not list(kept.folder.iterdir())
    assert "1 copies dropped" in run("status").stdout
    assert log.path.read_text().endswith(" copy-dropped agent=claude-code session=s1\n")


def test_worker_in_which_a_session_failed_drops_the_copies_that_are_too_old(
    desk: ClaudeUser,
) -> None:
    desk.session("old")
    loaded, kept = config.load(), SessionBackups.from_config(config.load())
    desk.spool.quarantine(Job(Trigger("claude-code", "old"), {}, 1), "It was refused.")
    with Ledger(desk.folders.ledger) as ledger:
        log = Log(desk.folders.state)
        backups.back_up_queue(desk.spool, ledger, loaded, log, time.monotonic() + 60)
    (copy,) = kept.folder.iterdir()
    os.utime(copy, (1, 1))
    desk.spool.drop(next(desk.spool.quarantined()).name)
    unreadable(desk, "s1")
    worker.main(seconds=3)
    assert not list(kept.folder.iterdir())
    assert "copies dropped" in run("status").stdout


def unreadable(desk: ClaudeUser, name: str) -> None:
    """A session that waits for its time, because what it lies in cannot be read."""
    writer = desk.session(name)
    writer.path.unlink()
    os.mkfifo(writer.path)
    desk.event(name)


def test_text_of_a_hook_that_comes_meanwhile_is_gone_before_the_next_session(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue can take minutes, and no event's text lies about for so long."""
    monkeypatch.setattr(worker, "INGEST_SECONDS", 0.0)
    sync, events_left = Syncer.sync, []

    def then_talk(self: Syncer, *given: Any, **more: Any) -> SyncOutcome:
        events_left.append(desk.spool.has_events())
        outcome = sync(self, *given, **more)
        if len(events_left) == 1:
            desk.event("s3")
        return outcome

    monkeypatch.setattr(Syncer, "sync", then_talk)
    for name in ("s1", "s2", "s3"):
        desk.session(name)
    desk.event("s1")
    desk.event("s2")
    worker.main()
    assert events_left == [False, False, False]
    assert desk.stored() == {"s1", "s2", "s3"}


def test_session_that_is_rewritten_just_as_it_is_read_is_read_again_at_once(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, calls = Syncer.sync, []

    def moved_once(self: Syncer, *given: Any, **more: Any) -> SyncOutcome:
        calls.append(given)
        if len(calls) == 1:
            raise SourceError("s1.jsonl: is not there.")
        return sync(self, *given, **more)

    monkeypatch.setattr(Syncer, "sync", moved_once)
    desk.session("s1")
    desk.event("s1")
    worker.main()
    assert desk.stored() == {"s1"}
    assert len(calls) == 2


def tried_often(desk: ClaudeUser) -> None:
    """As if the only job had been tried as often as it may be."""
    desk.spool.ingest()
    (one,) = desk.spool.jobs()
    desk.spool.update(replace(one, error=one.error, attempts=Attempts(backoff.MAX_RETRIES)))


def test_session_whose_agent_ended_in_the_middle_of_a_turn_arrives_as_far_as_it_got(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "SETTLE_SECONDS", 0.1)
    editor = Editor(desk.home)
    draft = editor.draft("s1")
    draft.add_turn(1)
    draft.add_prompt("prompt 2")
    draft.save(lastUpdatedAt=int(time.time() * 1000))
    desk.spool.put(Job(Trigger("cursor", "s1"), {}, time.time_ns() // 1_000_000))
    worker.main(seconds=2)
    (waiting,) = desk.spool.jobs()
    assert waiting.failure == "unfinished"
    tried_often(desk)
    worker.main(seconds=2)
    editor.close()
    assert (desk.spool.jobs(), list(desk.spool.quarantined())) == ([], [])
    with Store(desk.folders.store) as store:
        found = store.session("s1")
    assert found
    assert [one["textContent"] for one in found["messages"]] == ["prompt 1", "answer 1", "prompt 2"]


def test_session_that_can_never_be_read_is_set_aside_and_says_why(desk: ClaudeUser) -> None:
    unreadable(desk, "s1")
    tried_often(desk)
    worker.main(seconds=3)
    assert desk.spool.jobs() == []
    (aside,) = desk.spool.quarantined()
    assert "s1.jsonl" in (aside.error or "")


class Over(BaseException):
    """Ends a worker that would go on waiting."""


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Once, when the worker first waits for a job whose time has not come; then it ends."""
    wait, calls = Spool.wait, [happens]

    def waiting(one: Spool, since: int, seconds: float) -> None:
        if not calls:
            raise Over
        calls.pop()()
        wait(one, since, seconds)

    monkeypatch.setattr(Spool, "wait", waiting)


def test_hook_that_comes_unseen_does_not_wait_for_the_job_of_another(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of a file system's clock its folder looks as it did before."""
    monkeypatch.setattr(Spool, "mtime", lambda _: 1)
    monkeypatch.setattr(spool, "MAX_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(backoff, "WAITS", (30_000, 30_000))
    unreadable(desk, "s1")
    desk.session("s2")
    meanwhile(monkeypatch, lambda: desk.event("s2"))
    with pytest.raises(Over):
        worker.main()
    assert desk.stored() == {"s2"}
    (waiting,) = desk.spool.jobs()
    assert waiting.attempts.count == 1


def test_project_that_is_excluded_while_a_worker_waits_stays_here(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "WAITS", (30_000, 30_000))
    unreadable(desk, "s1")
    desk.session("s2")

    def exclude_and_talk() -> None:
        settings.change(os.environ, "exclude", ["/work"])
        desk.event("s2")

    meanwhile(monkeypatch, exclude_and_talk)
    with pytest.raises(Over):
        worker.main()
    assert desk.stored() == set()


def test_settings_that_change_within_a_queue_hold_from_the_next_session_on(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Syncer.sync

    def then_exclude(self: Syncer, *given: Any, **more: Any) -> SyncOutcome:
        outcome = sync(self, *given, **more)
        settings.change(os.environ, "exclude", ["/work"])
        return outcome

    monkeypatch.setattr(Syncer, "sync", then_exclude)
    for name in ("s1", "s2"):
        desk.session(name)
        desk.event(name)
    worker.main()
    assert len(desk.stored()) == 1
    assert desk.spool.waiting() == 0


def test_queue_that_cannot_be_written_is_told_by_its_name_and_is_no_bug(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.session("s1")
    desk.event("s1")
    desk.spool.ingest()

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(desk.folders.spool))

    monkeypatch.setattr(Spool, "update", refused)
    assert worker.main() == 1
    with Ledger(desk.folders.ledger) as ledger:
        noted = ledger.note("last error")
    assert noted
    assert noted[0] == f"{desk.folders.spool}: Permission denied."


def test_session_whose_reading_alone_takes_all_its_time_still_arrives_message_by_message(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its turns would else end before the first message that is new."""
    monkeypatch.setattr(drain, "JOB_SECONDS", 0.0)
    desk.session("s1").turn(2)
    desk.event("s1")
    worker.main(seconds=30)
    assert desk.spool.waiting() == 0
    with Store(desk.folders.store) as store:
        assert store.stats()["messageCount"] == 4


def test_event_that_cannot_become_a_job_is_told_in_status(
    desk: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock of root's, say, from one `sudo opensync-hooks`."""
    desk.event("s1")

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/x/spool/jobs.lock")

    monkeypatch.setattr(Spool, "put", refused)
    assert worker.main() == 1
    assert desk.spool.has_events()
    with Ledger(desk.folders.ledger) as ledger:
        noted = ledger.note("last error")
    assert noted
    assert noted[0] == "/x/spool/jobs.lock: Permission denied."


@pytest.mark.parametrize(
    "command", [("sync", "s2"), ("verify",), ("queue", "list")], ids=lambda words: words[0]
)
def test_command_leaves_to_the_worker_what_hooks_ask_for(
    desk: ClaudeUser, command: tuple[str, ...]
) -> None:
    """A worker that leaves looks for events once more: a job made of one would be overlooked."""
    desk.session("s1")
    desk.session("s2")
    desk.event("s1")
    run(*command)
    assert desk.spool.has_events()
    assert desk.spool.jobs() == []
    worker.main()
    assert desk.spool.waiting() == 0
    assert "s1" in desk.stored()
