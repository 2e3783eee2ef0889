"""Copies what has been waiting for long, as far as its agent still has it."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from opensync_hooks import house
from opensync_hooks.config import Config
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger import Ledger, loss
from opensync_hooks.log import Log
from opensync_hooks.queue.keepsake import Keepsakes
from opensync_hooks.queue.spool import Spool
from opensync_hooks.sources import registry


def keep(spool: Spool, ledger: Ledger, config: Config, log: Log, end: float) -> None:
    """Until that time of the monotonic clock. Raises OSError, and what the ledger raises."""
    keepsakes = Keepsakes.of(config)
    for job in (*spool.jobs(), *spool.parked()):
        if time.monotonic() >= end:
            break
        source = registry.source(job.trigger.agent, {**os.environ, **job.environ})
        located = source.locate(job.trigger) if source else None
        if source is None or located is None or not keepsakes.is_due(source, located):
            continue
        with suppress(SourceError):  # it cannot be read now: the next worker tries again
            if keepsakes.keep(source, located, config):
                log.write("copied", agent=source.agent, session=located.session_id)
    for agent, session_id in keepsakes.tidy():
        loss.note(ledger, config.url or house.EMBEDDED, agent, session_id, {loss.COPY: 1})
        log.write("copy-dropped", agent=agent, session=session_id)
