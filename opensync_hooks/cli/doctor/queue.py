"""Checks of what has not arrived: waiting, paused, quarantined, or failed."""

import shlex
import time
from collections.abc import Iterator
from contextlib import suppress

from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config, Folders
from opensync_hooks.ledger import accounts, readonly
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.queue import environments
from opensync_hooks.queue.cooldown import CooldownRecord
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.formatting import ago, count

_WARN_AFTER_S = 3_600
_FAIL_AFTER_S = 86_400
_ELSEWHERE = (
    "Only an environment with the same OPENSYNC_* variables delivers them: use an agent there, or "
    "run `opensync-hooks sync`. If it no longer exists, delete the folder."
)
_SYNC = "Run `opensync-hooks sync`, which prints the reason."


def waiting(folders: Folders, config: Config | None) -> Iterator[Finding]:
    """Check how long the oldest job has been waiting, and whether all jobs are readable."""
    for queue in environments.others(folders, config.destinations if config else ()):
        fact = (
            f"{queue.folder}: {count(queue.waiting, 'job')} waiting for "
            f"{queue.destination or 'an unknown destination'}, since {ago(queue.oldest)}."
        )
        yield warning("queue", fact, _ELSEWHERE)
    spool = Spool(folders.spool) if folders.spool.is_dir() else None
    if spool and spool.lock.exists() and not spool.lock.is_file():
        fact = f"{spool.lock}: not a file, so no worker can start."
        yield failed("queue", fact, f"Move it away: mv {shlex.quote(str(spool.lock))} /tmp")
    jobs = spool.jobs() if spool else []
    is_complete = len(list(folders.spool.glob("*.job"))) == len(jobs)
    damaged = spool.damaged() if spool and not is_complete else []
    if damaged:
        yield warning("queue", f"{damaged[0]}: damaged.", _SYNC)
    received = [job.received_at / 1000 for job in jobs]
    for path in folders.spool.glob("*.event"):
        with suppress(FileNotFoundError):  # a worker has just taken it
            received.append(path.stat().st_mtime)
    if not received:
        if not damaged:
            yield ok("queue", "nothing is waiting")
        return
    oldest = min(received)
    fact = f"{count(len(received), 'job')} waiting, the oldest from {ago(int(oldest * 1000))}"
    age = time.time() - oldest
    if age < _WARN_AFTER_S:
        yield ok("queue", fact)
    else:
        finding = failed if age >= _FAIL_AFTER_S else warning
        yield finding("queue", f"{fact}.", _SYNC)


def cooldown(config: Config) -> Iterator[Finding]:
    """Check whether hooks leave the destination alone at the moment."""
    with readonly.copied(config.folders.ledger) as ledger:
        active = CooldownRecord.from_config(ledger, config).active()
    if active is None:
        yield ok("cooldown", "none: hooks deliver immediately")
    else:
        fact = f"hooks do not contact the destination: {active.describe()}"
        yield warning("cooldown", fact, _SYNC)


def quarantine(config: Config) -> Iterator[Finding]:
    """Check for messages and sessions that will not be delivered."""
    folder = config.folders.spool
    jobs = len(list(Spool(folder).quarantined())) if folder.is_dir() else 0
    with readonly.copied(config.folders.ledger) as ledger:
        messages = summarize(ledger, accounts.expected(ledger, config)).quarantined
    if not jobs and not messages:
        yield ok("quarantine", "empty")
        return
    fact = f"{count(messages, 'message')} and {count(jobs, 'session')} quarantined."
    cure = "All others have arrived. `opensync-hooks queue list` shows them and the reasons."
    yield warning("quarantine", fact, cure)


def last_error(config: Config) -> Iterator[Finding]:
    """Check whether the last delivery failed."""
    with readonly.copied(config.folders.ledger) as ledger:
        note = ledger.note("last error")
    if note is None:
        yield ok("last error", "none")
    else:
        yield warning("last error", f"{note[0]} ({ago(note[1])})", _SYNC)
