"""What follows a failure: how long to wait, and when to give up. Knows no file and no clock.

A destination that fails rests as a whole, so that later hooks do not ask it again. A job that fails
by itself waits by itself. Times are milliseconds since 1970; `luck` is drawn from 0 up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from opensync_hooks.errors import (
    BusyError,
    CertificateError,
    DiskError,
    KeyRefusedError,
    OpenSyncError,
    UnreachableError,
    UnusableDestinationError,
    UnusableFileError,
)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WAITS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR)
"""After the first failure, the second, …; the last one again and again."""
UNCLEAR_WAITS = (*WAITS, 4 * HOUR, 8 * HOUR, 12 * HOUR)
"""Spread so that the eighth try comes a day after the first."""
UNFINISHED_WAITS = (4 * SECOND, 10 * SECOND, 30 * SECOND)
"""After which a session is read again that its agent was still writing."""
JITTER = 0.2
MOST_TRIES = 10
"""How often a session that cannot be read is read again."""
UNCLEAR_TRIES = 8
MOST_UNCLEAR = 2
"""Sessions in a row that a server fails on: then it is not the sessions' fault."""
MAX_CRASHES = 20
"""How many workers in a row may end in the middle of one job."""
PROMPT_CRASHES = 5

Cause = Literal["unreachable", "key refused", "wrong address", "certificate"]
Failure = Literal["source", "unclear", "unfinished", "late"]
"""The session cannot be read; the server does not say what it does not like; the agent is still
writing; it took too long."""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A destination that is left alone for a while, or until somebody does something about it."""

    cause: Cause
    reason: str
    since: int
    """The first failure of those in a row."""
    until: int | None
    """None: until the login changes, or a command is given by hand."""
    tries: int
    login: str
    """Stands for the address and the key that failed."""

    def holds(self, now: int, login: str) -> bool:
        """A clock that was set back must not stretch it."""
        if login != self.login:
            return False
        return self.until is None or 0 < self.until - now <= _longest(HOUR)

    def lifted(self) -> Cooldown:
        """Over, but remembered: what fails next by hand makes the waits of hooks no longer."""
        return replace(self, until=0, tries=max(0, self.tries - 1))


@dataclass(frozen=True, slots=True)
class Attempts:
    """What a job has been through."""

    count: int = 0
    not_before: int = 0
    since: int | None = None
    """The first time that the server failed on it without saying why."""
    begun: int = 0
    """When a worker last took it up."""
    crashes: int = 0
    """The workers that have taken it up since one last came to an end with it."""

    def is_due(self, now: int) -> bool:
        """A clock that was set back must not put it off."""
        return not 0 < self.not_before - now <= _longest(UNCLEAR_WAITS[-1])

    def begins(self, now: int, luck: float) -> Attempts:
        """Written down before the work: after a worker that dies in it, other jobs come first."""
        crashes = self.crashes + 1
        impatient = crashes <= PROMPT_CRASHES
        later = 0 if impatient else now + wait(WAITS, crashes - PROMPT_CRASHES, luck)
        return replace(self, begun=now, crashes=crashes, not_before=later)

    def without_blame(self) -> Attempts:
        """It was not to blame for what went wrong."""
        return replace(self, crashes=0, not_before=0)

    def reset(self) -> Attempts:
        """Somebody has asked for it again. What the server has against it stays counted."""
        kept = self.count if self.since is not None else 0
        return replace(self, count=kept, not_before=0, crashes=0)

    def is_last(self, now: int) -> bool:
        """Whether what the server still does not take in this try is set aside."""
        return (
            self.count + 1 >= UNCLEAR_TRIES
            and self.since is not None
            and not 0 <= now - self.since < DAY
        )


def rest(
    error: OpenSyncError, known: Cooldown | None, now: int, login: str, luck: float
) -> Cooldown | None:
    """The rest that the error calls for; None where it says nothing about the destination."""
    cause = _cause(error)
    if cause is None:
        return None
    same = known if known and known.login == login and known.since <= now else None
    tries = (same.tries if same else 0) + 1
    since = same.since if same else now
    return Cooldown(cause, str(error), since, _until(error, cause, tries, now, luck), tries, login)


def after(tries: Attempts, failure: Failure, now: int, luck: float) -> Attempts | None:
    """When the job is tried again; None to give it up."""
    if failure == "late":
        return tries.without_blame()
    count = tries.count + 1
    since = (now if tries.since is None else tries.since) if failure == "unclear" else tries.since
    ended = replace(tries, count=count, since=since, crashes=0)
    if failure == "unclear":
        given_up = tries.is_last(now)
        return None if given_up else _later(ended, now + wait(UNCLEAR_WAITS, count, luck))
    if count > MOST_TRIES:
        return None
    if failure == "unfinished":
        soon = (
            UNFINISHED_WAITS[count - 1]
            if count <= len(UNFINISHED_WAITS)
            else wait((HOUR,), 1, luck)
        )
        return _later(ended, now + soon)
    return _later(ended, now + wait(WAITS, count, luck))


def wait(waits: tuple[int, ...], tries: int, luck: float) -> int:
    """Never the same for all machines: they would come back together, and fail together."""
    return round(waits[min(tries, len(waits)) - 1] * (1 - JITTER + 2 * JITTER * luck))


def _longest(wait: int) -> int:
    return round(wait * (1 + JITTER))


def _later(tries: Attempts, at: int) -> Attempts:
    return replace(tries, not_before=at)


def _cause(error: OpenSyncError) -> Cause | None:
    match error:
        case BusyError() | DiskError() | UnusableFileError():
            return None  # nobody was asked: a file of ours, which the next hook may find mended
        case CertificateError():
            return "certificate"
        case KeyRefusedError():
            return "key refused"
        case UnusableDestinationError():
            return "wrong address"
        case UnreachableError():
            return "unreachable"
    return None


def _until(error: OpenSyncError, cause: Cause, tries: int, now: int, luck: float) -> int | None:
    if cause in ("key refused", "wrong address"):
        return None
    if cause == "certificate":
        return now + wait((HOUR,), 1, luck)
    waits = wait(WAITS, tries, luck)
    asked = error.retry_after if isinstance(error, UnreachableError) else None
    if asked:
        waits = max(waits, round(min(asked * SECOND, HOUR) * (1 + JITTER * luck)))
    return now + waits
