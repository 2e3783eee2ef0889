"""A destination that failed is left alone for a while, so that later hooks do not ask it again.

The ledger keeps the cooldown of each destination; every worker and command goes by it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, replace
from datetime import datetime
from typing import Literal

from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import (
    BusyError,
    CertificateError,
    DiskError,
    KeyRefusedError,
    OpenSyncError,
    RedactionError,
    UnreachableError,
    UnusableDestinationError,
    UnusableFileError,
)
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue.backoff import DAY, HOUR, JITTER_SHARE, SECOND, WAITS, longest, wait
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock

Cause = Literal["unreachable", "key refused", "wrong address", "certificate"]
_CURES: dict[Cause, str] = {
    "unreachable": "Nothing is lost; `opensync-hooks sync` tries it now.",
    "key refused": "Run: opensync-hooks login",
    "wrong address": "Correct the URL: opensync-hooks login",
    "certificate": "Behind a company proxy, name its certificates in REQUESTS_CA_BUNDLE.",
}
_DAILY_CAUSES: tuple[Cause, ...] = ("key refused", "wrong address")
"""Only the user can remove them; but a fault of the server looks the same, and passes."""
_DAILY = (20 * HOUR,)
"""With its jitter at most a day."""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """How long a destination is left alone, and why. Times are milliseconds since 1970."""

    cause: Cause
    reason: str
    since: int
    """The first of the failures in a row."""
    until: int | None
    """None in the rows of earlier versions, which waited until the login changed."""
    tries: int
    """How many failures in a row there were."""
    login_hash: str
    """Identifies the address and the key that failed."""

    @property
    def is_long(self) -> bool:
        """Whether the destination was away for so long that many machines wait for it."""
        return self.cause == "unreachable" and self.tries >= len(WAITS)

    def is_active(self, now: int, login_hash: str) -> bool:
        if login_hash != self.login_hash:
            return False
        if self.until is None:
            return 0 <= now - self.since < DAY
        # A clock that was set back must not prolong it: no cooldown is longer than this.
        maximum = DAY if self.cause in _DAILY_CAUSES else longest(HOUR)
        return 0 < self.until - now <= maximum

    def describe(self) -> str:
        """Say in the local time zone what is wrong, since when, why, and what to do about it."""
        try:
            since = f"{datetime.fromtimestamp(self.since / 1000).astimezone():%Y-%m-%d %H:%M}"
        except (ValueError, OverflowError, OSError):  # the clock was years off
            since = "an unknown time"
        reason = self.reason if self.reason.endswith((".", "!", "?")) else f"{self.reason}."
        return f"{self.cause} since {since}. {reason} {_CURES[self.cause]}"

    def as_json(self) -> dict[str, object]:
        """Return every field except the hash of the key."""
        return {name: value for name, value in asdict(self).items() if name != "login_hash"}


def next_cooldown(
    error: OpenSyncError, previous: Cooldown | None, now: int, login_hash: str, jitter: float
) -> Cooldown | None:
    """Return the cooldown that the error calls for; None if it says nothing of the destination."""
    cause = _cause(error)
    if cause is None:
        return None
    if previous and (previous.login_hash != login_hash or previous.since > now):
        previous = None
    tries = previous.tries + 1 if previous else 1
    if cause == "unreachable":
        until = now + _unreachable_wait(tries, jitter)
    else:
        until = now + wait((HOUR,) if cause == "certificate" else _DAILY, tries, jitter)
    if isinstance(error, UnreachableError) and error.retry_after:
        requested = min(error.retry_after * SECOND, HOUR) * (1 + JITTER_SHARE * jitter)
        until = max(until, now + round(requested))
    return Cooldown(
        cause, str(error), previous.since if previous else now, until, tries, login_hash
    )


def _unreachable_wait(tries: int, jitter: float) -> int:
    """Return the wait after that failure in a row, in milliseconds.

    All machines of a fleet fail with the same outage. Each has its first wait of an hour at another
    time within that hour, and from then on they ask evenly.
    """
    if tries == len(WAITS):
        return round(WAITS[-1] * (0.1 + 1.1 * jitter))
    if tries < len(WAITS):
        return round(WAITS[tries - 1] * (0.5 + jitter))
    return wait(WAITS, tries, jitter)


def needs_user(error: OpenSyncError) -> bool:
    """Whether no further attempt helps until the user changes the login or the installation."""
    return isinstance(error, RedactionError) or _cause(error) in _DAILY_CAUSES


def _cause(error: OpenSyncError) -> Cause | None:
    match error:
        case BusyError() | DiskError() | UnusableFileError():
            return None  # a file of ours: the destination was not asked
        case CertificateError():
            return "certificate"
        case KeyRefusedError():
            return "key refused"
        case UnusableDestinationError():
            return "wrong address"
        case UnreachableError():
            return "unreachable"
    return None


@dataclass(frozen=True, slots=True)
class CooldownRecord:
    """The cooldown of one destination in the ledger. Methods raise what the ledger raises."""

    ledger: Ledger
    destination: str
    login_hash: str
    jitter: Callable[[], float] = random.random

    @classmethod
    def from_config(cls, ledger: Ledger, config: Config) -> CooldownRecord:
        return cls(ledger, config.url or "", config.login_digest)

    def last(self) -> Cooldown | None:
        """Return the last cooldown, whether it is still active or not."""
        query = "SELECT cause, reason, since, until, tries, login FROM rest WHERE destination = ?"
        rows = self.ledger.rows(query, self.destination)
        return Cooldown(*rows[0]) if rows else None

    def active(self) -> Cooldown | None:
        cooldown = self.last()
        return cooldown if cooldown and cooldown.is_active(clock.now(), self.login_hash) else None

    def start(self, error: OpenSyncError, *, manual: bool = False) -> Cooldown | None:
        """Leave the destination alone if the error calls for it.

        A `manual` attempt that fails does not make the hooks wait longer than before.
        """
        previous = self.last()
        if previous and manual:
            previous = replace(previous, tries=max(0, previous.tries - 1))
        cooldown = next_cooldown(error, previous, clock.now(), self.login_hash, self.jitter())
        if cooldown:
            insert = "INSERT OR REPLACE INTO rest VALUES (?, ?, ?, ?, ?, ?, ?)"
            with self.ledger.transaction() as execute:
                execute(insert, self.destination, *astuple(cooldown))
        return cooldown

    def clear(self) -> None:
        """Forget the cooldown, for the destination has answered."""
        if self.last():
            with self.ledger.transaction() as execute:
                execute("DELETE FROM rest WHERE destination = ?", self.destination)


@contextmanager
def manual_attempt(ledger: Ledger, config: Config, spool: Spool) -> Iterator[None]:
    """Tell the workers how a command fared that ignored the cooldown."""
    record = CooldownRecord.from_config(ledger, config)
    try:
        yield
    except OpenSyncError as error:
        record.start(error, manual=True)
        raise
    record.clear()
    ledger.set_note("last error", None)
    spool.notify()
