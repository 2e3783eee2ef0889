"""Empties the spool, one session after the other, then ends. There is one worker at a time."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from filelock import FileLock, Timeout

from opensync_hooks import config as settings
from opensync_hooks import house
from opensync_hooks.errors import (
    BugError,
    BusyError,
    OpenSyncError,
    RejectedError,
    SourceError,
)
from opensync_hooks.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.sources import Located, Source, registry
from opensync_hooks.spool import Job, Spool
from opensync_hooks.sync import Outcome, Syncer

MOST_SECONDS = 600
"""One worker's life: a server that hangs must not starve the hooks that come after."""
MOST_ATTEMPTS = 10
"""How often a source that cannot be read is read again."""
SERVE_SECONDS = 55.0
SETTLE_SECONDS = 3.0
LOOKS = (4.0, 10.0, 30.0)
"""Seconds after which a session is read again that its agent was still writing."""
UNFINISHED = "The agent has not written all of it yet."
LINGER_SECONDS = 1.0
_PROBE_SECONDS = 0.1
_AGAIN_SECONDS = 0.2
_PAUSE = 0.05


def main() -> int:
    os.umask(0o077)
    try:
        folders = settings.Folders.of(os.environ)
        spool = Spool(folders.spool)
        while True:
            with _only_one(spool) as alone:
                if not alone or not _work(spool, folders):
                    return 0
            # A hook that came while the lock was held started no worker: look once more.
            if not spool.has_events():
                return 0
    except OSError:
        return 1  # disk full, folder gone: the events stay, the next worker finds them


@contextmanager
def _only_one(spool: Spool) -> Iterator[bool]:
    """Whether this is the one worker. A hook that probes the lock holds it for microseconds."""
    lock = FileLock(spool.lock, mode=0o600)
    try:
        lock.acquire(timeout=_PROBE_SECONDS, poll_interval=0.005)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _work(spool: Spool, folders: settings.Folders) -> bool:
    """Work until nothing is left to do; False when the rest has to wait for another worker."""
    with Ledger(folders.ledger) as ledger:
        spool.reduce(registry.heed)
        failure: str | None = None
        try:
            with house.syncer(settings.load(), ledger) as syncer:
                for done in drain(spool, syncer, linger=LINGER_SECONDS):
                    said = str(done) if isinstance(done, OpenSyncError) else done.reason
                    failure = said or failure
        except OpenSyncError as stopped:
            ledger.note("last error", str(stopped))
            return False
        except Exception as error:
            ledger.note("last error", str(BugError(error)))
            raise
        ledger.note("last error", failure)
    return True


def serve(trigger: Trigger, environ: Mapping[str, str]) -> None:
    """Do what one hook asks for and return when it is done, or after as long as an agent waits."""
    spool = Spool(settings.Folders.of(os.environ).spool)
    job = Job(trigger, environ, time.time_ns() // 1_000_000)
    spool.put(job)
    end = time.monotonic() + SERVE_SECONDS
    while spool.holds(job) and time.monotonic() < end:
        main()
        time.sleep(_PAUSE if spool.holds(job) else 0)


def reduce_now(spool: Spool) -> None:
    """Learn from the hooks' events which sessions are private, unless a worker is at it already."""
    with _only_one(spool) as alone:
        if alone:
            spool.reduce(registry.heed)


def drain_now(spool: Spool, syncer: Syncer) -> Iterator[Outcome | OpenSyncError]:
    """All that waits, unless a worker is at it already."""
    with _only_one(spool) as alone:
        if alone:
            yield from drain(spool, syncer)


def drain(
    spool: Spool, syncer: Syncer, *, linger: float = 0.0
) -> Iterator[Outcome | OpenSyncError]:
    """Do every job there is, and for `linger` seconds those that still come.

    Raises what stops all jobs alike: UnreachableError, KeyRefusedError, WrongAddressError. The jobs
    stay then; a job that only itself fails is parked or kept, and yields its error.
    """
    end = time.monotonic() + MOST_SECONDS
    tried: dict[tuple[str, int], float] = {}
    idle_since = time.monotonic()
    while time.monotonic() < end:
        spool.reduce(registry.heed)
        jobs = spool.jobs()
        job = next((job for job in jobs if _next_look(job, tried) <= time.monotonic()), None)
        if job is not None:
            yield from _do(job, spool, syncer)
            tried[_wish(job)] = idle_since = time.monotonic()
        elif time.monotonic() - idle_since >= linger and not (
            linger and any(_next_look(job, tried) < end for job in jobs)
        ):
            return
        else:
            time.sleep(_PAUSE)


def _next_look(job: Job, tried: Mapping[tuple[str, int], float]) -> float:
    """When this worker takes the job up, or again: only one that was read half written."""
    last = tried.get(_wish(job))
    if last is None:
        return 0
    again = job.error == UNFINISHED and job.attempts <= len(LOOKS)
    return last + LOOKS[job.attempts - 1] if again else math.inf


def _wish(job: Job) -> tuple[str, int]:
    """Tells a job that failed in this run from the same one after another hook asked for it."""
    return job.name, job.received_at


def _do(job: Job, spool: Spool, syncer: Syncer) -> Iterator[Outcome | OpenSyncError]:
    try:
        outcome = _sync(job, syncer)
    except (SourceError, BusyError) as error:
        (spool.delay if job.attempts < MOST_ATTEMPTS else spool.park)(job, str(error))
        yield error
    except RejectedError as error:
        spool.park(job, str(error))
        yield error
    except OpenSyncError as error:
        spool.delay(job, str(error))
        raise
    except Exception as error:  # noqa: BLE001 - one session's surprise must not stop the others
        bug = BugError(error)
        spool.park(job, str(bug))
        yield bug
    else:
        if outcome and outcome.is_partial and job.attempts < MOST_ATTEMPTS:
            spool.delay(job, UNFINISHED)
        else:
            spool.done(job)
        if outcome:
            yield outcome


def _sync(job: Job, syncer: Syncer) -> Outcome | None:
    """None where there is nothing: an agent that was opened and closed leaves no session."""
    source = registry.source(job.trigger.agent, {**os.environ, **job.environ})
    if source is None:
        return None
    located = _settled(job, source)
    if located is None:
        return None
    try:
        return syncer.sync(source, located, end_reason=job.trigger.end_reason)
    except SourceError:  # a file that was moved or rewritten under us is whole again in a moment
        time.sleep(_AGAIN_SECONDS)
        moved = source.locate(job.trigger) or located
        return syncer.sync(source, moved, end_reason=job.trigger.end_reason)


def _settled(job: Job, source: Source) -> Located | None:
    """Where the session lies, once what the agent had shown is there; in the end also without."""
    end = job.received_at / 1000 + SETTLE_SECONDS
    looked_at: Located | None = None
    while True:
        located = source.locate(job.trigger)
        is_new = located is not None and located != looked_at
        if (is_new and source.settled(job.trigger)) or time.time() >= end:
            return located
        if located is None and job.trigger.awaits is None:
            return None
        looked_at = located
        time.sleep(_PAUSE)


if __name__ == "__main__":
    raise SystemExit(main())
