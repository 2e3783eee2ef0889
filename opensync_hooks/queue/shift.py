"""What the one worker does for as long as it has the lock.

When the destination cannot be reached it waits for the first retries, if they fall into its life:
the turn that failed may be the last one of the day. Until then it only turns events into jobs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from opensync_hooks import config as settings
from opensync_hooks.config import Config
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue.backoff import Cooldown
from opensync_hooks.queue.cooldown import CooldownRecord
from opensync_hooks.queue.events import record_and_parse
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock
from opensync_hooks.system.log import Log

TYPE_CHECKING = False
if TYPE_CHECKING:  # a worker that has nothing to deliver is there sooner without
    from opensync_hooks.queue.drain import Result

LINGER_SECONDS = 1.0
COPY_AFTER_MS = 3_600_000
"""How long a destination has to be away before sessions are copied that wait for it."""


@dataclass(frozen=True, slots=True)
class Shift:
    """`end` is a time of the monotonic clock. `at_once`: somebody waits, so nothing may rest."""

    spool: Spool
    ledger: Ledger
    log: Log
    end: float
    at_once: bool = False

    def run(self) -> None:
        """Raises what stops all jobs alike and is not the destination's; or any, if `at_once`."""
        is_copied = False
        while time.monotonic() < self.end:
            moment = self.spool.mtime()
            self.spool.ingest(record_and_parse)
            config = settings.load()  # anew: while this worker waited, the login may have changed
            record = CooldownRecord.from_config(self.ledger, config)
            rest = None if self.at_once else record.active()
            if rest is None:
                if self._deliver(config, record):
                    return
                continue
            if not is_copied and clock.now() - rest.since >= COPY_AFTER_MS:
                self._keep_copies(config)
                is_copied = True
            wait = _seconds(rest)
            if wait is None or wait >= self.end - time.monotonic() or not self.spool.waiting():
                return
            self.spool.wait(moment, wait)

    def _deliver(self, config: Config, record: CooldownRecord) -> bool:
        """Work the queue off; False when the destination rests, or the settings are others now."""
        from opensync_hooks.delivery import factory  # noqa: PLC0415
        from opensync_hooks.queue.drain import Drain  # noqa: PLC0415

        failure: str | None = None
        linger = 0.0 if self.at_once else LINGER_SECONDS

        def hold() -> bool:
            return settings.load() == config

        try:
            with factory.syncer(config, self.ledger) as syncer:
                drain = Drain(self.spool, syncer, self.end, self.at_once, hold)
                for job, result in drain.run(linger):
                    failure = _failure(result) or failure
                    note(self.log, job, result)
                    if not isinstance(result, OpenSyncError) and result.sent:
                        record.clear()
        except OpenSyncError as error:
            rest = record.start(error)
            if rest is None or self.at_once:
                raise
            self.ledger.set_note("last error", str(error))
            self.log.write("rest", why=rest.cause.replace(" ", "-"), tries=rest.tries)
            return False
        self.ledger.set_note("last error", failure)
        if failure:
            self._keep_copies(config)
        return hold()

    def _keep_copies(self, config: Config) -> None:
        """Of what waits, or was set aside, should its agent delete it meanwhile."""
        from opensync_hooks.queue import backups  # noqa: PLC0415

        backups.back_up_queue(self.spool, self.ledger, config, self.log, self.end)


def _seconds(rest: Cooldown) -> float | None:
    return None if rest.until is None else max(0.0, (rest.until - clock.now()) / 1000)


def _failure(result: Result) -> str | None:
    return str(result) if isinstance(result, OpenSyncError) else result.reason


def note(log: Log, job: Job, result: Result) -> None:
    """One line on what became of a job."""
    whose = {"agent": job.trigger.agent, "session": job.trigger.session_id}
    if isinstance(result, OpenSyncError):
        log.write("failed", **whose, why=type(result).__name__, tries=job.attempts.count + 1)
        return
    left_out = {kind.replace(" ", "-"): count for kind, count in result.losses.items()}
    counts = {"sent": result.sent, "unchanged": result.unchanged, "parked": result.quarantined}
    masked = sum(result.redacted.values())
    more = {"unclear": result.unclear, "masked": masked, "partial": result.is_partial}
    log.write("synced", **whose, **counts, **more, **left_out)
