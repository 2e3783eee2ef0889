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
        hashed = hashlib.sha256(self.trigger.session_id.encode()).hexdigest()[:32]
        return f"{self.trigger.agent}-{hashed}{_JOB}"

    def merged(self, later: Job) -> Job:
        """Both wishes in one: the later one decides, but an end that was seen stays seen."""
        trigger = replace(
            later.trigger,
            path=later.trigger.path or self.trigger.path,
            end_reason=later.trigger.end_reason or self.trigger.end_reason,
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
        return any(path.suffix == EVENT for path in self._folder.iterdir())

    def reduce(self, parse: Parse) -> None:
        """Turn every event into a job, or into part of one, and be rid of its text."""
        for path in sorted(self._folder.glob(f"*{EVENT}")):
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
        (self._folder / job.name).unlink(missing_ok=True)

    def delay(self, job: Job, error: str) -> None:
        """Keep the job for the next worker, with what went wrong."""
        later = replace(job, attempts=job.attempts + 1, error=error)
        self._write(self._folder / job.name, later)

    def park(self, job: Job, reason: str) -> None:
        parked = private_folder(self._folder / "parked")
        self._write(parked / job.name, replace(job, error=reason))
        self.done(job)

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
    stamp, agent, _ = path.name.split(".")
    try:
        with path.open("rb") as file:
            head, _, payload = file.read(_LONGEST_PAYLOAD).partition(b"\n")
    except OSError:
        return None
    pairs = (pair.partition("=") for pair in os.fsdecode(head).split("\0") if "=" in pair)
    environ = {name: value for name, _, value in pairs}
    trigger = parse(agent, environ, payload)
    received_at = int(stamp.partition("-")[0]) // 1_000_000
    return Job(trigger, environ, min(received_at, _now())) if trigger else None


def _load(path: Path) -> Job | None:
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
        return Job(**{**value, "trigger": Trigger(**value["trigger"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _now() -> int:
    return time.time_ns() // 1_000_000
