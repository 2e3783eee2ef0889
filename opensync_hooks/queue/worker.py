"""The process that hooks start: one at a time, it works the queue off and ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from opensync_hooks import config as settings
from opensync_hooks.errors import BugError, OpenSyncError, as_opensync_error
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.queue import recovery
from opensync_hooks.queue.cooldown import CooldownRecord
from opensync_hooks.queue.events import record_and_parse
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.shift import Shift
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock
from opensync_hooks.system.log import Log

MOST_SECONDS = 600.0
"""One worker's life: a server that hangs must not starve the hooks that come after."""
GRACE_SECONDS = 120
"""After which a worker that hangs where it cannot look at the time is ended by the system."""
SERVE_SECONDS = 55.0
_SERVE_PAUSE = 2.0


def main(*, alone: bool = False, seconds: float = MOST_SECONDS, at_once: bool = False) -> int:
    """Never raises what is foreseen. `alone`: the process is the worker's, and may be ended.

    `at_once`: somebody waits for it, so nothing is left to rest.
    """
    os.umask(0o077)
    end = time.monotonic() + seconds
    if alone and sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds) + GRACE_SECONDS)
    folders = settings.Folders.from_environ(os.environ)
    try:
        spool = Spool(folders.spool)
        while True:
            with spool.single_worker() as is_alone:
                if not is_alone:
                    return 0
                recovery.take_up(folders.spool)
                spool.ingest(record_and_parse)
                recovery.repair_jobs(spool)
                _work(spool, folders, end, at_once=at_once)
            # A hook that came while the lock was held started no worker: look once more.
            if not spool.has_events() or time.monotonic() >= end:
                return 0
    except (OSError, OpenSyncError) as error:  # the events stay, the next worker finds them
        with suppress(OSError, OpenSyncError), Ledger(folders.ledger) as ledger:
            ledger.set_note("last error", str(as_opensync_error(error)))
        return 1


def _work(spool: Spool, folders: settings.Folders, end: float, *, at_once: bool = False) -> None:
    """Work until nothing is left to do, or the rest has to wait for another worker."""
    log = Log(folders.state)
    log.rotate()
    with Ledger(folders.ledger) as ledger:
        try:
            Shift(spool, ledger, log, end, at_once=at_once).run()
        except Exception as error:
            known = as_opensync_error(error)
            ledger.set_note("last error", str(known))
            log.write("bug" if isinstance(known, BugError) else "stopped", why=type(error).__name__)
            if known is not error:
                raise


def serve(trigger: Trigger, environ: Mapping[str, str]) -> None:
    """Do what one hook asks for and return when it is done, or after as long as an agent waits.

    Raises NotConfiguredError and what the ledger raises; the job stays.
    """
    folders = settings.Folders.from_environ(os.environ)
    spool = Spool(folders.spool)
    job = Job(trigger, environ, clock.now())
    spool.put(job)
    end = time.monotonic() + SERVE_SECONDS
    while spool.holds(job) and (left := end - time.monotonic()) > 0:
        main(seconds=left, at_once=True)
        if not spool.holds(job) or _needs_the_user(folders):
            return
        time.sleep(min(_SERVE_PAUSE, left))


def _needs_the_user(folders: settings.Folders) -> bool:
    """Whether no try helps: a refused key or a wrong address held up each turn for a minute."""
    with Ledger(folders.ledger) as ledger:
        rest = CooldownRecord.from_config(ledger, settings.load()).active()
    return rest is not None and rest.until is None


if __name__ == "__main__":
    raise SystemExit(main())
