"""What has not arrived: for how long it has been waiting, and what was set aside for good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config, Folders
from opensync_hooks.ledger import readonly
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.queue import cooldown
from opensync_hooks.queue.cooldown import CooldownRecord
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.formatting import ago, count

_SYNC = "Run `opensync-hooks sync`, which says what holds it up."
_TRY = "`opensync-hooks sync` tries again at once, and says more."
_LONG_S = 3_600
_TOO_LONG_S = 86_400


def queue(folders: Folders) -> Iterator[Finding]:
    """What waits, and since when; and what no longer says for which session."""
    spool = Spool(folders.spool) if folders.spool.is_dir() else None
    damaged = spool.damaged() if spool else []
    if damaged:
        yield warning("queue", f"{damaged[0]}: cannot be read any more.", _SYNC)
    began = [job.received_at / 1000 for job in spool.jobs()] if spool else []
    for path in folders.spool.glob("*.event"):
        with suppress(FileNotFoundError):  # a worker takes it up in this moment
            began.append(path.stat().st_mtime)
    if began:
        yield _waiting(began)
    elif not damaged:
        yield ok("queue", "nothing waits")


def _waiting(began: list[float]) -> Finding:
    """`began`: when each hook came, in seconds since 1970."""
    what = f"{count(len(began), 'job')} waiting, the oldest from {ago(int(min(began) * 1000))}"
    age = time.time() - min(began)
    if age < _LONG_S:
        return ok("queue", what)
    make = failed if age >= _TOO_LONG_S else warning
    return make("queue", f"{what}.", _SYNC)


def resting(config: Config) -> Iterator[Finding]:
    """Whether hooks leave the destination alone for now, and why."""
    with readonly.copied(config.folders.ledger) as ledger:
        found = CooldownRecord.from_config(ledger, config).active()
    if found is None:
        yield ok("resting", "no: hooks deliver at once")
        return
    said = cooldown.describe(found)
    yield warning("resting", f"hooks do not ask the destination now: {said}", _TRY)


def set_aside(config: Config) -> Iterator[Finding]:
    """Messages and sessions that are given up on."""
    jobs = (
        len(list(Spool(config.folders.spool).quarantined())) if config.folders.spool.is_dir() else 0
    )
    with readonly.copied(config.folders.ledger) as ledger:
        messages = summarize(ledger, config.destination).quarantined
    if not jobs and not messages:
        yield ok("set aside", "nothing")
        return
    what = f"{count(messages, 'message')} and {count(jobs, 'session')} set aside for good."
    cure = "The rest has arrived. `opensync-hooks queue list` names them, and why."
    yield warning("set aside", what, cure)


def last_error(config: Config) -> Iterator[Finding]:
    with readonly.copied(config.folders.ledger) as ledger:
        noted = ledger.note("last error")
    if noted is None:
        yield ok("last error", "none")
        return
    what = f"{noted[0]} ({ago(noted[1])})"
    yield warning("last error", what, _TRY)
