"""A hook with `--wait`: it delivers its session in its own process, while the agent waits."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from opensync_hooks.config import Folders
from opensync_hooks.model import Trigger
from opensync_hooks.queue import worker
from opensync_hooks.queue.cooldown import needs_user
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock

MAX_SECONDS = 55.0
"""Agents end their hooks after a minute."""
_PAUSE_SECONDS = 2.0


def serve(trigger: Trigger, environ: Mapping[str, str]) -> None:
    """Deliver what one hook asks for; return when that is done, or no longer worth waiting for.

    Raises OSError. What is not delivered stays in the queue.
    """
    folders = Folders.from_environ(os.environ)
    spool = Spool(folders.spool)
    job = Job(trigger, environ, clock.now())
    spool.put(job)
    end = time.monotonic() + MAX_SECONDS
    while spool.current(job) and time.monotonic() < end:
        error = worker.run_once(folders, end, at_once=True)
        if not spool.current(job) or (error and needs_user(error)):
            return
        time.sleep(max(0.0, min(_PAUSE_SECONDS, end - time.monotonic())))
