"""How long a destination is left alone after which failure, whatever the clock does."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from opensync_hooks import errors
from opensync_hooks.config import Folders, load
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue.backoff import DAY, HOUR, MINUTE
from opensync_hooks.queue.cooldown import (
    Cooldown,
    CooldownRecord,
    manual_attempt,
    needs_user,
    next_cooldown,
)
from opensync_hooks.queue.spool import Spool

NOW = 1_790_000_000_000
LOGIN = "hash of the login"
UNREACHABLE = errors.UnreachableError("down")
jitters = st.floats(0, 1, exclude_max=True)
times = st.integers(0, 4 * NOW)


def after(
    error: errors.OpenSyncError, previous: Cooldown | None = None, now: int = NOW
) -> Cooldown:
    cooldown = next_cooldown(error, previous, now, LOGIN, 0.5)
    assert cooldown
    return cooldown


def test_unreachable_destination_is_asked_after_1_5_and_15_minutes_then_hourly() -> None:
    """The first of the hours is shorter on average, see the next test."""
    cooldown, waits, now = None, [], NOW
    for _ in range(6):
        cooldown = after(UNREACHABLE, cooldown, now)
        assert cooldown.until
        waits.append((cooldown.until - now) // MINUTE)
        now = cooldown.until
    assert waits == [1, 5, 15, 39, 60, 60]
    assert cooldown
    assert (cooldown.cause, cooldown.since, cooldown.tries) == ("unreachable", NOW, 6)


@pytest.mark.parametrize("outage", [2 * HOUR, 5 * HOUR], ids=["2 h", "5 h"])
@pytest.mark.parametrize("seed", range(3))
def test_ten_thousand_machines_come_back_evenly_after_an_outage(outage: int, seed: int) -> None:
    """All of them fail within the five minutes in which each has a turn."""
    dice, minutes = random.Random(seed), Counter[int]()  # noqa: S311 - no secret
    for _ in range(10_000):
        now, cooldown = NOW + round(dice.uniform(0, 5 * MINUTE)), None
        while now < NOW + outage:
            cooldown = next_cooldown(UNREACHABLE, cooldown, now, LOGIN, dice.random())
            assert cooldown
            assert cooldown.until
            now = cooldown.until
            if cooldown.tries > 2:  # the worker has left: the next turn's hook starts another
                now += round(dice.expovariate(1 / (5 * MINUTE)))
        minutes[(now - NOW - outage) // MINUTE] += 1
    assert max(minutes) < 130
    busy = [number for minute, number in minutes.items() if minute <= 72]
    assert max(busy) <= 2 * sum(busy) / 72


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (errors.KeyRefusedError("no"), "key refused"),
        (errors.UnusableDestinationError("elsewhere"), "wrong address"),
    ],
    ids=["key", "address"],
)
def test_refused_key_and_wrong_address_are_tried_again_within_a_day(
    error: errors.OpenSyncError, cause: str
) -> None:
    assert needs_user(error)
    for jitter in (0, 1 - 1e-12):
        cooldown = next_cooldown(error, None, NOW, LOGIN, jitter)
        assert cooldown
        assert cooldown.cause == cause
        assert cooldown.until
        assert 16 * HOUR <= cooldown.until - NOW <= DAY
        assert cooldown.is_active(NOW, LOGIN)
        assert not cooldown.is_active(cooldown.until, LOGIN)
        assert not cooldown.is_active(NOW, "another login")


def test_endless_cooldown_of_an_earlier_version_ends_after_a_day() -> None:
    cooldown = Cooldown("key refused", "no", NOW, None, 1, LOGIN)
    ends = [cooldown.is_active(NOW + ms, LOGIN) for ms in (-1, 0, DAY - 1, DAY)]
    assert ends == [False, True, True, False]


def test_untrusted_certificate_cools_down_for_an_hour() -> None:
    error = errors.CertificateError("whose?")
    cooldown = after(error)
    assert (cooldown.cause, cooldown.reason) == ("certificate", "whose?")
    assert cooldown.until == NOW + HOUR
    assert not needs_user(error)


def test_server_that_names_a_time_is_not_asked_before() -> None:
    cooldown = after(errors.UnreachableError("busy", retry_after=600))
    assert cooldown.until
    assert 600_000 <= cooldown.until - NOW <= 600_000 * 1.2
    assert after(errors.UnreachableError("busy", retry_after=1)).until == NOW + MINUTE


@pytest.mark.parametrize(
    "error",
    [errors.DiskError(""), errors.BusyError(""), errors.UnusableFileError(""),
     errors.SourceError(""), errors.RejectedError(""), errors.TimeLimitError(""),
     errors.NotConfiguredError("")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_other_failures_start_no_cooldown(error: errors.OpenSyncError) -> None:
    assert next_cooldown(error, None, NOW, LOGIN, 0.5) is None
    assert not needs_user(error)


def test_failures_of_another_login_do_not_count() -> None:
    previous = next_cooldown(UNREACHABLE, None, NOW, "another", 0.5)
    cooldown = after(UNREACHABLE, previous, NOW + DAY)
    assert (cooldown.tries, cooldown.since) == (1, NOW + DAY)


def test_second_failure_at_the_same_time_counts_but_not_after_the_clock_was_set_back() -> None:
    first = after(UNREACHABLE)
    assert after(UNREACHABLE, first).tries == 2
    assert after(UNREACHABLE, first, NOW - 1).tries == 1


@hypothesis.given(times, times, jitters, st.integers(1, 50), st.floats(0, 1e9) | st.none())
def test_no_cooldown_is_longer_than_an_hour_even_if_the_clock_is_set(
    then: int, now: int, jitter: float, tries: int, retry_after: float | None
) -> None:
    previous = Cooldown("unreachable", "", then, then + MINUTE, tries, LOGIN)
    error = errors.UnreachableError("", retry_after=retry_after)
    cooldown = next_cooldown(error, previous, then, LOGIN, jitter)
    assert cooldown
    assert cooldown.until
    assert then + 48_000 <= cooldown.until <= then + 1.2 * HOUR
    if cooldown.is_active(now, LOGIN):
        assert cooldown.until - now <= 1.2 * HOUR


@hypothesis.given(st.integers(0, 50), jitters, st.booleans())
@hypothesis.example(50, 1 - 1e-12, False)
def test_cooldown_is_active_until_its_end(tries: int, jitter: float, certificate: bool) -> None:
    previous = Cooldown("unreachable", "", NOW, NOW, tries, LOGIN)
    error = errors.CertificateError("whose?") if certificate else UNREACHABLE
    cooldown = next_cooldown(error, previous, NOW, LOGIN, jitter)
    assert cooldown
    assert cooldown.until
    assert [cooldown.is_active(at, LOGIN) for at in (NOW, cooldown.until - 1, cooldown.until)] == [
        True, True, False,
    ]  # fmt: skip


def test_command_that_fails_makes_hooks_wait_no_longer(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        record = CooldownRecord(ledger, "destination", LOGIN)
        for _ in range(2):
            first = record.start(UNREACHABLE)
        for _ in range(3):
            manual = record.start(UNREACHABLE, manual=True)
    assert first
    assert manual
    assert (manual.tries, manual.since) == (first.tries, first.since) == (2, first.since)


def test_command_that_succeeds_ends_the_cooldown(tmp_path: Path) -> None:
    config = load()
    spool = Spool(Folders.from_environ(os.environ).spool)
    with Ledger(tmp_path / "ledger.db") as ledger:
        record = CooldownRecord.from_config(ledger, config)
        with pytest.raises(errors.KeyRefusedError), manual_attempt(ledger, config, spool):
            raise errors.KeyRefusedError("no")
        ledger.set_note("last error", "no")
        assert record.active()
        with manual_attempt(ledger, config, spool):
            pass
        assert (record.active(), record.last(), ledger.note("last error")) == (None, None, None)
