"""An OpenSync deployment in a process of its own, with faults on demand.

It behaves as the real server does (`tests.opensync.RealStore`).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from opensync_hooks.config.credentials import new_key
from tests.faults import child
from tests.faults.clock import CLOCK
from tests.faults.front import RECORD, Front
from tests.faults.plan import Board, Plan
from tests.opensync import RealStore


@dataclass(frozen=True, slots=True)
class Record:
    """What the server saw: requests in order, how often each message was sent, and any overlap."""

    paths: tuple[str, ...]
    messages: Mapping[str, int]
    overlaps: int


@dataclass(slots=True)
class Deployment:
    url: str
    key: str
    path: Path
    pid: int
    board: Board
    port: int

    def rows(self) -> tuple[Counter[str], dict[str, Counter[str]]]:
        """Count the rows of each session, and of each text in it."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)) as db:
            return stored_rows(db)

    def record(self) -> Record:
        with socket.create_connection(("127.0.0.1", self.port), timeout=None) as connection:
            connection.sendall(f"GET {RECORD} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
            with connection.makefile("rb") as file:
                report = json.loads(file.read().partition(b"\r\n\r\n")[2])
        return Record(tuple(report["paths"]), report["messages"], report["overlaps"])

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def stored_rows(db: sqlite3.Connection) -> tuple[Counter[str], dict[str, Counter[str]]]:
    names = dict(db.execute("SELECT id, externalId FROM session"))
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for session, text in db.execute("SELECT session, textContent FROM message"):
        texts[names.get(session, "?")][text] += 1
    return Counter(names.values()), texts


@contextmanager
def deployment(
    folder: Path, plan: Plan | None = None, board: Board | None = None, *, where: Path | None = None
) -> Iterator[Deployment]:
    """Run a deployment. `where` is its database file, to continue with an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = where or folder / "deployment.db"
    key, board = new_key(), board or Board()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    life, death = os.pipe()  # the server exits with the trial, however the trial ends
    plan = plan or Plan()

    def run() -> int:
        os.close(death)
        CLOCK.apart()
        threading.Thread(target=_end_with_parent, args=(life,), daemon=True).start()
        with RealStore(path, clock=CLOCK.true_ms) as store:
            Front(listener, store, key, plan, board).serve()
        return 0

    pid = child.fork(run)
    os.close(life)
    port = listener.getsockname()[1]
    listener.close()
    scheme, host = ("https", "localhost") if plan.secure else ("http", "127.0.0.1")
    deployment = Deployment(f"{scheme}://{host}:{port}", key, path, pid, board, port)
    try:
        yield deployment
    finally:
        deployment.stop()
        os.close(death)


def _end_with_parent(life: int) -> None:
    os.read(life, 1)
    os._exit(0)
