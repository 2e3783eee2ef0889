"""Copies what has been waiting for long, as far as its agent still has it."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from opensync_hooks.agents import registry
from opensync_hooks.config import Config
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue.backups import Keepsakes
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.log import Log


def keep(spool: Spool, ledger: Ledger, config: Config, log: Log, end: float) -> None:
    """Until that time of the monotonic clock. Raises OSError, and what the ledger raises."""
    keepsakes = Keepsakes.of(config)
    for job in (*spool.jobs(), *spool.parked()):
        if time.monotonic() >= end:
            break
        with suppress(SourceError):  # it cannot be read now: the next worker tries again
            if _keep(job, keepsakes, config):
                log.write("copied", agent=job.trigger.agent, session=job.trigger.session_id)
    for agent, session_id in keepsakes.tidy():
        losses.note_copy(ledger, config.destination, agent, session_id)
        log.write("copy-dropped", agent=agent, session=session_id)


def _keep(job: Job, keepsakes: Keepsakes, config: Config) -> bool:
    """Whether a copy was made. Raises SourceError."""
    source = registry.source(job.trigger.agent, job.surroundings(os.environ))
    located = source.locate(job.trigger) if source else None
    if source is None or located is None or not keepsakes.is_due(source, located):
        return False
    return keepsakes.keep(source, located, config)
