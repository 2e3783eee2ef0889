"""One job: deliver its session, then finish the job, retry it later, or quarantine it."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.delivery import factory
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
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue.backoff import MAX_CRASHES, MAX_UNCLEAR_IN_A_ROW, Failure
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock
from opensync_hooks.system.log import Log

JOB_SECONDS = 240.0
"""After this time a session makes room for others; what was confirmed stays confirmed."""
SETTLE_SECONDS = 3.0
"""How long after its hook an agent may take to write what it had shown."""
_SETTLE_POLL_SECONDS = 0.05
_REREAD_SECONDS = 0.2

Result = SyncOutcome | OpenSyncError


class Drain:
    """Delivers jobs one after the other, for the process that holds the worker's lock.

    `end` is a time of the monotonic clock. `at_once`: somebody waits, so one session may take all
    the time until then.
    """

    def __init__(
        self,
        spool: Spool,
        ledger: Ledger,
        end: float = math.inf,
        *,
        at_once: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.spool = spool
        self.ledger = ledger
        self.end = end
        self.at_once = at_once
        self.jitter = jitter
        self._destination = ExitStack()
        self._syncer: Syncer | None = None
        self._unclear_in_a_row = 0

    def close(self) -> None:
        """Close the destination. The next delivery opens it again."""
        self._syncer = None
        self._destination.close()

    def _open_syncer(self, config: Config) -> Syncer:
        if self._syncer is None or self._syncer.config is not config:
            self.close()
            self._syncer = self._destination.enter_context(factory.open_syncer(config, self.ledger))
        return self._syncer

    def deliver(self, job: Job, config: Config) -> Result | None:
        """Return how the delivery went; None if there was nothing to deliver.

        Raises the OpenSyncError that would stop every other job, too. The job stays then.
        """
        syncer = self._open_syncer(config)
        current = self.spool.current(job)
        if current is None:
            return None
        crashes = current.attempts.crashes
        if crashes >= MAX_CRASHES:
            reason = f"Each of the last {crashes} workers ended in the middle of it."
            return self._quarantine(current, RejectedError(reason))
        attempts = current.attempts.started(clock.now(), self.jitter())
        self.spool.update(replace(current, attempts=attempts))
        return self._attempt(replace(current, attempts=attempts), syncer)

    def _attempt(self, job: Job, syncer: Syncer) -> Result | None:
        try:
            outcome = self._sync(job, syncer)
        except ServerFailureError as error:
            self._retry_later(job, "unclear", error)
            self._unclear_in_a_row += 1
            if self._unclear_in_a_row >= MAX_UNCLEAR_IN_A_ROW:
                raise
            return error
        except TimeLimitError as error:
            return self._retry_later(job, "late", error)
        except (SourceError, BusyError) as error:
            return self._retry_later(job, "source", error)
        except RejectedError as error:
            return self._quarantine(job, error)
        except OpenSyncError as error:
            self._retry_later(job, "destination", error)
            raise
        except OSError as error:
            return self._retry_later(job, "source", as_opensync_error(error))
        except Exception as error:  # noqa: BLE001 - a bug in one session must not stop the others
            return self._quarantine(job, as_opensync_error(error))
        self._unclear_in_a_row = 0
        return self._finish(job, outcome, SessionBackups.from_config(syncer.config))

    def _finish(
        self, job: Job, outcome: SyncOutcome | None, backups: SessionBackups
    ) -> SyncOutcome | None:
        if outcome and outcome.unclear:
            self._retry_later(job, "unclear", OpenSyncError(outcome.reason or ""))
        elif outcome and outcome.is_partial:
            error = OpenSyncError("The agent has not written all of it yet.")
            self._retry_later(job, "unfinished", error)
        else:
            self.spool.done(job)
            backups.delete(job.trigger.agent, job.trigger.session_id)
        return outcome

    def _retry_later(self, job: Job, failure: Failure, error: OpenSyncError) -> OpenSyncError:
        attempts = job.attempts.after(failure, clock.now(), self.jitter())
        if attempts:
            self.spool.update(replace(job, error=str(error), failure=failure, attempts=attempts))
        elif failure == "unfinished":
            self.spool.done(job)  # the agent ended in the middle of a turn; the rest has arrived
        else:
            self.spool.quarantine(job, str(error))
        return error

    def _quarantine(self, job: Job, error: OpenSyncError) -> OpenSyncError:
        self.spool.quarantine(job, str(error))
        return error

    def _sync(self, job: Job, syncer: Syncer) -> SyncOutcome | None:
        """Return None if an agent left no session, as one does that is opened and closed again."""
        source = registry.source(job.trigger.agent, job.agent_environ(os.environ))
        if source is None:
            return None
        located = _locate(job, source)
        if located is None:
            return self._sync_backup(job, syncer)
        try:
            return self._sync_located(job, source, located, syncer)
        except SourceError:  # a file that is being replaced is whole again in a moment
            time.sleep(_REREAD_SECONDS)
            located = source.locate(job.trigger) or located
            return self._sync_located(job, source, located, syncer)

    def _sync_backup(self, job: Job, syncer: Syncer) -> SyncOutcome | None:
        agent, session_id = job.trigger.agent, job.trigger.session_id
        backups = SessionBackups.from_config(syncer.config)
        backup = backups.find(agent, session_id)
        if backup:
            config = backups.delivery_config(syncer.config, agent, session_id)
            return self._sync_located(job, *backup, replace(syncer, config=config))
        if job.error and job.failure != "unfinished":  # which has arrived, as far as it was written
            raise RejectedError(f"{session_id}: its agent deleted it before it could be delivered.")
        return None

    def _sync_located(
        self, job: Job, source: Source, located: Located, syncer: Syncer
    ) -> SyncOutcome:
        until = self.end if self.at_once else min(time.monotonic() + JOB_SECONDS, self.end)
        limits = Limits(deadline=until, is_last_attempt=job.attempts.is_final(clock.now()))
        return syncer.sync(source, located, end_reason=job.trigger.end_reason, limits=limits)


def _locate(job: Job, source: Source) -> Located | None:
    """Find the session, and wait a moment until what its agent had shown is on the disk."""
    age = max(0.0, time.time() - job.received_at / 1000)  # below 0 if the clock was set back
    end = time.monotonic() + SETTLE_SECONDS - age
    previous: Located | None = None
    while True:
        located = source.locate(job.trigger)
        has_changed = located is not None and located != previous
        if (has_changed and source.is_settled(job.trigger)) or time.monotonic() >= end:
            return located
        if located is None and job.trigger.awaits is None:
            return None
        previous = located
        time.sleep(_SETTLE_POLL_SECONDS)


def log_result(log: Log, job: Job, result: Result) -> None:
    """Write one line about a job: names and numbers, no text of the session."""
    session = {"agent": job.trigger.agent, "session": job.trigger.session_id}
    if isinstance(result, OpenSyncError):
        attempt = job.attempts.count + 1
        log.write("failed", **session, why=type(result).__name__, attempt=attempt)
        return
    log.write(
        "synced",
        **session,
        sent=result.sent,
        unchanged=result.unchanged,
        quarantined=result.quarantined,
        unclear=result.unclear,
        redacted=sum(result.redacted.values()),
        partial=result.is_partial,
        **{kind.replace(" ", "-"): count for kind, count in result.losses.items()},
    )
