"""A user of Claude Code: sessions on the disk, and hook events in the queue."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.queue.spool import Spool
from tests.transcripts import TranscriptWriter


class ClaudeUser:
    """Has no login, so that sessions go to the embedded store."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def folders(self) -> Folders:
        return Folders.from_environ(os.environ)

    @property
    def spool(self) -> Spool:
        """The queue of the environment as it is now."""
        return Spool(self.folders.spool)

    def session(self, name: str, turns: int = 1) -> TranscriptWriter:
        writer = TranscriptWriter(self.home / ".claude" / "projects" / "-work" / f"{name}.jsonl")
        for number in range(1, turns + 1):
            writer.turn(number)
        return writer

    def event(self, *names: str) -> None:
        """Leave the event of a hook at the end of each session."""
        for name in names:
            payload = {"session_id": name, "hook_event_name": "SessionEnd", "reason": "other"}
            path = self.spool.folder / f"{time.time_ns()}-1.claude-code.event"
            path.write_bytes(b"\0\n" + json.dumps(payload).encode())
            time.sleep(0.002)  # jobs are ordered by the millisecond

    def stored(self) -> set[str]:
        with Store(self.folders.store) as store:
            return set(store.session_ids())
