"""The file of a job: one request of two, and what earlier and later versions write."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from opensync_hooks.model import Trigger
from opensync_hooks.queue import job as job_file
from opensync_hooks.queue.backoff import BEGIN_WAIT, Attempts
from opensync_hooks.queue.job import Job

EARLIER: dict[str, Any] = {
    "trigger": {
        "agent": "claude-code", "session_id": "s1", "event": "Stop", "path": "/p", "awaits": "a",
        "end_reason": "clear", "heard": None,
    },
    "environ": {"CLAUDE_CONFIG_DIR": "/c"}, "received_at": 1, "error": "It failed.",
    "tries": {"count": 2, "not_before": 3, "since": 4, "begun": 5, "deaths": 6},
}  # fmt: skip
"""What the first versions wrote."""
JOB = Job(
    Trigger("claude-code", "s1", "Stop", "/p", "a", "clear"),
    {"CLAUDE_CONFIG_DIR": "/c"},
    1,
    "It failed.",
    attempts=Attempts(2, not_before=3, unclear_since=4, started_at=5, crashes=6),
)


def changed(name: str, value: Any) -> bytes:
    return json.dumps({**EARLIER, name: value}).encode()


def test_job_of_an_earlier_version_is_read() -> None:
    assert job_file.parse(json.dumps(EARLIER).encode()) == JOB


def test_earlier_version_finds_its_keys_in_a_job() -> None:
    written = json.loads(replace(JOB, failure="source").to_bytes())
    trigger = {name: text for name, text in EARLIER["trigger"].items() if name != "heard"}
    trigger["is_begin"] = False  # which it skips
    assert written == {**EARLIER, "format": 2, "trigger": trigger, "failure": "source"}


def test_job_comes_back_as_it_was_written() -> None:
    for job in (JOB, replace(JOB, failure="unfinished"), Job(Trigger("cursor", "\ud83d"), {}, 1)):
        assert job_file.parse(job.to_bytes()) == job


@pytest.mark.parametrize(
    "value",
    [
        {name: value for name, value in EARLIER.items() if name not in ("tries", "error")},
        {**EARLIER, "more": 1, "tries": {"more": 1}, "failure": "a kind of next year"},
    ],
    ids=["earlier", "later"],
)
def test_missing_and_unknown_keys_are_no_damage(value: dict[str, Any]) -> None:
    job = job_file.parse(json.dumps(value).encode())
    assert job
    assert (job.trigger.session_id, job.attempts, job.failure) == ("s1", Attempts(), None)


DAMAGED = {
    "empty": b"",
    "zeros": b"\0" * 300,
    "brace": b"{",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "number": b"7",
    "too deep": b"[" * 100_000,
    "no UTF-8": b"\xff\xfe",
    "torn": json.dumps(EARLIER).encode()[:-9],
    "no trigger": changed("trigger", None),
    "trigger is a text": changed("trigger", "s1"),
    "trigger without a session": changed("trigger", {"agent": "claude-code"}),
    "session is null": changed("trigger", {**EARLIER["trigger"], "session_id": None}),
    "path is a number": changed("trigger", {**EARLIER["trigger"], "path": 7}),
    "no environment": changed("environ", None),
    "variable is a number": changed("environ", {"CLAUDE_CONFIG_DIR": 7}),
    "time is a text": changed("received_at", "yesterday"),
    "time is a bool": changed("received_at", True),
    "error is a number": changed("error", 7),
    "no tries": changed("tries", None),
    "count is a text": changed("tries", {"count": "many"}),
    "since is a text": changed("tries", {"since": "yesterday"}),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_job_is_none(content: bytes) -> None:
    assert job_file.parse(content) is None


@pytest.mark.parametrize("is_swapped", [False, True], ids=["in order", "earlier one comes later"])
def test_later_request_decides_whatever_the_order(*, is_swapped: bool) -> None:
    earlier = Job(Trigger("claude-code", "s1", "SessionEnd", "/old", "old", "clear"), {"A": "1"}, 1)
    later = Job(Trigger("claude-code", "s1", "Stop", awaits="new"), {"A": "2"}, 2)
    merged = later.merged(earlier) if is_swapped else earlier.merged(later)
    trigger = Trigger("claude-code", "s1", "Stop", "/old", "new", "clear")
    assert merged == Job(trigger, {"A": "2"}, 2), "a path and an end that were seen are kept"


def test_beginning_of_the_next_turn_takes_nothing_from_the_end_of_this_one() -> None:
    """Its text is still waited for, whatever the order in which the two events are read."""
    end = Job(Trigger("claude-code", "s1", "Stop", awaits="words"), {}, 1)
    begin = Job(
        Trigger("claude-code", "s1", "UserPromptSubmit", is_begin=True),
        {},
        2,
        attempts=Attempts(not_before=BEGIN_WAIT),
    )
    for merged in (end.merged(begin), begin.merged(end)):
        assert merged.trigger.awaits == "words"
        assert not merged.trigger.is_begin
    assert end.merged(begin).attempts.not_before == BEGIN_WAIT
    assert begin.merged(replace(begin, received_at=3)).trigger.is_begin
    ended = begin.merged(replace(end, received_at=3))
    assert (ended.attempts.not_before, ended.trigger.awaits) == (0, "words")


def test_beginning_is_still_one_after_the_worker_was_killed() -> None:
    begin = Job(Trigger("cursor", "s1", "beforeSubmitPrompt", is_begin=True), {}, 2)
    assert job_file.parse(begin.to_bytes()) == begin
    earlier = json.loads(begin.to_bytes())
    del earlier["trigger"]["is_begin"]
    parsed = job_file.parse(json.dumps(earlier).encode())
    assert parsed
    assert not parsed.trigger.is_begin


def test_new_request_resets_the_attempts_and_the_same_one_does_not() -> None:
    failed = replace(JOB, failure="source")
    assert failed.merged(JOB) == failed
    fresh = failed.merged(replace(JOB, received_at=2))
    assert (fresh.error, fresh.failure) == (None, None)
    assert fresh.attempts == failed.attempts.reset()


def test_environment_has_the_agents_own_variables_as_the_hook_had_them() -> None:
    environ = {"CLAUDE_CONFIG_DIR": "/other", "PATH": "/bin"}
    assert JOB.agent_environ(environ) == {"CLAUDE_CONFIG_DIR": "/c", "PATH": "/bin"}
    assert replace(JOB, environ={}).agent_environ(environ) == {"PATH": "/bin"}
