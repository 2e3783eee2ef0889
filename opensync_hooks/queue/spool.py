"""The queue between hooks and worker: what hooks left behind, and one job per session.

    <time>-<pid>.<agent>.event   a hook's payload as it came, behind one line of environment
    <agent>-<hash>.job           a pointer: session, path, what to wait for; no text of anybody's
    parked/                      jobs that will never succeed as they are, each with its reason
    worker.lock                  held by the one worker
    jobs.lock                    held for as long as one job is changed

Hooks only ever add events. Everything else is done by the holder of the worker's lock, but for
commands, which may add a job or take one away at any moment.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from opensync_hooks.model import Trigger
from opensync_hooks.queue import job as job_file
from opensync_hooks.queue.backoff import Attempts
from opensync_hooks.queue.job import SUFFIX, Job
from opensync_hooks.system import clock
from opensync_hooks.system.files import (
    atomic_write,
    ensure_private_folder,
    open_regular_file,
    read_file,
)

if sys.platform != "win32":
    import fcntl

EVENT = ".event"
_LONGEST_PAYLOAD = 64 << 20
_PROBE_SECONDS = 0.1
_POLL_SECONDS = 0.25
LOOK_SECONDS = 5.0
"""The longest sleep: a folder's time can be too coarse to tell that one more hook came."""

Parse = Callable[[str, Mapping[str, str], bytes], Trigger | None]
"""Agent, the hook's environment and payload → what it asks for; None for nothing."""


class Spool:
    """Safe for several processes. Methods raise OSError where the disk does."""

    def __init__(self, folder: Path) -> None:
        self._folder = ensure_private_folder(folder)
        self.lock = folder / "worker.lock"
        self._changing = FileLock(folder / "jobs.lock", mode=0o600)

    @contextmanager
    def single_worker(self) -> Iterator[bool]:
        """Whether this is the one worker. A hook that probes the lock holds it for microseconds."""
        lock = FileLock(self.lock, mode=0o600)
        while not _is_taken(lock):
            if _is_held(self.lock):
                yield False
                return
        try:
            yield True
        finally:
            lock.release()

    # ---- events ----

    def waiting(self) -> int:
        """How many hooks and sessions are not dealt with yet."""
        return sum(path.suffix in (EVENT, SUFFIX) for path in self._folder.iterdir())

    def waiting_by_agent(self) -> Counter[str]:
        """The same, apart for each agent."""
        events = (path.name.removesuffix(EVENT).rpartition(".")[2] for path in self._events())
        return Counter([*events, *(job.trigger.agent for job in self.jobs())])

    def has_events(self) -> bool:
        return bool(self._events())

    def _events(self) -> list[Path]:
        """In the order of the hooks. What another user's hook left is left to his own worker."""
        found = sorted(self._folder.glob(f"*{EVENT}"))
        plain = (path for path in found if path.is_file() and not path.is_symlink())
        return [path for path in plain if os.access(path, os.R_OK)]

    def peek(self, parse: Parse) -> dict[Path, Job]:
        """What every event asks for. The events stay, for whoever is the worker."""
        heard = ((path, _job(path, parse)) for path in self._events())
        return {path: job for path, job in heard if job}

    def ingest(self, parse: Parse) -> None:
        """Turn every event into a job, or into part of one, and be rid of its text.

        Only for who is `alone`: a worker that leaves looks for events once more, and a job that was
        made behind his back would wait for the next hook.
        """
        for path in self._events():
            job = _job(path, parse)
            if job:
                self.put(job)
            path.unlink(missing_ok=True)  # only now: killed in between, it is merged twice

    def mtime(self) -> int:
        """Changes whenever a file comes or goes."""
        return self._folder.stat().st_mtime_ns

    def wait(self, since: int, seconds: float) -> None:
        """Until something has changed since that moment, or so many seconds have passed.

        Or less: who waits looks around, and waits again.
        """
        end = time.monotonic() + min(seconds, LOOK_SECONDS)
        while (left := end - time.monotonic()) > 0 and self.mtime() == since:
            time.sleep(min(_POLL_SECONDS, left))

    def notify(self) -> None:
        """Have a worker that waits look around."""
        os.utime(self._folder)

    # ---- jobs ----

    def put(self, wish: Job) -> None:
        path = self._folder / wish.name
        with self._changing:
            known = _load(path)
            _write(path, known.merged(wish) if known else wish)

    def jobs(self) -> list[Job]:
        """Those that no worker has taken up yet, oldest wish first; then the others, in turn."""
        found = (_load(path) for path in self._folder.glob(f"*{SUFFIX}"))
        return sorted(filter(None, found), key=lambda job: (job.attempts.begun, job.received_at))

    def current(self, job: Job) -> Job | None:
        """The job as it is now; None when it is gone."""
        return _load(self._folder / job.name)

    def holds(self, job: Job) -> bool:
        return (self._folder / job.name).exists()

    def damaged(self) -> list[str]:
        """The names of job files that say nothing any more. The next hook of a session mends it."""
        found = sorted(self._folder.glob(f"*{SUFFIX}"))
        return [path.name for path in found if _load(path) is None and path.exists()]

    def keep(self, job: Job, error: str | None, attempts: Attempts) -> None:
        """Note what became of a try. A wish that came meanwhile stays as it is."""
        path = self._folder / job.name
        with self._changing:
            known = _load(path)
            is_there = path.exists()  # not where a command has taken it away meanwhile
            if is_there and (known is None or known.received_at <= job.received_at):
                _write(path, replace(job, error=error, attempts=attempts))

    def done(self, job: Job) -> None:
        """Be rid of this wish, also where it was parked before; a later one stays."""
        (self._folder / "parked" / job.name).unlink(missing_ok=True)
        self._take_away(job)

    def _take_away(self, job: Job) -> None:
        path = self._folder / job.name
        with self._changing:
            known = _load(path)
            if known is None or known.received_at <= job.received_at:
                path.unlink(missing_ok=True)

    def quarantine(self, job: Job, reason: str) -> None:
        parked = ensure_private_folder(self._folder / "parked")
        _write(parked / job.name, replace(job, error=reason), durable=True)
        self._take_away(job)

    def quarantined(self) -> Iterator[Job]:
        for path in sorted((self._folder / "parked").glob(f"*{SUFFIX}")):
            job = _load(path)
            if job:
                yield job

    def arrived(self, agent: str, session_id: str) -> bool:
        """Forget that the session was parked, for it has arrived after all; whether it was."""
        parked = self._folder / "parked" / Job(Trigger(agent, session_id), {}, 0).name
        was_parked = parked.exists()
        parked.unlink(missing_ok=True)
        return was_parked

    def retry(self, job: Job) -> None:
        """Begin anew with a job, parked or not."""
        self.put(replace(job, error=None, attempts=Attempts()))
        (self._folder / "parked" / job.name).unlink(missing_ok=True)
        self.keep(job, None, Attempts())

    def drop(self, name: str, parse: Parse) -> None:
        """Forget a job, parked or not, or a damaged file of one; and the events that ask for it."""
        with self._changing:
            for path in (self._folder / name, self._folder / "parked" / name):
                path.unlink(missing_ok=True)
        for path, job in self.peek(parse).items():
            if job.name == name:
                path.unlink(missing_ok=True)


def _is_taken(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=_PROBE_SECONDS, poll_interval=0.005)
    except Timeout:
        return False
    return True


def _is_held(path: Path) -> bool:
    """Whether a worker has the lock. Of hooks that probe it, each has only a share of it."""
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
    # Mostly not: a job that a power cut tears is made anew from its name, see `recovery`; one
    # that it takes away, `status` counts as not synced, and the session's next hook or `sync` asks
    # for again.
    atomic_write(path, job.to_bytes(), durable=durable)


def _load(path: Path) -> Job | None:
    """The job in its file. One that says to be another's could never be taken away by its name."""
    try:
        job = job_file.parse(read_file(path))
    except OSError:
        return None
    return job if job and job.name == path.name else None


def _job(path: Path, parse: Parse) -> Job | None:
    """The wish in an event's file; None when it holds none."""
    stamp, _, agent = path.name.removesuffix(EVENT).partition(".")
    try:
        with open_regular_file(path) as file:
            head, _, payload = file.read(_LONGEST_PAYLOAD).partition(b"\n")
    except FileNotFoundError:
        return None
    pairs = (pair.partition("=") for pair in os.fsdecode(head).split("\0") if "=" in pair)
    environ = {name: value for name, _, value in pairs}
    try:
        trigger = parse(agent, environ, payload)
    except ValueError:  # torn in a way that leaves no session to name
        return None
    return Job(trigger, environ, _received_at(stamp)) if trigger else None


def _received_at(stamp: str) -> int:
    nanoseconds = stamp.partition("-")[0]
    known = nanoseconds.isascii() and nanoseconds.isdigit() and len(nanoseconds) < 30
    return min(int(nanoseconds) // 1_000_000, clock.now()) if known else clock.now()
