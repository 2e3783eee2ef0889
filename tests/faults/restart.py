"""A machine after a power cut: our files from a recording, agents and server as they were."""

from __future__ import annotations

import copy
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.deployment import Deployment
from tests.faults.machine import Machine
from tests.faults.recording import Recording, Tree

AGENTS = "home/.claude"
"""Of what lies there nothing is lost."""


class Apart(Machine):
    """A machine with ledger and store in separate folders, as without OPENSYNC_HOOKS_HOME."""

    @property
    def state(self) -> Path:
        return self.ours / "state" / "opensync-hooks"

    @property
    def data(self) -> Path:
        return self.ours / "data" / "opensync-hooks"

    def environ(self) -> dict[str, str]:
        own = super().environ()
        del own["OPENSYNC_HOOKS_HOME"]
        kinds = ("config", "data", "state")
        return own | {f"XDG_{kind.upper()}_HOME": str(self.ours / kind) for kind in kinds}


@dataclass(slots=True)
class Sessions:
    """What the agent had at a moment, and the writers of its sessions."""

    files: dict[Path, tuple[bytes, int]] = field(default_factory=dict)
    authors: dict[str, Any] = field(default_factory=dict)
    turns: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def from_machine(cls, machine: Machine) -> Sessions:
        paths = [writer.path for writer in machine.authors.values()]
        files = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
        authors = {session: copy.copy(writer) for session, writer in machine.authors.items()}
        return cls(files, authors, copy.deepcopy(machine.turns))

    def restore(self, machine: Machine) -> None:
        for writer in machine.authors.values():
            writer.path.unlink()
        for path, (content, at) in self.files.items():
            path.write_bytes(content)
            os.utime(path, ns=(at, at))
        machine.authors = {session: copy.copy(writer) for session, writer in self.authors.items()}
        machine.turns = copy.deepcopy(self.turns)


class Watched:
    """A server whose content is recorded whenever it changes."""

    def __init__(self, server: Deployment, recording: Recording) -> None:
        self._db = sqlite3.connect(server.path, timeout=10)
        self._recording = recording
        self._seen: object = None

    def look(self) -> None:
        seen = self._db.execute("PRAGMA data_version").fetchone()
        if seen != self._seen:
            self._seen = seen
            kept = sqlite3.connect(":memory:")
            self._db.backup(kept)
            self._recording.note("server", kept)


def put(left: Tree, folder: Path, *instead_of: Path) -> None:
    for old in instead_of:
        shutil.rmtree(old, ignore_errors=True)
    for name, content in left.items():
        path = folder / name
        if content is None:
            path.mkdir(mode=0o700, exist_ok=True)
        else:
            path.write_bytes(content)
            path.chmod(0o600)


def start(machine: Machine, recording: Recording, moment: int, left: Tree) -> None:
    """Replace our files by `left`, and restore everything else as it was after that many calls."""
    put(left, machine.folder, machine.ours)
    world = recording.outside(moment)
    world.get("sessions", Sessions()).restore(machine)
    if machine.deployment and "server" in world:
        with closing(sqlite3.connect(machine.deployment.path, timeout=10)) as db:
            world["server"].backup(db)


def forgotten(machine: Machine) -> list[str]:
    """Return messages that the ledger has as confirmed and the embedded store does not have.

    Opening a database recovers it, as SQLite does: restart afterwards.
    """
    claimed = _rows(
        machine.state / "ledger.db", "SELECT session, id FROM message WHERE state = 'confirmed'"
    )
    rows = _rows(
        machine.data / "store.db",
        "SELECT session.externalId, substr(message.externalId, length(session.id) + 2)"
        " FROM message JOIN session ON session.id = message.session",
    )
    return sorted(f"{session}: {name}" for session, name in claimed - rows)


def _rows(path: Path, query: str) -> set[tuple[str, str]]:
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'message'")
        return set(db.execute(query)) if tables.fetchone()[0] else set()
