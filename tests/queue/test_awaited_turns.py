"""A turn that a hook announced is waited for, visibly, until the agent has written it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Trigger
from opensync_hooks.queue import backoff, drain, worker
from opensync_hooks.queue.job import Job
from opensync_hooks.system import clock
from tests.claude_user import ClaudeUser
from tests.cursor_home import Draft, Editor


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "SETTLE_SECONDS", 0.1)


@pytest.fixture
def draft(user: ClaudeUser) -> Iterator[Draft]:
    editor = Editor(user.home)
    yield editor.draft("s1")
    editor.close()


def stop(user: ClaudeUser, turn_id: str = "request-1") -> None:
    user.spool.put(Job(Trigger("cursor", "s1", "stop", awaits=turn_id), {}, clock.now()))


def texts(user: ClaudeUser) -> list[str]:
    with Store(user.folders.store) as store:
        session = store.session("s1") or {"messages": []}
    return [message["textContent"] for message in session["messages"]]


def is_waiting(user: ClaudeUser) -> bool:
    return [job.failure for job in user.spool.jobs()] == ["awaited"]


def add_turn(draft: Draft, number: int, *, has_ids: bool) -> None:
    draft.add_prompt(f"prompt {number}", requestId=f"request-{number}" if has_ids else "")
    draft.add_answer(f"answer {number}")
    draft.save()


@pytest.mark.parametrize("has_ids", [True, False])
def test_turn_that_is_written_late_arrives_without_another_hook(
    user: ClaudeUser, draft: Draft, monkeypatch: pytest.MonkeyPatch, *, has_ids: bool
) -> None:
    stop(user)
    worker.main(seconds=1)
    assert is_waiting(user), "the first turn of a new session"
    assert user.spool.waiting() == 1
    add_turn(draft, 1, has_ids=has_ids)
    monkeypatch.setattr(backoff, "AWAITED_WAITS", (300, 300, 300))
    stop(user)
    worker.main(seconds=20)
    assert texts(user) == ["prompt 1", "answer 1"]
    assert user.spool.waiting() == 0
    stop(user, "request-2")
    worker.main(seconds=0.4)
    assert is_waiting(user), "a later turn"
    add_turn(draft, 2, has_ids=has_ids)
    worker.main(seconds=20)
    assert texts(user) == ["prompt 1", "answer 1", "prompt 2", "answer 2"]
    assert user.spool.waiting() == 0


def test_turn_that_was_delivered_before_its_hook_is_not_waited_for(
    user: ClaudeUser, draft: Draft
) -> None:
    add_turn(draft, 1, has_ids=True)
    for _ in range(2):
        stop(user)
        worker.main(seconds=5)
        assert user.spool.waiting() == 0


def test_hook_of_another_session_is_a_reason_to_look_again(user: ClaudeUser, draft: Draft) -> None:
    stop(user)
    worker.main(seconds=1)
    (before,) = user.spool.jobs()
    user.event("unknown")
    worker.main(seconds=1)
    (after,) = user.spool.jobs()
    assert after.attempts.started_at > before.attempts.started_at
    assert after.attempts.count == before.attempts.count
    add_turn(draft, 1, has_ids=True)
    user.event("unknown")
    worker.main(seconds=5)
    assert texts(user) == ["prompt 1", "answer 1"]
    assert user.spool.waiting() == 0


@pytest.mark.usefixtures("draft")
def test_turn_that_is_never_written_is_given_up(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "AWAITED_WAITS", (10, 10, 10))
    stop(user)
    worker.main(seconds=20)
    assert user.spool.waiting() == 0
    assert list(user.spool.quarantined()) == []


def test_end_of_a_session_that_left_nothing_is_not_waited_for(user: ClaudeUser) -> None:
    user.spool.put(Job(Trigger("cursor", "s1", "sessionEnd", awaits=""), {}, clock.now()))
    worker.main(seconds=5)
    assert user.spool.waiting() == 0
