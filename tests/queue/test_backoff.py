"""Retries of a job at every time, in every state and with every jitter."""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st

from opensync_hooks.queue import backoff
from opensync_hooks.queue.backoff import DAY, HOUR, MINUTE, Attempts, Failure

NOW = 1_790_000_000_000
LONGEST = round(12 * HOUR * 1.2)
jitters = st.floats(0, 1, exclude_max=True)
times = st.integers(0, 4 * NOW)
failures = st.sampled_from(backoff.FAILURES)


def failed(attempts: Attempts, failure: Failure, now: int) -> Attempts:
    later = attempts.after(failure, now, 0.5)
    assert later
    return later


@hypothesis.given(jitters, jitters)
def test_machines_that_fail_together_come_back_apart(first: float, second: float) -> None:
    waits = [backoff.wait(backoff.WAITS, 4, jitter) for jitter in (first, second)]
    assert abs(waits[0] - waits[1]) == pytest.approx(abs(first - second) * 0.4 * HOUR, abs=2)


def test_unreadable_session_is_retried_ten_times_with_growing_waits() -> None:
    attempts, waits, now = Attempts(), [], NOW
    while (later := attempts.after("source", now, 0.5)) is not None:
        waits.append((later.not_before - now) // MINUTE)
        attempts, now = later, later.not_before
    assert waits == [1, 5, 15, 60, 60, 60, 60, 60, 60, 60]


def test_unfinished_session_is_retried_within_seconds() -> None:
    attempts, waits, now = Attempts(), [], NOW
    while (later := attempts.after("unfinished", now, 0.5)) is not None:
        waits.append(later.not_before - now)
        attempts, now = later, later.not_before
    assert waits == [4_000, 10_000, 30_000, *[HOUR] * 7]


def test_announced_turn_is_looked_for_after_10_30_and_120_seconds() -> None:
    attempts, waits, now = Attempts(), [], NOW
    while (later := attempts.started(now, 0.5).after("awaited", now, 0.5)) is not None:
        waits.append(later.not_before - now)
        early = later.started(now + 1, 0.5).after("awaited", now + 1, 0.5)
        assert early == replace(later, started_at=now + 1), "a look in between must not count"
        attempts, now = later, later.not_before
    assert waits == [10_000, 30_000, 120_000]


def test_session_that_the_server_fails_on_has_8_attempts_over_a_day() -> None:
    attempts, now, count = Attempts(), NOW, 1
    while (later := attempts.after("unclear", now, 0.5)) is not None:
        attempts, now, count = later, later.not_before, count + 1
    assert count == 8
    assert DAY <= now - NOW < 2 * DAY


@hypothesis.given(st.lists(jitters, min_size=40, max_size=40), st.lists(st.booleans(), min_size=40))
def test_no_session_is_quarantined_within_a_day_or_before_8_attempts(
    chances: list[float], hooks: list[bool]
) -> None:
    """Not even if each turn of the session resets its attempts."""
    attempts, now, count = Attempts(), NOW, 1
    for jitter, hook in zip(chances, hooks, strict=False):
        later = attempts.after("unclear", now, jitter)
        if later is None:
            break
        attempts = later.reset() if hook else later
        now, count = (now + MINUTE if hook else later.not_before), count + 1
    else:
        return
    assert count >= 8
    assert now - NOW >= DAY


@pytest.mark.parametrize("failure", ["late", "destination"])
def test_job_that_is_not_to_blame_goes_on_without_a_wait(failure: Failure) -> None:
    started = Attempts(3, unclear_since=NOW - 5).started(NOW, 0.5)
    later = started.after(failure, NOW + 5, 0.5)
    assert later == Attempts(3, unclear_since=NOW - 5, started_at=NOW)


def test_job_that_crashes_workers_waits_longer_and_longer() -> None:
    attempts, waits = Attempts(), []
    for _ in range(9):
        attempts = attempts.started(NOW, 0.5)
        waits.append(max(0, attempts.not_before - NOW) // MINUTE)
    assert waits == [0, 0, 0, 0, 0, 1, 5, 15, 60]
    assert attempts.crashes == 9
    assert not attempts.is_due(NOW)
    assert attempts.without_blame().is_due(NOW)
    ended = (attempts.without_blame(), failed(attempts, "source", NOW), attempts.reset())
    assert [later.crashes for later in ended] == [0, 0, 0]


def test_new_request_is_due_at_once_but_failures_of_the_server_stay_counted() -> None:
    assert failed(Attempts(), "source", NOW).reset() == Attempts()
    unclear = failed(Attempts(), "unclear", NOW).reset()
    assert (unclear.count, unclear.unclear_since, unclear.not_before) == (1, NOW, 0)


@hypothesis.given(st.integers(0, 100), st.tuples(times, times, times), failures, jitters)
@hypothesis.example(3, (0, 0, 0), "awaited", 0.0)
def test_no_job_waits_longer_than_half_a_day_even_if_the_clock_is_set(
    count: int, clock: tuple[int, int, int], failure: Failure, jitter: float
) -> None:
    since, now, then = clock
    attempts = Attempts(count, unclear_since=since if failure == "unclear" else None)
    later = attempts.after(failure, now, jitter)
    if later is None:
        assert failure not in ("late", "destination")
        waits = len(backoff.AWAITED_WAITS)
        assert count + 1 >= (waits + 1 if failure == "awaited" else backoff.UNCLEAR_ATTEMPTS)
        return
    assert 0 <= later.not_before - now <= LONGEST or later.not_before == 0
    assert later.is_due(then) or 0 < later.not_before - then <= LONGEST
    assert later.crashes == 0


@hypothesis.given(st.integers(0, 20), failures, jitters)
@hypothesis.example(6, "unclear", 1 - 1e-12)
def test_retry_is_due_at_its_time_and_not_before(
    count: int, failure: Failure, jitter: float
) -> None:
    later = Attempts(count, unclear_since=NOW - 1).after(failure, NOW, jitter)
    if later is None or failure in ("late", "destination"):
        return
    due = later.not_before
    assert [later.is_due(at) for at in (NOW, due - 1, due, due + 1)] == [False, False, True, True]


@hypothesis.given(times, times)
def test_final_attempt_is_known_before_it_is_made(since: int, now: int) -> None:
    attempts = Attempts(7, unclear_since=since)
    assert attempts.is_final(now) == (attempts.after("unclear", now, 0.5) is None)
    assert not replace(attempts, count=6).is_final(now)


def test_day_of_failures_ends_after_24_hours_or_when_the_clock_is_set_back() -> None:
    attempts = Attempts(7, unclear_since=NOW)
    assert [attempts.is_final(NOW + late) for late in (0, DAY - 1, DAY, -1)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_job_that_was_never_started_is_due() -> None:
    assert (Attempts().started_at, Attempts().crashes, Attempts().is_due(NOW)) == (0, 0, True)
    assert backoff.MAX_CRASHES == 20
    assert not Attempts(not_before=NOW + 1).is_due(NOW)
    assert Attempts(not_before=NOW).is_due(NOW)
