"""Jobs that lost their content, as a power cut may leave them: the name still tells the session."""

from __future__ import annotations

import os
from contextlib import suppress

from opensync_hooks.agents import registry
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook.paths import KEPT
from opensync_hooks.model import Trigger
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock


def mend(spool: Spool) -> None:
    """Make each job anew that says nothing any more, if its agent still has the session.

    For the one worker. What cannot be mended is left to be named by `damaged`.
    """
    damaged = set(spool.damaged())
    for source in registry.all_sources() if damaged else ():
        kept = {name: os.environ[name] for name in KEPT[source.agent] if name in os.environ}
        with suppress(OpenSyncError, OSError):  # one agent's trouble, and no reason to stop
            for located in source.sessions():
                trigger = Trigger(source.agent, located.session_id, path=str(located.path))
                job = Job(trigger, kept, clock.now())
                if job.name in damaged:
                    spool.put(job)
