"""Notices in two independent ways when two processes are in one critical section.

The first is a file that only one process can create at a time. The second is a log of who was in
the section from when to when. A file that is removed too early, or left by a killed process,
deceives the first and not the second; the resolution of the clock deceives the second and not the
first.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.queue.spool import Spool
from tests.faults.clock import pause, stopwatch

_STAY_S = 0.05
"""How much longer each delivery takes, so that others come meanwhile if nothing keeps them out."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch over the worker's section and over each session's delivery.

    It watches the delivery itself and not its lock, or a lock that nobody takes would go unnoticed.
    """

    folder: Path

    def begin(self) -> None:
        """Watch this process from now on; for processes that end soon."""
        self.folder.mkdir(exist_ok=True)
        single_worker = Spool.single_worker
        deliver = Syncer._send

        @contextmanager
        def watched_worker(spool: Spool) -> Iterator[bool]:
            with single_worker(spool) as is_single:
                if not is_single:
                    yield False
                    return
                with self.inside("worker"):
                    yield True

        def watched_delivery(
            syncer: Syncer, session_id: str, changed: Iterable[Any], limits: Limits
        ) -> SyncOutcome:
            with self.inside(f"session {session_id}"):
                pause(_STAY_S)
                return deliver(syncer, session_id, changed, limits)

        patched: tuple[Any, Any] = (Spool, Syncer)
        patched[0].single_worker, patched[1]._send = watched_worker, watched_delivery

    @contextmanager
    def inside(self, section: str) -> Iterator[None]:
        """Record that a process is in the section meanwhile."""
        only = self.folder / f"{section}.only"
        is_first = True
        try:
            os.close(os.open(only, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            is_first = False
            self._note("met", section)
        began = stopwatch()
        try:
            yield
        finally:
            self._note("diary", f"{section}\t{began}\t{stopwatch()}")
            if is_first:
                only.unlink()

    def _note(self, name: str, line: str) -> None:
        """Append a line with one write, so that lines of other processes stay apart."""
        fd = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(fd, f"{line}\n".encode())
        os.close(fd)

    def met(self) -> list[str]:
        """Return the sections in which a process met the file of another."""
        return self._lines("met")

    def overlaps(self) -> list[str]:
        """Return the sections that, by the log, one process entered before another had left."""
        times: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for line in self._lines("diary"):
            section, began, ended = line.split("\t")
            times[section].append((float(began), float(ended)))
        overlaps = []
        for section, stays in times.items():
            stays.sort()
            overlaps += [section for before, after in pairwise(stays) if after[0] < before[1]]
        return overlaps

    def stays(self) -> int:
        """Return how often a section was entered."""
        return len(self._lines("diary"))

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text("utf-8").splitlines() if path.exists() else []
