"""Works the queue off, one session after the other, and decides what becomes of each job.

A job that fails by itself waits by itself, or is set aside with the reason. What stops all jobs
alike is raised, and the jobs stay.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.send import Limits
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.errors import (
    BusyError,
    OpenSyncError,
    RejectedError,
    ServerFailureError,
    SourceError,
    TimeLimitError,
    as_opensync_error,
)
from opensync_hooks.queue import backoff, recovery
from opensync_hooks.queue.backoff import Failure
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.events import record_and_parse
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Parse, Spool
from opensync_hooks.system import clock

JOB_SECONDS = 240.0
"""After which a session makes room for the others; what was confirmed stays confirmed."""
SETTLE_SECONDS = 3.0
UNFINISHED = "The agent has not written all of it yet."
_AGAIN_SECONDS = 0.2
_PAUSE = 0.05
_REDUCE_SECONDS = 1.0

Result = SyncOutcome | OpenSyncError


@dataclass(slots=True)
class Drain:
    """`end` is a time of the monotonic clock. `at_once`: no job has to wait for its time."""

    spool: Spool
    syncer: Syncer
    end: float = math.inf
    at_once: bool = False
    settings_hold: Callable[[], bool] = lambda: True
    """Asked before each session: the user may exclude it, or log out, while this goes on."""
    luck: Callable[[], float] = random.random
    _unclear: int = 0
    _tried: set[tuple[str, int]] = field(default_factory=set)

    def run(
        self, linger: float = 0.0, only: Collection[str] | None = None
    ) -> Iterator[tuple[Job, Result]]:
        """Do every job there is, and for `linger` seconds those that still come.

        Ends early where the settings no longer hold. `only`: the sessions with these ids.
        Raises UnreachableError, KeyRefusedError, UnusableDestinationError.
        """
        idle_since = time.monotonic()
        # Who does not want all leaves the events to the worker who does.
        take_in = self.spool.ingest if only is None else self.spool.peek
        while self._may_go_on():
            moment = self.spool.mtime()
            take_in(record_and_parse)
            jobs = self.spool.jobs()
            wanted = (job for job in jobs if only is None or job.trigger.session_id in only)
            due = [job for job in wanted if self._is_due(job)]
            if due:
                yield from self._work_off(due, take_in)
                idle_since = time.monotonic()
            elif wait := self._wait_for(jobs, linger):
                self.spool.wait(moment, wait)
            elif time.monotonic() - idle_since < linger:
                time.sleep(_PAUSE)
            else:
                return

    def _may_go_on(self) -> bool:
        return time.monotonic() < self.end and self.settings_hold()

    def _is_due(self, job: Job) -> bool:
        if self.at_once:
            return (job.name, job.received_at) not in self._tried
        return job.attempts.is_due(clock.now())

    def _wait_for(self, jobs: list[Job], linger: float) -> float:
        """Seconds until the next job is due; none where that is not in this worker's life."""
        soonest = min((job.attempts.not_before for job in jobs), default=0)
        seconds = (soonest - clock.now()) / 1000
        within = linger and not self.at_once and time.monotonic() + seconds < self.end
        return max(seconds, _PAUSE) if jobs and within else 0.0

    def _work_off(
        self, due: list[Job], take_in: Callable[[Parse], object]
    ) -> Iterator[tuple[Job, Result]]:
        reduced = time.monotonic()
        for job in due:
            if not self._may_go_on():
                return
            if time.monotonic() - reduced > _REDUCE_SECONDS:  # no event's text lies about for long
                take_in(record_and_parse)
                reduced = time.monotonic()
            current = self.spool.current(job)
            if current:
                self._tried.add((current.name, current.received_at))
                deadly = current.attempts.crashes >= backoff.MAX_CRASHES
                for result in (self._give_up if deadly else self._do)(current):
                    yield current, result

    def _give_up(self, job: Job) -> Iterator[Result]:
        died = f"Each of the last {job.attempts.crashes} workers ended in the middle of it."
        self.spool.quarantine(job, died)
        yield RejectedError(died)

    def _do(self, job: Job) -> Iterator[Result]:
        job = replace(job, attempts=job.attempts.begins(clock.now(), self.luck()))
        self.spool.keep(job, job.error, job.attempts)
        try:
            outcome = self._sync(job)
        except ServerFailureError as error:
            self._failed(job, "unclear", error)
            yield error
            self._unclear += 1
            if self._unclear >= backoff.MOST_UNCLEAR:
                raise
        except (SourceError, BusyError, TimeLimitError) as error:
            self._failed(job, "late" if isinstance(error, TimeLimitError) else "source", error)
            yield error
        except RejectedError as error:
            self.spool.quarantine(job, str(error))
            yield error
        except OpenSyncError as error:
            self.spool.keep(job, str(error), job.attempts.without_blame())
            raise
        except OSError as error:
            self._failed(job, "source", as_opensync_error(error))
            yield as_opensync_error(error)
        except Exception as error:  # noqa: BLE001 - one session's surprise must not stop the others
            self.spool.quarantine(job, str(as_opensync_error(error)))
            yield as_opensync_error(error)
        else:
            self._unclear = 0
            self._ended(job, outcome)
            if outcome:
                yield outcome

    def _ended(self, job: Job, outcome: SyncOutcome | None) -> None:
        reason = (outcome and outcome.reason) or ""
        if outcome and outcome.unclear:
            self._failed(job, "unclear", OpenSyncError(reason))
        elif outcome and outcome.is_partial:
            self._failed(job, "unfinished", OpenSyncError(UNFINISHED))
        else:
            self.spool.done(job)
            self._keepsakes.drop(job.trigger.agent, job.trigger.session_id)

    def _failed(self, job: Job, failure: Failure, error: OpenSyncError) -> None:
        later = backoff.after(job.attempts, failure, clock.now(), self.luck())
        if later:
            self.spool.keep(job, str(error), later)
        elif failure == "unfinished":
            self.spool.done(job)  # its agent ended in the middle; what there is has arrived
        else:
            self.spool.quarantine(job, str(error))

    def _sync(self, job: Job) -> SyncOutcome | None:
        """None where there is nothing: an agent that was opened and closed leaves no session."""
        source = registry.source(job.trigger.agent, job.surroundings(os.environ))
        if source is None:
            return None
        located = _settled(job, source)
        if located is None:
            return self._sync_copy(job)
        try:
            return self._deliver(job, source, located)
        except SourceError:  # a file that was moved or rewritten under us is whole in a moment
            time.sleep(_AGAIN_SECONDS)
            return self._deliver(job, source, source.locate(job.trigger) or located)

    def _sync_copy(self, job: Job) -> SyncOutcome | None:
        whose = (job.trigger.agent, job.trigger.session_id)
        found = self._keepsakes.find(*whose)
        if found:
            config = self._keepsakes.settings(self.syncer.config, *whose)
            return self._deliver(job, *found, syncer=replace(self.syncer, config=config))
        if job.error and job.error != UNFINISHED:
            raise RejectedError(
                f"{job.trigger.session_id}: its agent deleted it before it could be delivered."
            )
        return None

    def _deliver(
        self, job: Job, source: Source, located: Located, syncer: Syncer | None = None
    ) -> SyncOutcome:
        end = self.end if self.at_once else min(time.monotonic() + JOB_SECONDS, self.end)
        return (syncer or self.syncer).sync(
            source,
            located,
            end_reason=job.trigger.end_reason,
            limits=Limits(
                deadline=end,
                is_last_attempt=job.attempts.is_last(clock.now()),
            ),
        )

    @property
    def _keepsakes(self) -> SessionBackups:
        return SessionBackups.from_config(self.syncer.config)


def drain_now(spool: Spool, syncer: Syncer) -> Iterator[Result]:
    """All that waits, tried at once, unless a worker is at it already."""
    while True:
        with spool.single_worker() as is_alone:
            if not is_alone:
                return
            recovery.repair_jobs(spool)
            yield from (result for _, result in Drain(spool, syncer, at_once=True).run())
        # A hook that came while the lock was held started no worker: look once more.
        if not spool.has_events():
            return


def _settled(job: Job, source: Source) -> Located | None:
    """Where the session lies, once what the agent had shown is there; in the end also without."""
    age = time.time() - job.received_at / 1000
    end = time.monotonic() + SETTLE_SECONDS - max(0.0, age)  # below 0: the clock was set back
    looked_at: Located | None = None
    while True:
        located = source.locate(job.trigger)
        is_new = located is not None and located != looked_at
        if (is_new and source.is_settled(job.trigger)) or time.monotonic() >= end:
            return located
        if located is None and job.trigger.awaits is None:
            return None
        looked_at = located
        time.sleep(_PAUSE)
