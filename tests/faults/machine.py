"""A user's machine in a trial: sessions, hooks, workers and commands, and the audit that compares
what the agent has with what the server received.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile

from opensync_hooks.agents import registry
from opensync_hooks.cli import main
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.hook import entry, paths
from opensync_hooks.queue import worker
from tests.faults import agents, child
from tests.faults.agents import Author
from tests.faults.deployment import Deployment, stored_rows

ROOT = Path(__file__).parents[2]
AGENT = agents.ClaudeCode.agent
_OURS = ("OPENSYNC_", "CLAUDE", "OPENCODE", "CURSOR", "XDG_")


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of a comparison. `names` are the first texts that are lost or doubled."""

    lost: int
    doubled: int
    names: tuple[str, ...]


@dataclass(slots=True)
class Machine:
    """One machine. Without a deployment, its sessions go to the embedded store.

    `agent` writes the next new session, and `filling` is appended to each of its texts.
    """

    folder: Path
    deployment: Deployment | None = None
    agent: str = AGENT
    filling: str = ""
    authors: dict[str, Author] = field(default_factory=dict)
    turns: dict[str, list[int]] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def ours(self) -> Path:
        return self.folder / "ours"

    @property
    def state(self) -> Path:
        """Return the folder of queue and ledger."""
        return self.ours

    @property
    def data(self) -> Path:
        """Return the folder of the store."""
        return self.ours

    @property
    def spool(self) -> Path:
        return Path(paths.spool(self.environ().get))

    @contextmanager
    def used(self) -> Iterator[Machine]:
        """Run all code in this process on this machine meanwhile."""
        before = dict(os.environ)
        for name in list(os.environ):
            if name.startswith(_OURS) or name.lower().endswith("_proxy"):
                del os.environ[name]
        self.home.mkdir(parents=True, exist_ok=True)
        os.environ.update(self.environ())
        try:
            yield self
        finally:
            os.environ.clear()
            os.environ.update(before)

    def environ(self) -> dict[str, str]:
        own = {"HOME": str(self.home), "OPENSYNC_HOOKS_HOME": str(self.ours)}
        if self.deployment:
            own["OPENSYNC_URL"] = self.deployment.url
            own["OPENSYNC_API_KEY"] = self.deployment.key
        return own

    # ---- the agent ----

    def turn(self, session: str, number: int, *, began: int | None = None) -> None:
        """Write a prompt and its answer as their agent does."""
        if session not in self.authors:
            author = agents.AUTHORS[self.agent]
            self.authors[session] = author(
                self.home, session, agents.BEGAN if began is None else began
            )
            self.authors[session].filling = self.filling
            self.turns[session] = []
        self.authors[session].turn(number)
        self.turns[session].append(number)

    def forget(self, session: str) -> None:
        """Drop a finished session that was audited, so that it is not read again."""
        self.authors.pop(session).forget()
        del self.turns[session]

    def payload(self, session: str) -> bytes:
        """Return a hook payload; for an unknown session, one of Claude Code."""
        if session in self.authors:
            return self.authors[session].payload()
        return agents.ended(agents.transcript_of(self.home, session))

    def possessions(self) -> dict[str, str]:
        """Return the hash of each of the agents' files; for SQLite's -shm, only that it exists."""
        rows = {}
        for path in sorted(self.home.rglob("*")):
            if path.is_file():
                kept = b"" if path.name.endswith("-shm") else path.read_bytes()
                rows[str(path.relative_to(self.home))] = hashlib.sha256(kept).hexdigest()
        return rows

    # ---- what runs ----

    def hook_run(
        self, session: str = "", *, start: Callable[[str], None] | None = None
    ) -> child.Run:
        """Return what a hook's process does. `start` replaces the start of the worker."""
        agent = self.authors[session].agent if session in self.authors else AGENT

        def run() -> int:
            vars(entry)["_start_worker"] = start or (lambda _root: None)
            sys.argv = [f"{agent}.py"]
            if agent == agents.OpenCode.agent:
                sys.argv += [entry.EVENT_OPTION, self.payload(session).decode()]
            if agent == agents.Cursor.agent:  # its hook prints an answer, which is not needed here
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return entry.run(agent, str(ROOT), tuple(registry.session_variables(agent)))

        return run

    def hook(self, session: str, output: Path | None = None) -> int:
        return child.call(self.hook_run(session), stdin=self.payload(session), output=output)

    def work(self) -> int:
        return child.call(worker.main)

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run a command; return its exit code and its output."""
        with NamedTemporaryFile() as file:  # not on the machine's own disk, which may be full
            output = Path(file.name)
            code = child.call(lambda: main.main(arguments), output=output)
            return code, output.read_text("utf-8", "replace")

    # ---- the audit ----

    def waiting(self) -> list[str]:
        with suppress(FileNotFoundError):
            return [path.name for path in self.spool.iterdir() if path.suffix in (".event", ".job")]
        return []

    def is_worked(self) -> bool:
        """Return whether a worker is running."""
        with suppress(FileNotFoundError), (self.spool / "worker.lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def parked(self) -> list[Path]:
        return sorted((self.spool / "parked").glob("*.job"))

    def residue(self) -> list[Path]:
        """Return the files that nothing will ever use again."""
        expected = (
            *(".event", ".job", ".lock", ".txt", ".json", ".toml", ".log"),
            *(".db", ".db-wal", ".db-shm"),
        )
        paths = self.ours.rglob("*") if self.ours.exists() else iter(())
        return [path for path in paths if path.is_file() and path.suffix not in expected]

    def rows(self) -> tuple[Counter[str], dict[str, Counter[str]]]:
        if self.deployment:
            return self.deployment.rows()
        path = self.data / "store.db"
        if not path.exists():
            return Counter(), {}
        with Store(path):  # lets SQLite recover the log of a killed writer
            pass
        with closing(sqlite3.connect(path)) as db:
            return stored_rows(db)

    def audit(self) -> Audit:
        sessions, stored = self.rows()
        lost: Counter[str] = Counter()
        doubled: Counter[str] = Counter()
        for session, numbers in self.turns.items():
            author = self.authors[session]
            expected = Counter(text for number in numbers for text in author.turn_texts(number))
            counts = stored.get(session, Counter())
            lost += Counter({f"{session}: {text}": n for text, n in (expected - counts).items()})
            doubled += Counter({f"{session}: {text}": n for text, n in (counts - expected).items()})
        doubled += Counter({f"session {name}": n - 1 for name, n in sessions.items() if n > 1})
        names = tuple(name[:60] for name in (*list(lost)[:3], *list(doubled)[:3]))
        return Audit(lost.total(), doubled.total(), names)

    def unreadable(self) -> list[str]:
        """Return the state files that exist and cannot be read."""
        bad = []
        for job in (*self.spool.glob("*.job"), *self.parked()):
            try:
                json.loads(job.read_bytes())
            except ValueError:
                bad.append(job.name)
        for database in self.ours.rglob("*.db"):
            with closing(sqlite3.connect(database)) as db:
                ((verdict,),) = db.execute("PRAGMA integrity_check(1)").fetchall()
            if verdict != "ok":
                bad.append(f"{database.name}: {verdict}")
        return bad

    def clear(self) -> None:
        shutil.rmtree(self.ours, ignore_errors=True)


def end_all(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
