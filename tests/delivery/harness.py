"""A syncer with one destination: delivers transcripts or given sessions, and shows what arrived."""

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
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Json, Message, Session, Text
from tests.opensync import Fault, real_opensync
from tests.transcripts import TranscriptWriter

RECORDINGS = Path(__file__).parents[1] / "data" / "claude"
SECRET = "ghp_" + "a1B2c3D4e5" * 3 + "F6g7H8"


class Harness:
    """A user's Claude Code folder, a syncer, and the store behind its destination."""

    def __init__(self, folder: Path, syncer: Syncer, store: Store) -> None:
        self.folder = folder
        self.syncer = syncer
        self.store = store
        self.source = ClaudeCodeSource(folder)
        self.requests: list[tuple[str, str]] = []
        """Path and message id of each request since the last `sync`."""
        self.fault: Callable[[str, bytes], Fault | None] = no_fault

    def transcript(self, session_id: str = "s1") -> TranscriptWriter:
        return TranscriptWriter(self.folder / "projects" / "-work" / f"{session_id}.jsonl")

    def copy_recording(self, name: str) -> None:
        shutil.copytree(RECORDINGS / name, self.folder / "projects" / f"-{name}")

    def locate(self, session_id: str = "s1") -> Located:
        located = self.source.find(session_id)
        assert located
        return located

    def sync(
        self, session_id: str = "s1", *, force: bool = False, end_reason: str | None = None
    ) -> SyncOutcome:
        """Deliver a transcript."""
        self.requests.clear()
        located = self.locate(session_id)
        return self.syncer.sync(self.source, located, force=force, end_reason=end_reason)

    def deliver(self, *messages: Message, **fields: Any) -> SyncOutcome:
        """Deliver a session with these messages."""
        return self.syncer.sync(*source_of(session(*messages, **fields)))

    def record(self, session_id: str = "s1", agent: str = "cursor") -> SessionRecord:
        return SessionRecord(self.syncer.ledger, self.syncer.destination.name, agent, session_id)

    def stored(self, session_id: str = "s1") -> tuple[Json, list[Json]]:
        """Return the session's row and its messages, as the destination has them."""
        stored = self.store.session(session_id)
        assert stored
        return stored["session"], stored["messages"]

    def texts(self, session_id: str = "s1") -> list[str]:
        return [message.get("textContent", "") for message in self.stored(session_id)[1]]

    @property
    def request_counts(self) -> Counter[str]:
        return Counter(path for path, _ in self.requests if path != "/health")


def no_fault(_path: str, _body: bytes) -> None:
    """Answer every request as the server does."""


@contextmanager
def opensync_harness(folder: Path) -> Iterator[Harness]:
    """Deliver over HTTP to a server with all traps of the real one."""

    def on_request(_method: str, path: str, body: bytes) -> Fault | None:
        external_id = json.loads(body).get("externalId", "") if body else ""
        harness.requests.append((path, external_id.rpartition(":")[2]))
        return harness.fault(path, body)

    with (
        real_opensync(folder, on_request=on_request) as (server, store, key),
        OpenSyncClient(server.url, key, sleep=lambda _: None) as client,
        Ledger(folder / "ledger.db") as ledger,
    ):
        harness = Harness(folder / "claude", Syncer(load(), client, ledger), store)
        yield harness


@contextmanager
def store_harness(folder: Path) -> Iterator[Harness]:
    """Deliver to the embedded store."""
    with Store(folder / "store.db") as store, Ledger(folder / "ledger.db") as ledger:
        yield Harness(folder / "claude", Syncer(load(), store, ledger), store)


class ListSource:
    """A source that reads a given session and its subagents."""

    agent = "cursor"

    def __init__(self, *sessions: Session) -> None:
        self.sessions = sessions

    def read(self, _located: Located) -> Iterator[Session]:
        yield from self.sessions


def source_of(*sessions: Session) -> tuple[Source, Located]:
    """Return a source of these sessions, and where the first of them is."""
    located = Located(sessions[0].id, Path("/nowhere"), 0, "fingerprint")
    return cast("Source", ListSource(*sessions)), located


def session(*messages: Message, session_id: str = "s1", **fields: Any) -> Session:
    charges = tuple(message.charge for message in messages if message.charge)
    return Session(session_id, ListSource.agent, messages, **{"charges": charges, **fields})


def message(message_id: str, text: str = "", **fields: Any) -> Message:
    parts = (Text(text or message_id),)
    defaults: dict[str, Any] = {"parts": parts, "created_at": 1_790_000_000_000}
    return Message(message_id, "assistant", **(defaults | fields))
