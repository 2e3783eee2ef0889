"""Repairs what killed processes and power cuts left in the spool.

A hook that was killed before its last step may have written its whole payload, and may have been
the session's last hook. That file, like an unfinished file of a worker, may hold text of a session.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from opensync_hooks.agents import registry
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.model import Trigger
from opensync_hooks.queue import events
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock

_TORN_EVENT = re.compile(r"[0-9]{1,29}-[0-9]{1,20}\.[a-z-]{1,40}")
_UNFINISHED_FILE = re.compile(
    r"\.([a-z-]{1,40}-[0-9a-f]{32}\.(job|json|txt)|environment\.json)\.[a-z0-9_]{8}"
)
_OTHER_FOLDERS = ("notes", "excluded", "undecided")
"""Beside the spool: the worker writes one small file per session there, too."""
TORN_SECONDS = 60
"""No hook lives as long. One that did would finish its event all the same."""
UNFINISHED_SECONDS = 3_600


def recover(spool: Spool) -> None:
    """Only the worker may call this. Raises OSError if the spool cannot be read."""
    for path, age in _our_files(spool.folder):
        with suppress(OSError):  # another user's, or gone meanwhile
            if _TORN_EVENT.fullmatch(path.name) and age > TORN_SECONDS:
                path.rename(path.with_name(path.name + events.SUFFIX))
    others = (spool.folder.parent / name for name in _OTHER_FOLDERS)
    for folder in (spool.folder, spool.quarantine_folder, *others):
        for path, age in _our_files(folder) if folder.is_dir() else ():
            with suppress(OSError):
                if _UNFINISHED_FILE.fullmatch(path.name) and age > UNFINISHED_SECONDS:
                    path.unlink()
    _repair_jobs(spool)


def _our_files(folder: Path) -> Iterator[tuple[Path, float]]:
    """Yield each torn event and unfinished file with its age in seconds."""
    now = time.time()
    # Names only, as a Path for each file of years would take too long.
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        if _TORN_EVENT.fullmatch(name) or _UNFINISHED_FILE.fullmatch(name):
            with suppress(OSError):
                # Absolute, as the clock may have been set back since.
                yield folder / name, abs(now - (folder / name).lstat().st_mtime)


def _repair_jobs(spool: Spool) -> None:
    """Write damaged jobs anew: their names tell the sessions, if an agent still has those."""
    damaged = set(spool.damaged())
    for source in registry.all_sources() if damaged else ():
        environ = registry.session_variables(source.agent)
        with suppress(OpenSyncError, OSError):  # one agent's failure must not stop the others
            for located in source.sessions():
                trigger = Trigger(source.agent, located.session_id, path=str(located.path))
                job = Job(trigger, environ, clock.now())
                if job.name in damaged:
                    spool.put(job)
