"""A home with OpenCode's data in it, from the recordings under data/opencode."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from opensync_hooks.agents.opencode.source import OpenCodeSource
from opensync_hooks.agents.opencode.source import open_source as open_opencode_source
from opensync_hooks.model import Session, ToolCall, ToolResult

RECORDED = Path(__file__).parent / "data" / "opencode"
DATABASES = ("1.2.1", "1.15.13", "1.18.33", "2.x")
TREES = ("0.1.174", "0.5.29", "1.0.162", "1.1.65")


class OpenCodeHome:
    def __init__(self, home: Path) -> None:
        self.path = home
        self.data = home / ".local" / "share" / "opencode"
        self.data.mkdir(parents=True, exist_ok=True)

    def put(self, version: str, name: str = "opencode.db") -> OpenCodeHome:
        """Add the recording of a version to what is already there."""
        if version in TREES:
            self._put_tree(version)
        else:
            with self.writing(name) as db:
                db.executescript((RECORDED / f"{version}.sql").read_text())
        return self

    def _put_tree(self, version: str) -> None:
        files = json.loads((RECORDED / f"{version}.json").read_text())
        for name, value in files.items():
            path = self.data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value, indent=2))

    def database(self, name: str = "opencode.db") -> sqlite3.Connection:
        """Open the database as OpenCode does: changes stay in the -wal while it is open."""
        db = sqlite3.connect(self.data / name, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        return db

    @contextmanager
    def writing(self, name: str = "opencode.db") -> Iterator[sqlite3.Connection]:
        with closing(self.database(name)) as db:
            yield db

    def say(
        self, db: sqlite3.Connection, session_id: str, name: str, info: dict[str, Any], text: str
    ) -> None:
        """Insert a message of 1.x, with its text in a part of its own."""
        at = info["time"]["created"]
        message = (name, session_id, at, at, json.dumps(info))
        db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", message)
        data = json.dumps({"type": "text", "text": text})
        part = (f"prt_{name}", name, session_id, at, at, data)
        db.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", part)

    def source(self, **environ: str) -> OpenCodeSource:
        return open_opencode_source(environ, str(self.path))

    def read(self, session_id: str, **environ: str) -> list[Session]:
        source = self.source(**environ)
        located = source.find(session_id)
        assert located, session_id
        return list(source.read(located))


def tally(session: Session) -> dict[str, Any]:
    """Count what is in a session and what it cost, under the names of the tables in the tests."""
    counts: Counter[str] = Counter()
    for message in session.messages:
        counts["prompts"] += message.role == "user"
        counts["answers"] += message.role == "assistant"
        counts["calls"] += sum(isinstance(part, ToolCall) for part in message.parts)
        counts["results"] += sum(isinstance(part, ToolResult) for part in message.parts)
    for charge in session.charges:
        counts["read"] += charge.usage.prompt_tokens
        counts["written"] += charge.usage.completion_tokens
    names = ("prompts", "answers", "calls", "results", "read", "written")
    return {**{name: counts[name] for name in names}, "cost": cost(session)}


def cost(session: Session) -> float:
    return round(sum(charge.cost or 0 for charge in session.charges), 6)
