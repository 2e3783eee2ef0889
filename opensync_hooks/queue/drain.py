"""One job: deliver its session, then finish the job, retry it later, or quarantine it."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import field, replace

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery import factory
from opensync_hooks.delivery.limits import Limits, SendingTime
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.errors import (
    BusyError,
    DiskError,
    OpenSyncError,
    RejectedError,
    ServerFailureError,
    SourceError,
    TimeLimitError,
    UnreachableError,
    as_opensync_error,
)
from opensync_hooks.ledger import catch_up
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.queue import environments
from opensync_hooks.queue.backoff import (
    MAX_CATCH_UP_CRASHES,
    MAX_CRASHES,
    MAX_UNCLEAR_IN_A_ROW,
    Failure,
)
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.cooldown import CooldownRecord
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock
from opensync_hooks.system.log import Log

JOB_SECONDS = 240.0
"""After so much time on requests a session makes room for others; what was confirmed stays so."""
SETTLE_SECONDS = 3.0
"""How long after its hook an agent may take to write what it had shown."""
_SETTLE_POLL_SECONDS = 0.05
_REREAD_SECONDS = 0.2
_LOOK_SECONDS = 0.1
PACE_SECONDS = 0.5
"""Between two messages after a long outage: backlogs of a fleet at full speed come in waves."""
MAX_PACED = 200
"""So many messages of a worker are paced: a longer backlog is the one of a single machine."""
_ARRIVED = ("unfinished", "awaited")
"""After these failures, everything that the agent has written is at the destination."""

Result = SyncOutcome | OpenSyncError


@dataclass(slots=True)
class Drain:
    """Delivers jobs one after the other, for the process that holds the worker's lock.

    `at_once`: somebody waits until `end`, by the monotonic clock; one session may take all of it.
    """

    spool: Spool
    ledger: Ledger
    end: float = math.inf
    at_once: bool = False
    jitter: Callable[[], float] = random.random
    _destination: ExitStack = field(default_factory=ExitStack)
    _syncer: Syncer | None = None
    _unclear_in_a_row: int = 0
    _next_look: float = 0.0
    _paced: int = 0
    """How many messages are still to be paced."""

    def close(self) -> None:
        """Close the destination. The next delivery opens it again."""
        self._syncer = None
        self._unclear_in_a_row = 0
        self._destination.close()

    def _open_syncer(self, config: Config) -> Syncer:
        if self._syncer is None or self._syncer.config is not config:
            self.close()
            self._syncer = self._destination.enter_context(factory.open_syncer(config, self.ledger))
            last = CooldownRecord.from_config(self.ledger, config).last()
            self._paced = MAX_PACED if last and last.is_long and not self.at_once else 0
        return self._syncer

    def deliver(self, job: Job, config: Config) -> Result | None:
        """Return how the delivery went; None if there was nothing to deliver.

        Raises the OpenSyncError that would stop every other job, too. The job stays then.
        """
        current = self.spool.current(job)
        if current is not None and current.trigger.is_begin and not config.live:
            self.spool.done(current)
            return None
        syncer = self._open_syncer(config)
        if current is None:
            return None
        environments.note_request(self.ledger, self.spool, current)
        crashes = current.attempts.crashes
        if crashes >= (MAX_CATCH_UP_CRASHES if current.is_catch_up else MAX_CRASHES):
            reason = f"Each of the last {crashes} workers ended in the middle of it."
            self.spool.quarantine(current, reason)
            return RejectedError(reason)
        # Who waits for the result asks again within seconds, and every time counts.
        scheduled = replace(current.attempts, not_before=0) if self.at_once else current.attempts
        attempts = scheduled.started(clock.now(), self.jitter())
        started = replace(current, attempts=attempts)
        self.spool.update(started)
        try:
            outcome, is_awaited = self._sync(started, syncer)
        except Exception as error:  # noqa: BLE001 - a bug in one session must not stop the others
            if job.is_catch_up and isinstance(error, TimeLimitError):
                self._retry_later(started, "late", str(error))
                return None  # it has made room for a session that a hook asked for
            return self._handle_failure(started, error, current.attempts.started_at)
        self._unclear_in_a_row = 0
        if started.is_catch_up and outcome and outcome.sent:
            trigger, account = job.trigger, syncer.account()
            record = SessionRecord(self.ledger, account, trigger.agent, trigger.session_id)
            catch_up.note_sent(record, outcome.sent)
        if outcome and outcome.unclear:
            self._retry_later(started, "unclear", outcome.reason or "")
        elif outcome and outcome.is_partial:
            self._retry_later(started, "unfinished", "The agent has not written all of it yet.")
        elif is_awaited:
            self._retry_later(started, "awaited", "The agent has not written its last turn yet.")
        else:
            self.spool.done(started)
            backups = SessionBackups.from_config(config)
            backups.delete(job.trigger.agent, job.trigger.session_id)
        return outcome

    def _handle_failure(self, job: Job, error: Exception, tried_at: int) -> OpenSyncError:
        """Schedule the next attempt; `tried_at`: when the one before this began, 0 if none did."""
        failure, reported = _failure(error), as_opensync_error(error)
        is_network = isinstance(error, UnreachableError) and not isinstance(error, DiskError)
        if failure == "destination" and is_network and self._has_synced_since(tried_at):
            failure = "unclear"  # a company's filter, say, that takes offence at one message
        if failure:
            self._retry_later(job, failure, str(reported))
        else:
            self.spool.quarantine(job, str(reported))
        self._unclear_in_a_row += failure == "unclear"
        if failure == "destination" or self._unclear_in_a_row >= MAX_UNCLEAR_IN_A_ROW:
            raise error
        return reported

    def _has_synced_since(self, tried_at: int) -> bool:
        """Return whether the server has taken another session since then."""
        if not tried_at or self._syncer is None:
            return False
        last_sync = summarize(self.ledger, self._syncer.account()).last_sync
        return last_sync is not None and last_sync > tried_at

    def _retry_later(self, job: Job, failure: Failure, reason: str) -> None:
        attempts = job.attempts.after(failure, clock.now(), self.jitter())
        if attempts:
            self.spool.update(replace(job, error=reason, failure=failure, attempts=attempts))
        elif failure in _ARRIVED:
            self.spool.done(job)
        else:
            self.spool.quarantine(job, reason)

    def _sync(self, job: Job, syncer: Syncer) -> tuple[SyncOutcome | None, bool]:
        """Return the outcome, and whether the turn that the hook announced is still to come.

        No outcome: an agent left no session, as one does that is opened and closed again.
        """
        source = registry.source(job.trigger.agent, job.agent_environ(os.environ))
        if source is None:
            return None, False
        located, is_settled = _locate(job, source)
        if located is None:
            outcome = self._sync_backup(job, syncer)
            return outcome, outcome is None and bool(job.trigger.awaits)
        try:
            outcome = self._sync_located(job, source, located, syncer)
        except SourceError:  # a file that is being replaced is whole again in a moment
            time.sleep(_REREAD_SECONDS)
            located = source.locate(job.trigger) or located
            outcome = self._sync_located(job, source, located, syncer)
        is_there = (
            outcome.excluded
            or outcome.removed
            or (outcome.sent if is_settled is None else is_settled)
        )
        return outcome, bool(job.trigger.awaits) and not is_there

    def _sync_backup(self, job: Job, syncer: Syncer) -> SyncOutcome | None:
        agent, session_id = job.trigger.agent, job.trigger.session_id
        backups = SessionBackups.from_config(syncer.config)
        backup = backups.find(agent, session_id)
        if backup:
            config = backups.delivery_config(syncer.config, agent, session_id)
            return self._sync_located(job, *backup, replace(syncer, config=config))
        if job.error and job.failure not in _ARRIVED:
            raise RejectedError(f"{session_id}: its agent deleted it before it could be delivered.")
        return None

    def _sync_located(
        self, job: Job, source: Source, located: Located, syncer: Syncer
    ) -> SyncOutcome:
        end_reason = job.trigger.end_reason
        limits = Limits(
            sending_time=SendingTime(math.inf if self.at_once else JOB_SECONDS),
            deadline=self.end if self.at_once else None,
            pause=self._pause,
            is_last_attempt=job.attempts.is_final(clock.now()),
            # A session that ends is read from its beginning: what is wrong by then is put right.
            resumes=end_reason is None,
        )
        if job.is_catch_up:
            limits = replace(limits, is_preempted=self._has_new_events)
        outcome = syncer.sync(source, located, end_reason=end_reason, limits=limits)
        if outcome.belongs_to is not None:
            environments.hand_over(job, outcome.belongs_to)
            syncer.note_handed_over(source, located)
        return outcome

    def _pause(self) -> None:
        if self._paced:
            self._paced -= 1
            time.sleep(PACE_SECONDS * (0.5 + self.jitter()))

    def _has_new_events(self) -> bool:
        """Return whether a hook has fired, as of a moment ago: this is asked for each message."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_SECONDS
        return self.spool.has_events()


def _failure(error: Exception) -> Failure | None:
    """Return why the job is retried later; None if it is quarantined."""
    match error:
        case ServerFailureError():
            return "unclear"
        case TimeLimitError():
            return "late"
        case SourceError() | BusyError() | OSError():
            return "source"
        case OpenSyncError() if not isinstance(error, RejectedError):
            return "destination"
    return None  # refused for good, or a bug


def _locate(job: Job, source: Source) -> tuple[Located | None, bool | None]:
    """Find the session, and wait a moment until what its agent had shown is on the disk.

    Return also whether it is, as `Source.is_settled` does.
    """
    age = max(0.0, time.time() - job.received_at / 1000)  # below 0 if the clock was set back
    end = time.monotonic() + SETTLE_SECONDS - age
    previous: Located | None = None
    while True:
        located = source.locate(job.trigger)
        has_changed = located is not None and located != previous
        is_settled = source.is_settled(job.trigger) if has_changed else False
        if is_settled is not False or time.monotonic() >= end:
            return located, is_settled
        if located is None and job.trigger.awaits is None:
            return None, False
        previous = located
        time.sleep(_SETTLE_POLL_SECONDS)


def log_result(log: Log, job: Job, result: Result) -> None:
    """Write one line about a job: names and numbers, no text of the session."""
    session = {"agent": job.trigger.agent, "session": job.trigger.session_id}
    if isinstance(result, OpenSyncError):
        attempt = job.attempts.count + 1
        log.write("failed", **session, why=type(result).__name__, attempt=attempt)
        return
    counts = {**result.losses, **{key.name: count for key, count in result.skipped.items()}}
    log.write(
        result.state.replace(" ", "-"),
        **session,
        sent=result.sent,
        unchanged=result.unchanged,
        quarantined=result.quarantined,
        unclear=result.unclear,
        redacted=sum(result.redacted.values()),
        partial=result.is_partial,
        **{name.replace(" ", "-"): count for name, count in counts.items()},
    )
