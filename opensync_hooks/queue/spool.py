"""The spool: the folder between hooks and worker, with their events and a job per session.

Each environment with settings of its own has one, see `hook/paths.py` and `environments`.

    *.event        what hooks left; see `events`
    *.job          a pointer to a session, without any of its text; see `job`
    parked/        quarantined jobs, which will not succeed as they are, each with the reason
    worker.lock    held by the worker, of which there is one at a time
    jobs.lock      held while a job is changed

A hook only adds an event. Everything else is done by the holder of `worker.lock`, except that
commands may add and remove jobs at any time.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from opensync_hooks.hook import paths
from opensync_hooks.model import Trigger
from opensync_hooks.queue import events
from opensync_hooks.queue import job as job_file
from opensync_hooks.queue.backoff import Attempts
from opensync_hooks.queue.job import Job
from opensync_hooks.system.file_lock import file_lock, is_acquired
from opensync_hooks.system.files import atomic_write, ensure_private_folder, read_file

if TYPE_CHECKING:
    from filelock import FileLock
if sys.platform != "win32":
    import fcntl

_PROBE_SECONDS = 0.1
_LEAVE_SECONDS = 60
_POLL_SECONDS = 0.25
MAX_WAIT_SECONDS = 5.0
"""The longest sleep: within one tick of a coarse file system clock an event would go unnoticed."""


class Spool:
    """An open spool, for any number of processes. Methods raise OSError if the disk fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = ensure_private_folder(folder)
        self.lock = folder / "worker.lock"
        self.quarantine_folder = folder / "parked"

    @cached_property
    def _jobs_lock(self) -> FileLock:
        return file_lock(self.folder / "jobs.lock")

    @contextmanager
    def single_worker(self) -> Iterator[bool]:
        """Try to become the one worker, and yield whether that succeeded."""
        lock = file_lock(self.lock)
        while not is_acquired(lock, _PROBE_SECONDS):
            # A hook that probes the lock shares it for microseconds; only a worker locks hooks out.
            if _is_exclusive(self.lock):
                yield False
                return
        try:
            yield True
        finally:
            lock.release()

    def has_worker(self) -> bool:
        """Return whether a worker is running."""
        try:
            return _is_exclusive(self.lock)
        except FileNotFoundError:
            return False

    def is_asked_to_leave(self) -> bool:
        """Return whether somebody is about to delete the queue."""
        try:
            age = time.time() - (self.folder / paths.LEAVE).stat().st_mtime
        except OSError:
            return False
        return abs(age) < _LEAVE_SECONDS  # whoever asked and was killed asks no more

    # ---- events ----

    def waiting(self) -> int:
        """Count the events and jobs."""
        suffixes = (events.SUFFIX, job_file.SUFFIX)
        return sum(path.suffix in suffixes for path in self.folder.iterdir())

    def waiting_by_agent(self) -> Counter[str]:
        """Count the events and jobs of each agent."""
        names = (path.name.removesuffix(events.SUFFIX) for path in self._events())
        agents = (name.rpartition(".")[2] for name in names)
        return Counter([*agents, *(job.trigger.agent for job in self.jobs())])

    def has_events(self) -> bool:
        return bool(self._events())

    def _events(self) -> list[Path]:
        """List the events in the order of their hooks, but not those of another user."""
        paths = sorted(self.folder.glob(f"*{events.SUFFIX}"))
        files = (path for path in paths if path.is_file() and not path.is_symlink())
        return [path for path in files if os.access(path, os.R_OK)]

    def peek(self) -> dict[Path, Job]:
        """Return what the events request, and leave them to the worker."""
        jobs = ((path, events.read_job(path, events.parse)) for path in self._events())
        return {path: job for path, job in jobs if job}

    def record_events(self) -> None:
        """Record what only hooks know, such as which sessions are private; the events stay."""
        for path in self._events():
            events.read_job(path, events.record_and_parse)

    def ingest(self) -> set[str]:
        """Turn every event into a job, and delete its text. Only the worker may call this.

        Returns the agents for whose sessions a hook has asked.

        A worker that leaves looks for events once more. It would overlook a job that somebody else
        made of one, and the job would wait for the next hook.
        """
        agents = set()
        for path in self._events():
            job = events.read_job(path, events.record_and_parse)
            if job:
                self.put(job)
                agents.add(job.trigger.agent)
            path.unlink(missing_ok=True)  # last: after a kill in between, the event is merged twice
        return agents

    def mtime(self) -> int:
        """Return a number that changes whenever a file is added or removed."""
        return self.folder.stat().st_mtime_ns

    def wait(self, mtime: int, seconds: float) -> None:
        """Wait until something was added or removed since `mtime`, but not longer than `seconds`.

        May return early; the caller looks around and waits again.
        """
        end = time.monotonic() + min(seconds, MAX_WAIT_SECONDS)
        while (left := end - time.monotonic()) > 0 and self.mtime() == mtime:
            time.sleep(min(_POLL_SECONDS, left))

    def notify(self) -> None:
        """Make a worker that waits look around."""
        os.utime(self.folder)

    # ---- jobs ----

    def put(self, request: Job) -> None:
        """Add a request, merged with the session's job where there is one."""
        path = self.folder / request.name
        with self._jobs_lock:
            existing = _load(path)
            _write(path, existing.merged(request) if existing else request)

    def jobs(self) -> list[Job]:
        """List the jobs: first those that no worker has started on, the oldest request first.

        Those for which no hook asked come last.
        """
        jobs = (_load(path) for path in self.folder.glob(f"*{job_file.SUFFIX}"))
        return sorted(
            filter(None, jobs),
            key=lambda job: (job.is_catch_up, job.attempts.started_at, job.received_at),
        )

    def has_job(self, agent: str, session_id: str) -> bool:
        """Return whether the session is waiting or quarantined."""
        name = Job(Trigger(agent, session_id), {}, 0).name
        return any((folder / name).exists() for folder in (self.folder, self.quarantine_folder))

    def current(self, job: Job) -> Job | None:
        """Return the job as it is now; None if it is gone."""
        return _load(self.folder / job.name)

    def damaged(self) -> list[str]:
        """List the job files that cannot be read. The next hook of a session replaces its file."""
        paths = sorted(self.folder.glob(f"*{job_file.SUFFIX}"))
        return [path.name for path in paths if _load(path) is None and path.exists()]

    def update(self, job: Job) -> None:
        """Save the job after an attempt, unless it was requested again meanwhile, or removed."""
        path = self.folder / job.name
        with self._jobs_lock:
            if path.exists() and not _is_newer(_load(path), job):
                _write(path, job)

    def done(self, job: Job) -> None:
        """Remove the job, also from quarantine, unless it was requested again meanwhile."""
        (self.quarantine_folder / job.name).unlink(missing_ok=True)
        self._remove(job)

    def _remove(self, job: Job) -> None:
        path = self.folder / job.name
        with self._jobs_lock:
            if not _is_newer(_load(path), job):
                path.unlink(missing_ok=True)

    # ---- quarantine ----

    def quarantine(self, job: Job, reason: str) -> None:
        path = ensure_private_folder(self.quarantine_folder) / job.name
        _write(path, replace(job, error=reason), durable=True)
        self._remove(job)

    def quarantined(self) -> Iterator[Job]:
        for path in sorted(self.quarantine_folder.glob(f"*{job_file.SUFFIX}")):
            job = _load(path)
            if job:
                yield job

    def release(self, agent: str, session_id: str) -> bool:
        """Forget that a session was quarantined, for it was delivered; return whether it was."""
        path = self.quarantine_folder / Job(Trigger(agent, session_id), {}, 0).name
        was_quarantined = path.exists()
        path.unlink(missing_ok=True)
        return was_quarantined

    def is_of_earlier_version(self, job: Job) -> bool:
        """Return whether the job was written when all environments shared one queue."""
        for folder in (self.folder, self.quarantine_folder):
            with suppress(OSError):
                return not job_file.has_environment(read_file(folder / job.name))
        return False

    def retry(self, job: Job) -> None:
        """Start over with a job, quarantined or not."""
        fresh = replace(job, error=None, failure=None, attempts=Attempts())
        self.put(fresh)
        (self.quarantine_folder / job.name).unlink(missing_ok=True)
        self.update(fresh)

    def drop(self, name: str) -> None:
        """Forget a job by its file's name, quarantined or damaged ones too, and its events."""
        with self._jobs_lock:
            for folder in (self.folder, self.quarantine_folder):
                (folder / name).unlink(missing_ok=True)
        for path, job in self.peek().items():
            if job.name == name:
                path.unlink(missing_ok=True)


def _is_exclusive(path: Path) -> bool:
    """Whether a worker has the lock, rather than hooks that share it."""
    if sys.platform == "win32":
        return True
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _write(path: Path, job: Job, *, durable: bool = False) -> None:
    # Mostly not durable, which takes the time of a disk. A job that a power cut tears is made anew
    # from its name, see `recovery`. If it is lost, `status` counts the session as not synced, and
    # the session's next hook or `sync` delivers it.
    atomic_write(path, job.to_bytes(), durable=durable)


def _load(path: Path) -> Job | None:
    """Read the job in a file; None for one that names another session: it could not be removed."""
    try:
        job = job_file.parse(read_file(path))
    except OSError:
        return None
    return job if job and job.name == path.name else None


def _is_newer(existing: Job | None, job: Job) -> bool:
    return existing is not None and existing.received_at > job.received_at
