"""When a failed job is tried again, and when it is quarantined.

Pure calculation: no file, no clock. Times are milliseconds since 1970; `jitter` is a random number
from 0 up to 1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from opensync_hooks.dataclass import dataclass

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WAITS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR)
"""After the first failure, the second, and so on; the last one repeats."""
UNCLEAR_WAITS = (*WAITS, 4 * HOUR, 8 * HOUR, 12 * HOUR)
"""Spaced so that the eighth attempt comes a day after the first."""
UNFINISHED_WAITS = (4 * SECOND, 10 * SECOND, 30 * SECOND)
AWAITED_WAITS = (10 * SECOND, 30 * SECOND, 2 * MINUTE)
BEGIN_WAIT = 5 * SECOND
"""After the beginning of a turn: most turns end before, and their end delivers them."""
JITTER_SHARE = 0.2
MAX_RETRIES = 10
UNCLEAR_ATTEMPTS = 8
MAX_UNCLEAR_IN_A_ROW = 2
"""If the server fails on that many sessions in a row, the sessions are not the cause."""
MAX_CRASHES = 20
"""How many workers in a row may crash in the middle of one job."""
MAX_CATCH_UP_CRASHES = 2
"""The same for a session that no hook asked for: others must not wait for it again and again."""
PROMPT_CRASHES = 5
"""After so many crashes the job also waits between attempts."""

Failure = Literal["source", "unclear", "unfinished", "awaited", "late", "destination"]
"""Why a job is still in the queue.

source       the session cannot be read
unclear      the server fails on it without saying why
unfinished   the agent is still writing the session
awaited      the turn that its hook announced is not on the disk yet
late         delivering it took too long
destination  the destination failed, or something else that stops every job
"""
FAILURES: tuple[Failure, ...] = get_args(Failure)


@dataclass(frozen=True, slots=True)
class Attempts:
    """The history of one job's attempts."""

    count: int = 0
    not_before: int = 0
    unclear_since: int | None = None
    """When the server first failed on the job without saying why."""
    started_at: int = 0
    """When a worker last started on the job."""
    crashes: int = 0
    """How many workers have started on the job since one last finished with it."""

    def is_due(self, now: int) -> bool:
        # A clock that was set back must not postpone the job: no wait is longer than this.
        return not 0 < self.not_before - now <= longest(UNCLEAR_WAITS[-1])

    def started(self, now: int, jitter: float) -> Attempts:
        """Written before the work begins, so that a job that crashes workers comes last."""
        crashes = self.crashes + 1
        not_before = self.not_before if self.not_before > now else 0
        if crashes > PROMPT_CRASHES:
            not_before = now + wait(WAITS, crashes - PROMPT_CRASHES, jitter)
        return replace(self, started_at=now, crashes=crashes, not_before=not_before)

    def without_blame(self) -> Attempts:
        """The attempt failed for a reason that has nothing to do with this job."""
        return replace(self, crashes=0, not_before=0)

    def reset(self) -> Attempts:
        """The session was requested again. Failures of the server stay counted."""
        count = self.count if self.unclear_since is not None else 0
        return replace(self, count=count, not_before=0, crashes=0)

    def is_final(self, now: int) -> bool:
        """Whether what the server fails on in this attempt is quarantined."""
        return (
            self.count + 1 >= UNCLEAR_ATTEMPTS
            and self.unclear_since is not None
            and not 0 <= now - self.unclear_since < DAY
        )

    def after(self, failure: Failure, now: int, jitter: float) -> Attempts | None:
        """Schedule the next attempt; None once there were enough."""
        if failure in ("late", "destination"):
            return self.without_blame()
        if failure == "awaited" and self.not_before > now:
            return replace(self, crashes=0)  # another hook was the reason to look in between
        count = self.count + 1
        failed = replace(self, count=count, crashes=0)
        if failure == "unclear":
            since = now if self.unclear_since is None else self.unclear_since
            not_before = now + wait(UNCLEAR_WAITS, count, jitter)
            later = replace(failed, unclear_since=since, not_before=not_before)
            return None if self.is_final(now) else later
        if count > (len(AWAITED_WAITS) if failure == "awaited" else MAX_RETRIES):
            return None
        if failure == "awaited":
            return replace(failed, not_before=now + AWAITED_WAITS[count - 1])
        if failure == "unfinished" and count <= len(UNFINISHED_WAITS):
            return replace(failed, not_before=now + UNFINISHED_WAITS[count - 1])
        waits = (HOUR,) if failure == "unfinished" else WAITS
        return replace(failed, not_before=now + wait(waits, count, jitter))


def wait(waits: tuple[int, ...], attempt: int, jitter: float) -> int:
    """Return the wait after that attempt, counted from 1, up to a fifth longer or shorter.

    Machines that fail together would otherwise come back together, and fail together again.
    """
    nominal = waits[min(attempt, len(waits)) - 1]
    return round(nominal * (1 - JITTER_SHARE + 2 * JITTER_SHARE * jitter))


def longest(milliseconds: int) -> int:
    """Return the longest wait that jitter can make of this one."""
    return round(milliseconds * (1 + JITTER_SHARE))
