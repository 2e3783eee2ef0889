"""What killed processes left half done in the queue: torn events are taken up, scraps go.

A hook that was killed before its last step may have written all that it had to say, and it may be
the last hook of its session. What it wrote may also be text, which must not lie about.
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
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import EVENT, Spool
from opensync_hooks.system import clock

_TORN = re.compile(r"[0-9]{1,29}-[0-9]{1,20}\.[a-z-]{1,40}")
_SCRAP = re.compile(r"\.[a-z-]{1,40}-[0-9a-f]{32}\.(job|json|txt)\.[a-z0-9_]{8}")
_BESIDE = ("notes", "excluded")
"""Where else the worker writes one small file a session."""
TORN_SECONDS = 60
"""No hook lives as long as that; one that does leaves an event that nobody finds."""
SCRAP_SECONDS = 3_600


def take_up(folder: Path) -> None:
    """For the one worker. Raises OSError where the folder cannot be read."""
    for path, age in _plain_files(folder):
        with suppress(OSError):  # another user's, or gone meanwhile
            if _TORN.fullmatch(path.name) and age > TORN_SECONDS:
                path.rename(path.with_name(path.name + EVENT))
    for each in (folder, folder / "parked", *(folder.parent / name for name in _BESIDE)):
        if each.is_dir():
            _clear(each)


def _clear(folder: Path) -> None:
    for path, age in _plain_files(folder):
        with suppress(OSError):
            if _SCRAP.fullmatch(path.name) and age > SCRAP_SECONDS:
                path.unlink()


def _plain_files(folder: Path) -> Iterator[tuple[Path, float]]:
    """With their age in seconds, also where the clock was set since."""
    now = time.time()
    with os.scandir(folder) as found:  # of years, in which a Path for each would cost too much
        names = [one.name for one in found]
    for name in names:
        if _TORN.fullmatch(name) or _SCRAP.fullmatch(name):
            with suppress(OSError):
                yield folder / name, abs(now - (folder / name).lstat().st_mtime)


def repair_jobs(spool: Spool) -> None:
    """Make each job anew that says nothing any more, if its agent still has the session.

    For the one worker. What cannot be mended is left to be named by `damaged`.
    """
    damaged = set(spool.damaged())
    for source in registry.all_sources() if damaged else ():
        environ = registry.session_variables(source.agent)
        with suppress(OpenSyncError, OSError):  # one agent's trouble, and no reason to stop
            for located in source.sessions():
                trigger = Trigger(source.agent, located.session_id, path=str(located.path))
                job = Job(trigger, environ, clock.now())
                if job.name in damaged:
                    spool.put(job)
