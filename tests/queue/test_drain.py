"""Each job ends in one of three ways: delivered, retried later, or quarantined."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import ServerFailureError, SourceError
from opensync_hooks.model import Session, Skipped, Trigger
from opensync_hooks.queue import backoff, drain, worker
from opensync_hooks.queue.backoff import HOUR, Attempts, Failure
from opensync_hooks.queue.drain import log_result
from opensync_hooks.queue.job import Job
from opensync_hooks.system import clock
from opensync_hooks.system.files import session_file_stem
from opensync_hooks.system.log import Log
from tests.claude_user import ClaudeUser
from tests.cursor_home import Editor


def exhaust_attempts(user: ClaudeUser) -> None:
    """Make the next attempt of the only job the last one."""
    user.spool.ingest()
    (job,) = user.spool.jobs()
    user.spool.update(replace(job, attempts=Attempts(backoff.MAX_RETRIES)))


def quarantined(user: ClaudeUser) -> list[Job]:
    return list(user.spool.quarantined())


# ---- reading -------------------------------------------------------------------------------------


def test_session_is_read_at_last_if_its_agent_never_writes_what_it_had_shown(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the clock was set back, too, so that the hook seems to come from the future."""
    monkeypatch.setattr(drain, "SETTLE_SECONDS", 0.2)
    user.session("s1")
    trigger = Trigger("claude-code", "s1", "Stop", awaits="0" * 64)
    user.spool.put(Job(trigger, {}, clock.now() + HOUR))
    worker.main(seconds=3)
    assert user.stored() == {"s1"}


def test_turn_is_read_from_the_last_one_on_and_an_ended_session_from_its_beginning(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume, resumed = ClaudeCodeSource.resume, []

    def recording(*arguments: Any, **more: Any) -> Iterator[Session]:
        for session in resume(*arguments, **more):
            resumed.append(session.is_resumed)
            yield session

    monkeypatch.setattr(ClaudeCodeSource, "resume", recording)
    transcript = user.session("s1", turns=9)
    for number, end_reason in enumerate((None, None, "clear")):
        user.spool.put(Job(Trigger("claude-code", "s1", end_reason=end_reason), {}, clock.now()))
        worker.main()
        transcript.turn(10 + number)
    assert resumed == [False, True, False]


def test_file_that_is_replaced_while_it_is_read_is_read_again_at_once(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, calls = Syncer.sync, []

    def fail_once(*arguments: Any, **more: Any) -> SyncOutcome:
        calls.append(arguments)
        if len(calls) == 1:
            raise SourceError("s1.jsonl: is missing.")
        return sync(*arguments, **more)

    monkeypatch.setattr(Syncer, "sync", fail_once)
    user.session("s1")
    user.event("s1")
    worker.main()
    assert user.stored() == {"s1"}
    assert len(calls) == 2


def test_unreadable_session_is_retried_ten_times_then_quarantined_with_its_file(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "_REREAD_SECONDS", 0.0)
    writer = user.session("s1")
    writer.path.unlink()
    os.mkfifo(writer.path)
    user.event("s1")
    for _ in range(backoff.MAX_RETRIES):
        worker.main(at_once=True)
        (job,) = user.spool.jobs()
        assert job.failure == "source"
    worker.main(at_once=True)
    assert user.spool.jobs() == []
    assert "s1.jsonl" in (quarantined(user)[0].error or "")


def test_session_that_another_process_delivers_waits_and_the_others_go_on(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "Limits", partial(Limits, lock_timeout=0.05))
    for name in ("s1", "s2"):
        user.session(name)
        user.event(name)
    worker.main()
    lock = user.folders.locks / f"{session_file_stem('claude-code', 's1')}.lock"
    for name in ("s1", "s2"):
        user.session(name).turn(2)
        user.event(name)
    with FileLock(lock):
        worker.main(seconds=5)
        assert user.spool.waiting() == 1
    user.event("unknown")
    worker.main(seconds=5)
    assert user.spool.waiting() == 1, "its time has not come"
    worker.main(at_once=True)
    assert user.spool.waiting() == 0


# ---- unfinished and long sessions ----------------------------------------------------------------


def test_session_whose_agent_ended_in_the_middle_of_a_turn_arrives_as_far_as_it_is(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "SETTLE_SECONDS", 0.1)
    editor = Editor(user.home)
    draft = editor.draft("s1")
    draft.add_turn(1)
    draft.add_prompt("prompt 2")
    draft.save(lastUpdatedAt=int(time.time() * 1000))
    user.spool.put(Job(Trigger("cursor", "s1"), {}, clock.now()))
    worker.main(seconds=2)
    (waiting,) = user.spool.jobs()
    assert waiting.failure == "unfinished"
    exhaust_attempts(user)
    worker.main(seconds=2)
    editor.close()
    assert (user.spool.jobs(), quarantined(user)) == ([], [])
    with Store(user.folders.store) as store:
        session = store.session("s1")
    assert session
    texts = [message["textContent"] for message in session["messages"]]
    assert texts == ["prompt 1", "answer 1", "prompt 2"]


@pytest.mark.parametrize(
    ("failure", "is_quarantined"),
    [("unfinished", False), ("source", True), ("destination", True), (None, True)],
    ids=str,
)
def test_deleted_session_is_quarantined_unless_it_had_arrived(
    user: ClaudeUser, failure: Failure | None, *, is_quarantined: bool
) -> None:
    """Without a kind the job is from an earlier version, and nothing tells that it had arrived."""
    job = Job(Trigger("claude-code", "s1"), {}, 1, error="It failed.", failure=failure)
    user.spool.put(job)
    worker.main(at_once=True)
    assert user.spool.jobs() == []
    assert bool(quarantined(user)) is is_quarantined


def test_session_that_takes_all_its_time_to_read_arrives_message_by_message(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt would otherwise end before it sent its first new message."""
    monkeypatch.setattr(drain, "JOB_SECONDS", 0.0)
    user.session("s1").turn(2)
    user.event("s1")
    worker.main(seconds=30)
    assert user.spool.waiting() == 0
    with Store(user.folders.store) as store:
        assert store.stats()["messageCount"] == 4


# ---- the log -------------------------------------------------------------------------------------


def test_log_has_one_line_for_each_result(tmp_path: Path) -> None:
    log = Log(tmp_path)
    job = Job(Trigger("claude-code", "s1"), {}, 1, attempts=Attempts(2))
    log_result(log, job, ServerFailureError("The server answers 500."))
    outcome = SyncOutcome(
        "s1", sent=3, unchanged=4, quarantined=5, unclear=6, is_partial=True,
        redacted={"key": 4, "token": 3}, losses={"texts cut short": 8},
        skipped={Skipped("unreadable", "bad lines"): 9},
    )  # fmt: skip
    log_result(log, job, outcome)
    failed, waiting = (line.split(maxsplit=2)[2] for line in log.path.read_text().splitlines())
    session = "agent=claude-code session=s1"
    assert failed == f"failed {session} why=ServerFailureError attempt=3"
    assert set(waiting.split()) == {
        "waiting", *session.split(), "sent=3", "unchanged=4", "quarantined=5", "unclear=6",
        "redacted=7", "partial=True", "texts-cut-short=8", "bad-lines=9",
    }  # fmt: skip
