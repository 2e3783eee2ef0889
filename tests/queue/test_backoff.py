"""What follows a failure, for every moment, every state and every piece of luck."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensync_hooks import errors
from opensync_hooks.queue import backoff
from opensync_hooks.queue.backoff import DAY, HOUR, MINUTE, Attempts, Cooldown, Failure, after, rest

NOW = 1_790_000_000_000
HERE = "login"
UNREACHABLE = errors.UnreachableError("down")
luck = st.floats(0, 1, exclude_max=True)
LONGEST = round(12 * HOUR * 1.2)
moments = st.integers(0, 4 * NOW)
failures = st.sampled_from(["source", "unclear", "unfinished", "late"])


def refused(known: Cooldown | None = None, now: int = NOW) -> Cooldown:
    found = rest(errors.KeyRefusedError("no"), known, now, HERE, 0.5)
    assert found
    return found


def down(
    known: Cooldown | None = None, now: int = NOW, error: errors.OpenSyncError = UNREACHABLE
) -> Cooldown:
    found = rest(error, known, now, HERE, 0.5)
    assert found
    return found


# ---- the destination -----------------------------------------------------------------------------


def test_destination_that_is_away_is_asked_after_1_5_15_and_60_minutes_then_hourly() -> None:
    known, waits = None, []
    now = NOW
    for _ in range(6):
        known = down(known, now)
        assert known.until
        waits.append((known.until - now) // MINUTE)
        now = known.until
    assert waits == [1, 5, 15, 60, 60, 60]
    assert known
    assert (known.cause, known.since, known.tries) == ("unreachable", NOW, 6)


def test_refused_key_and_wrong_address_rest_until_somebody_does_something() -> None:
    wrong = rest(errors.UnusableDestinationError("elsewhere"), None, NOW, HERE, 0.5)
    for one in (refused(), wrong):
        assert one
        assert one.until is None
        assert one.holds(NOW + 1000 * DAY, HERE)
        assert not one.holds(NOW, "another login")
        assert not one.lifted().holds(NOW, HERE)


def test_doubtful_certificate_rests_for_an_hour() -> None:
    found = rest(errors.CertificateError("whose?"), None, NOW, HERE, 0.5)
    assert found
    assert (found.cause, found.reason) == ("certificate", "whose?")
    assert found.until == NOW + HOUR


def test_server_that_says_when_to_come_back_is_not_asked_before() -> None:
    busy = errors.UnreachableError("busy", retry_after=600)
    found = down(error=busy)
    assert found.until
    assert 600_000 <= found.until - NOW <= 600_000 * 1.2
    assert down(error=errors.UnreachableError("busy", retry_after=1)).until == NOW + MINUTE


@pytest.mark.parametrize(
    "error",
    [errors.DiskError(""), errors.BusyError(""), errors.UnusableFileError(""),
     errors.SourceError(""), errors.RejectedError(""), errors.TimeLimitError(""),
     errors.NotConfiguredError("")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_is_not_its_fault_lets_no_destination_rest(
    error: errors.OpenSyncError,
) -> None:
    assert rest(error, None, NOW, HERE, 0.5) is None


def test_failures_of_another_login_are_not_counted_on() -> None:
    known = rest(UNREACHABLE, None, NOW, "another", 0.5)
    found = down(known, NOW + DAY)
    assert (found.tries, found.since) == (1, NOW + DAY)


def test_rest_that_is_lifted_by_hand_again_and_again_grows_no_longer_by_it() -> None:
    found = down(down(down(), NOW + MINUTE).lifted(), NOW + 2 * MINUTE)
    assert (found.tries, found.since) == (2, NOW)
    assert found.until == NOW + 7 * MINUTE
    assert down(down().lifted(), NOW + 5).tries == 1


@given(moments, moments, luck, st.integers(1, 50), st.floats(0, 1e9) | st.none())
def test_no_rest_is_longer_than_its_longest_whatever_the_clock_does(
    then: int, now: int, chance: float, tries: int, asked: float | None
) -> None:
    known = Cooldown("unreachable", "", then, then + MINUTE, tries, HERE)
    found = rest(errors.UnreachableError("", retry_after=asked), known, then, HERE, chance)
    assert found
    assert found.until
    assert then + 48_000 <= found.until <= then + 1.2 * HOUR
    if found.holds(now, HERE):
        assert found.until - now <= 1.2 * HOUR


@given(st.integers(0, 50), luck, st.booleans())
@example(50, 1 - 1e-12, False)
def test_rest_holds_from_its_first_moment_to_its_last(
    tries: int, chance: float, certificate: bool
) -> None:
    known = Cooldown("unreachable", "", NOW, NOW, tries, HERE)
    error = errors.CertificateError("whose?") if certificate else UNREACHABLE
    found = rest(error, known, NOW, HERE, chance)
    assert found
    assert found.until
    assert [found.holds(at, HERE) for at in (NOW, found.until - 1, found.until)] == [
        True, True, False,
    ]  # fmt: skip


@given(luck, luck)
def test_two_machines_that_failed_together_come_back_apart(one: float, other: float) -> None:
    waits = [backoff.wait(backoff.WAITS, 4, chance) for chance in (one, other)]
    assert abs(waits[0] - waits[1]) == pytest.approx(abs(one - other) * 0.4 * HOUR, abs=2)


# ---- a job ---------------------------------------------------------------------------------------


def failed(tries: Attempts, failure: Failure, now: int) -> Attempts:
    found = after(tries, failure, now, 0.5)
    assert found
    return found


def test_session_that_cannot_be_read_is_read_ten_times_more_with_growing_waits() -> None:
    tries, waits, now = Attempts(), [], NOW
    while (later := after(tries, "source", now, 0.5)) is not None:
        waits.append((later.not_before - now) // MINUTE)
        tries, now = later, later.not_before
    assert waits == [1, 5, 15, 60, 60, 60, 60, 60, 60, 60]


def test_session_that_is_still_being_written_is_looked_at_again_at_once() -> None:
    tries, waits, now = Attempts(), [], NOW
    while (later := after(tries, "unfinished", now, 0.5)) is not None:
        waits.append(later.not_before - now)
        tries, now = later, later.not_before
    assert waits == [4_000, 10_000, 30_000, *[HOUR] * 7]


def test_what_the_server_fails_on_is_given_up_after_8_tries_and_a_day() -> None:
    tries, now, tried = Attempts(), NOW, 1
    while (later := after(tries, "unclear", now, 0.5)) is not None:
        tries, now, tried = later, later.not_before, tried + 1
    assert tried == 8
    assert DAY <= now - NOW < 2 * DAY


@given(st.lists(luck, min_size=40, max_size=40), st.lists(st.booleans(), min_size=40, max_size=40))
def test_nothing_is_given_up_within_a_day_or_before_8_tries(
    chances: list[float], hooks: list[bool]
) -> None:
    """Also where every turn of the session has it tried again."""
    tries, now, tried = Attempts(), NOW, 1
    for chance, hook in zip(chances, hooks, strict=True):
        later = after(tries, "unclear", now, chance)
        if later is None:
            break
        tries = later.reset() if hook else later
        now, tried = (now + MINUTE if hook else later.not_before), tried + 1
    else:
        return
    assert tried >= 8
    assert now - NOW >= DAY


def test_session_that_takes_long_goes_on_as_soon_as_the_others_had_their_turn() -> None:
    begun = Attempts(3, since=NOW - 5).begins(NOW, 0.5)
    later = after(begun, "late", NOW + 5, 0.5)
    assert later
    assert (later.count, later.not_before, later.crashes, later.begun) == (3, 0, 0, NOW)


def test_job_that_kills_its_workers_waits_longer_and_longer() -> None:
    tries, waits = Attempts(), []
    for _ in range(9):
        tries = tries.begins(NOW, 0.5)
        waits.append(max(0, tries.not_before - NOW) // MINUTE)
    assert waits == [0, 0, 0, 0, 0, 1, 5, 15, 60]
    assert tries.crashes == 9
    assert not tries.is_due(NOW)
    assert tries.without_blame().is_due(NOW), "what went wrong then was not its fault"
    ended = (tries.without_blame(), failed(tries, "source", NOW), tries.reset())
    assert [one.crashes for one in ended] == [0, 0, 0]


def test_wish_is_met_at_once_whatever_was_before() -> None:
    assert failed(Attempts(), "source", NOW).reset() == Attempts()
    unclear = failed(Attempts(), "unclear", NOW).reset()
    assert (unclear.count, unclear.since, unclear.not_before) == (1, NOW, 0)


@given(st.integers(0, 100), st.tuples(moments, moments, moments), failures, luck)
def test_no_job_waits_longer_than_half_a_day_whatever_the_clock_does(
    count: int, times: tuple[int, int, int], failure: Failure, chance: float
) -> None:
    since, now, then = times
    tries = Attempts(count, since=since if failure == "unclear" else None)
    later = after(tries, failure, now, chance)
    if later is None:
        assert failure != "late"
        assert count + 1 >= backoff.UNCLEAR_TRIES
        return
    assert 0 <= later.not_before - now <= LONGEST or later.not_before == 0
    assert later.is_due(then) or 0 < later.not_before - then <= LONGEST
    assert later.crashes == 0


@given(st.integers(0, 20), failures, luck)
@example(6, "unclear", 1 - 1e-12)
def test_job_that_is_put_off_is_tried_when_its_time_has_come_and_not_before(
    count: int, failure: Failure, chance: float
) -> None:
    later = after(Attempts(count, since=NOW - 1), failure, NOW, chance)
    if later is None or failure == "late":
        return
    due = later.not_before
    assert [later.is_due(at) for at in (NOW, due - 1, due, due + 1)] == [False, False, True, True]


@given(moments, moments)
def test_last_try_is_told_before_it_is_made(since: int, now: int) -> None:
    """What is set aside in it is what `after` would give up."""
    tries = Attempts(7, since=since)
    assert tries.is_last(now) == (after(tries, "unclear", now, 0.5) is None)
    assert not replace(tries, count=6).is_last(now)


def test_second_failure_in_the_same_moment_is_the_second() -> None:
    assert down(down()).tries == 2
    assert down(down(), NOW - 1).tries == 1, "a clock that was set back begins anew"


def test_day_is_over_when_it_is_over() -> None:
    tries = Attempts(7, since=NOW)
    assert [tries.is_last(NOW + late) for late in (0, DAY - 1, DAY, -1)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_job_that_no_worker_has_taken_up_says_so() -> None:
    assert (Attempts().begun, Attempts().crashes, Attempts().is_due(NOW)) == (0, 0, True)
    assert backoff.MAX_CRASHES == 20
    assert not Attempts(not_before=NOW + 1).is_due(NOW)
    assert Attempts(not_before=NOW).is_due(NOW)
