"""The worker: the process that a hook starts to deliver what is in the queue, one at a time.

take the lock, recover
┌─▶ ingest the events, read the settings if they changed
│   deliver the jobs that are due
│   look for sessions that changed without a hook
└── wait for the next retry, or for another hook
leave, and look once more
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from functools import cached_property

from opensync_hooks.config import Config, Folders
from opensync_hooks.config.watcher import ConfigWatcher
from opensync_hooks.errors import BugError, OpenSyncError, as_opensync_error
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue import catch_up, environments, recovery
from opensync_hooks.queue.catch_up import CatchUp
from opensync_hooks.queue.cooldown import Cooldown, CooldownRecord
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock, garbage
from opensync_hooks.system.log import Log
from opensync_hooks.system.processes import end_if_it_hangs

TYPE_CHECKING = False
if TYPE_CHECKING:  # a worker that has nothing to deliver does without
    from opensync_hooks.queue.drain import Drain, Result

MAX_SECONDS = 600.0
"""The life of a worker: a server that hangs must not starve the hooks that come after."""
GRACE_SECONDS = 120
"""A worker that has looked at no message for so much longer is ended by the system."""
LINGER_SECONDS = 1.0
"""How long a worker with nothing to do waits for another hook."""
INGEST_SECONDS = 1.0
"""How long the text of an event may be in the spool while jobs are delivered."""
BACKUP_AFTER_MS = 3_600_000
"""How long a destination has to be away before the sessions that wait for it are backed up."""
_MIN_WAIT_SECONDS = 0.05


class Worker:
    """Delivers what is in the queue, unless another process is doing so.

    `end` is a time of the monotonic clock. `at_once` is for somebody who waits: every job is tried
    now and once, whatever its history and despite a cooldown; with `sessions`, those of these ids.
    """

    def __init__(
        self,
        folders: Folders,
        end: float = math.inf,
        *,
        at_once: bool = False,
        sessions: Collection[str] | None = None,
    ) -> None:
        self.spool = Spool(folders.spool)
        self.end = end
        self.at_once = at_once
        self.sessions = sessions
        self.is_locked_out = False
        """Whether another process was the worker."""
        self.error: OpenSyncError | None = None
        """What stopped the worker before every job had its turn."""
        self._folders = folders
        self._log = Log(folders.state)
        self._settings = ConfigWatcher()
        self._resources = ExitStack()
        self._drain: Drain | None = None
        self._tried: set[tuple[str, int]] = set()
        self._failure: str | None = None
        self._fired: set[str] = set()
        self._has_caught_up = at_once
        """Whether sessions that no hook asked for are left to the next worker."""

    def run(self) -> Iterator[tuple[Job, Result]]:
        """Yield each job that was tried, with its result.

        An error that stops the worker is left in `error`. Raises OSError if the spool cannot be
        used, and what the ledger raises.
        """
        with self._resources:
            while True:
                with self.spool.single_worker() as is_single_worker:
                    self.is_locked_out = not is_single_worker
                    if self.is_locked_out:
                        return
                    self._log.rotate()
                    recovery.recover(self.spool)
                    environments.adopt(self.spool)
                    yield from self._work()
                # A hook that came while the lock was held started no worker: look once more.
                if not self.spool.has_events() or time.monotonic() >= self.end:
                    return

    def _work(self) -> Iterator[tuple[Job, Result]]:
        self.error = None
        config: Config | None = None
        cooldown: Cooldown | None = None
        idle_since = time.monotonic()
        catch_up_end = idle_since + catch_up.MAX_SECONDS
        while time.monotonic() < self.end:
            mtime = self.spool.mtime()
            has_events = self.spool.has_events()
            self._fired |= self.spool.ingest()
            jobs = self.spool.jobs()
            if not self.at_once and time.monotonic() > catch_up_end:
                jobs = [job for job in jobs if not job.is_catch_up]
            try:
                config = self._load_settings(config)
                cooldown = None if self.at_once else self._cooldowns(config).active()
                due = (
                    []
                    if cooldown
                    else [job for job in jobs if self._is_due(job, has_events=has_events)]
                )
                if due:
                    yield from self._deliver(due, config)
                is_busy = bool(due) or (not cooldown and self._find_more(config))
            except OpenSyncError as error:
                self._stop(error, config)
                if self.error:
                    return
                continue
            if is_busy:
                idle_since = time.monotonic()
                continue
            seconds = self._seconds_to_wait(jobs, cooldown, idle_since)
            if seconds <= 0 or self.spool.is_asked_to_leave():
                break
            self.spool.wait(mtime, seconds)
        if config:
            self._leave(config, cooldown)

    @cached_property
    def _ledger(self) -> Ledger:
        """Open after the first events were ingested: if it fails, no text stays in the spool."""
        return self._resources.enter_context(Ledger(self._folders.ledger))

    def _load_settings(self, previous: Config | None) -> Config:
        config = self._settings.load()
        if config is not previous:
            environments.label(self.spool, config)
        return config

    def _cooldowns(self, config: Config) -> CooldownRecord:
        return CooldownRecord.from_config(self._ledger, config)

    def _is_due(self, job: Job, *, has_events: bool) -> bool:
        if self.at_once and (self.sessions is None or job.trigger.session_id in self.sessions):
            return (job.name, job.received_at) not in self._tried
        # A hook of any session is a good moment to look for a turn that another one announced.
        return job.attempts.is_due(clock.now()) or (has_events and job.failure == "awaited")

    def _find_more(self, config: Config) -> bool:
        """Look for other queues of this account, then for sessions that changed without a hook.

        Return whether anything was added to the queue.
        """
        if environments.adopt(self.spool, self._ledger):
            return True
        if self._has_caught_up:
            return False
        search = CatchUp(self.spool, self._ledger, config, self._log)
        if not search.is_due():
            self._has_caught_up = True
            return False
        return search.search(self._fired)

    def _deliver(self, due: list[Job], config: Config) -> Iterator[tuple[Job, Result]]:
        """Deliver these jobs, until it is time to look at the events and the settings again."""
        from opensync_hooks.queue.drain import Drain, log_result  # noqa: PLC0415 - slow to import

        if self._drain is None:
            self._drain = Drain(self.spool, self._ledger, self.end, at_once=self.at_once)
            self._resources.callback(self._drain.close)
        end = min(self.end, time.monotonic() + INGEST_SECONDS)
        for job in due:
            if job.is_catch_up and self.spool.has_events():
                return
            self._tried.add((job.name, job.received_at))
            result = self._drain.deliver(job, config)
            if isinstance(result, OpenSyncError):
                self._failure = str(result)
            elif result:
                self._failure = result.reason or self._failure
                if result.sent:
                    self._cooldowns(config).clear()
            if result:
                log_result(self._log, job, result)
                yield job, result
            if time.monotonic() >= end or self._settings.load() is not config:
                return

    def _stop(self, error: OpenSyncError, config: Config | None) -> None:
        """Start a cooldown if the error calls for one; otherwise leave it in `error`."""
        if self._drain:
            self._drain.close()
        cooldown = self._cooldowns(config).start(error, manual=self.at_once) if config else None
        self._ledger.set_note("last error", str(error))
        if cooldown is None or self.at_once:
            self.error = error
            self._log.write("stopped", why=type(error).__name__)
        else:
            self._log.write(
                "cooldown", why=cooldown.cause.replace(" ", "-"), failures=cooldown.tries
            )

    def _seconds_to_wait(
        self, jobs: list[Job], cooldown: Cooldown | None, idle_since: float
    ) -> float:
        """Return how long to wait for a retry or for another hook; 0 or less to leave."""
        if self.at_once:
            return 0.0
        now = time.monotonic()
        jobs = [job for job in jobs if not job.is_catch_up]  # no worker stays for these
        times = [cooldown.until] if cooldown else [job.attempts.not_before for job in jobs]
        soonest = min((at for at in times if at is not None), default=None)
        if jobs and soonest is not None:
            seconds = max((soonest - clock.now()) / 1000, _MIN_WAIT_SECONDS)
            # The turn that failed may have been the last one of the day: no later hook retries it.
            if now + seconds < self.end:
                return seconds
        return 0.0 if cooldown else idle_since + LINGER_SECONDS - now

    def _leave(self, config: Config, cooldown: Cooldown | None) -> None:
        """Tell `status` how it went, and back up what waits, as its agent may delete it."""
        if cooldown is None:
            self._ledger.set_note("last error", self._failure)
        if self._failure or (cooldown and clock.now() - cooldown.since >= BACKUP_AFTER_MS):
            from opensync_hooks.queue import backups  # noqa: PLC0415

            backups.back_up_queue(self.spool, self._ledger, config, self._log, self.end)


def main(*, owns_process: bool = False, seconds: float = MAX_SECONDS, at_once: bool = False) -> int:
    """Work the queue off and return the exit code.

    `owns_process`: nothing follows, and the system may end it if it hangs. `at_once`: see `Worker`.
    """
    garbage.collect_rarely()
    if owns_process:
        end_if_it_hangs(seconds + GRACE_SECONDS)
    folders = Folders.from_environ(os.environ)
    code = 1 if run_once(folders, time.monotonic() + seconds, at_once=at_once) else 0
    if owns_process:
        os._exit(code)  # all files are closed, and to free each object takes 50 ms
    return code


def run_once(folders: Folders, end: float, *, at_once: bool) -> OpenSyncError | None:
    """Return the error that stopped the worker, after noting it for `status`. Raises only bugs."""
    os.umask(0o077)
    try:
        worker = Worker(folders, end, at_once=at_once)
        deque(worker.run(), maxlen=0)
    except Exception as error:
        reported = as_opensync_error(error)
        is_bug = isinstance(reported, BugError)
        with suppress(OSError, OpenSyncError), Ledger(folders.ledger) as ledger:
            ledger.set_note("last error", str(reported))
        Log(folders.state).write("bug" if is_bug else "stopped", why=type(error).__name__)
        if is_bug:
            raise
        return reported
    return worker.error


if __name__ == "__main__":
    raise SystemExit(main())
