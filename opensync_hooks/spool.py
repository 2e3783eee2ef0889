"""The queue between hooks and worker: what hooks left behind, and one job per session.

    <time>-<pid>.<agent>.event   a hook's payload as it came, behind one line of environment
    <agent>-<hash>.job           a pointer: session, path, what to wait for; no text of anybody's
    parked/                      jobs that will never succeed as they are, each with its reason
    worker.lock                  held by the one worker

Hooks only ever add events. Everything else is done by the holder of the lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from opensync_hooks.files import private_folder, write_whole
from opensync_hooks.model import Trigger

EVENT = ".event"
_JOB = ".job"
_LONGEST_PAYLOAD = 64 << 20

Parse = Callable[[str, Mapping[str, str], bytes], Trigger | None]
"""Agent, the hook's environment and payload → what it asks for; None for nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One session that has to be synced, for as long as that is not confirmed."""

    trigger: Trigger
    environ: Mapping[str, str]
    received_at: int
    attempts: int = 0
    error: str | None = None

    @property
    def name(self) -> str:
        """A session id never becomes a path."""
        plain = self.trigger.session_id.encode("utf-8", "surrogatepass")
        return f"{self.trigger.agent}-{hashlib.sha256(plain).hexdigest()[:32]}{_JOB}"

    def merged(self, other: Job) -> Job:
        """Both wishes in one: the later one decides, but an end that was seen stays seen."""
        earlier, later = sorted((self, other), key=lambda job: job.received_at)
        trigger = replace(
            later.trigger,
            path=later.trigger.path or earlier.trigger.path,
            end_reason=later.trigger.end_reason or earlier.trigger.end_reason,
        )
        return replace(later, trigger=trigger)


class Spool:
    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder)
        self.lock = folder / "worker.lock"

    def waiting(self) -> int:
        """How many hooks and sessions are not dealt with yet."""
        return sum(path.suffix in (EVENT, _JOB) for path in self._folder.iterdir())

    def has_events(self) -> bool:
        return bool(self._events())

    def _events(self) -> list[Path]:
        """In the order of the hooks. What another user's hook left is left to his own worker."""
        found = sorted(self._folder.glob(f"*{EVENT}"))
        return [path for path in found if path.is_file() and os.access(path, os.R_OK)]

    def reduce(self, parse: Parse) -> None:
        """Turn every event into a job, or into part of one, and be rid of its text."""
        for path in self._events():
            job = _job(path, parse)
            if job:
                self.put(job)
            path.unlink(missing_ok=True)  # only now: killed in between, it is merged twice

    def put(self, job: Job) -> None:
        path = self._folder / job.name
        known = _load(path)
        self._write(path, known.merged(job) if known else job)

    def jobs(self) -> list[Job]:
        """Oldest wish first."""
        found = (_load(path) for path in self._folder.glob(f"*{_JOB}"))
        return sorted((job for job in found if job), key=lambda job: job.received_at)

    def holds(self, job: Job) -> bool:
        return (self._folder / job.name).exists()

    def done(self, job: Job) -> None:
        """Be rid of this wish, also where it was parked before; a later one stays."""
        (self._folder / "parked" / job.name).unlink(missing_ok=True)
        self._drop(job)

    def _drop(self, job: Job) -> None:
        path = self._folder / job.name
        known = _load(path)
        if known is None or known.received_at <= job.received_at:
            path.unlink(missing_ok=True)

    def delay(self, job: Job, error: str) -> None:
        """Keep the job for the next worker, with what went wrong."""
        self.put(replace(job, attempts=job.attempts + 1, error=error))

    def park(self, job: Job, reason: str) -> None:
        parked = private_folder(self._folder / "parked")
        self._write(parked / job.name, replace(job, error=reason))
        self._drop(job)

    def parked(self) -> Iterator[Job]:
        for path in sorted((self._folder / "parked").glob(f"*{_JOB}")):
            job = _load(path)
            if job:
                yield job

    @staticmethod
    def _write(path: Path, job: Job) -> None:
        # Not durable: after a power cut the transcript may be older as well, and `sync` finds it.
        write_whole(path, json.dumps(asdict(job)).encode(), durable=False)


def _job(path: Path, parse: Parse) -> Job | None:
    """The wish in an event's file; None when it holds none."""
    stamp, _, agent = path.name.removesuffix(EVENT).partition(".")
    try:
        with path.open("rb") as file:
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
    return min(int(nanoseconds) // 1_000_000, _now()) if known else _now()


def _load(path: Path) -> Job | None:
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
        job = Job(**{**value, "trigger": Trigger(**value["trigger"])})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return job if _is_sound(job) else None


def _is_sound(job: Job) -> bool:
    """Whether the values are what they should be; a file of ours can still be damaged."""
    texts = (job.trigger.agent, job.trigger.session_id)
    maybe_texts = (*asdict(job.trigger).values(), job.error)
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(text, str | None) for text in maybe_texts)
        and all(type(number) is int for number in (job.received_at, job.attempts))
        and isinstance(job.environ, dict)
        and all(isinstance(text, str) for text in job.environ.values())
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
