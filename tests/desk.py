"""A desk with sessions on it and one destination: what a sync sends there, and what comes of it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import load
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Message, Session, Text
from tests.opensync import Fault, real_opensync
from tests.transcripts import Pen

DATA = Path(__file__).parent / "data" / "claude"


class Desk:
    """A user's Claude Code folder, and a syncer to one destination that notes what it is sent."""

    def __init__(self, folder: Path, syncer: Syncer, store: Store) -> None:
        self.folder = folder
        self.syncer = syncer
        self.store = store
        self.source = ClaudeCodeSource(folder)
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[str, bytes], Fault | None] = lambda _path, _body: None

    def pen(self, session_id: str = "s1") -> Pen:
        return Pen(self.folder / "projects" / "-work" / f"{session_id}.jsonl")

    def record(self, name: str) -> None:
        shutil.copytree(DATA / name, self.folder / "projects" / "-tmp-demo-project")

    def sync(self, session_id: str = "s1", *, force: bool = False, reason: str = "") -> SyncOutcome:
        located = self.source.find(session_id)
        assert located
        self.requests.clear()
        return self.syncer.sync(self.source, located, force=force, end_reason=reason or None)

    def texts(self, session_id: str = "s1") -> list[str]:
        found = self.store.session(session_id)
        assert found
        return [one.get("textContent", "") for one in found["messages"]]

    @property
    def paths(self) -> Counter[str]:
        return Counter(path for path, _ in self.requests if path != "/health")


@contextmanager
def at_opensync(folder: Path) -> Iterator[Desk]:
    """Delivers over HTTP to a server with all of the real one's traps."""

    def on_request(_method: str, path: str, body: bytes) -> Fault | None:
        name = json.loads(body).get("externalId", "") if body else ""
        made.requests.append((path, name.rpartition(":")[2]))
        return made.fault(path, body)

    with (
        real_opensync(folder, on_request=on_request) as (server, store, key),
        OpenSyncClient(server.url, key, sleep=lambda _: None) as client,
        Ledger(folder / "ledger.db") as ledger,
    ):
        syncer = Syncer(load(), client, ledger)
        made = Desk(folder / "claude", syncer, store)
        yield made


@contextmanager
def at_the_store(folder: Path) -> Iterator[Desk]:
    """Delivers to the embedded store."""
    with Store(folder / "store.db") as store, Ledger(folder / "ledger.db") as ledger:
        syncer = Syncer(load(), store, ledger)
        yield Desk(folder / "claude", syncer, store)


# ---- sessions made up on the spot ----------------------------------------------------------------


class Told:
    """A source with one session, and perhaps its subagents."""

    agent = "cursor"

    def __init__(self, *sessions: Session) -> None:
        self.sessions = sessions

    def read(self, _located: Located) -> Iterator[Session]:
        yield from self.sessions


def source(*sessions: Session) -> tuple[Source, Located]:
    """A source of these sessions, the first one of which is asked for."""
    return cast("Source", Told(*sessions)), Located(sessions[0].id, Path("/nowhere"), 0, "mark")


def session(*messages: Message, name: str = "s1", **more: Any) -> Session:
    charges = tuple(one.charge for one in messages if one.charge)
    return Session(name, Told.agent, messages, **{"charges": charges, **more})


def told(desk: Desk, *messages: Message, **more: Any) -> SyncOutcome:
    return desk.syncer.sync(*source(session(*messages, **more)))


def said(name: str, text: str = "", **more: Any) -> Message:
    return Message(name, "assistant", (Text(text or name),), 1_790_000_000_000, **more)
