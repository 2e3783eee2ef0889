"""Machines of one user, each with Claude Code and our state, and the OpenSync that they share."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import Source
from opensync_hooks.cli.verify.verifier import Verdict, Verifier
from opensync_hooks.config import Folders, load
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Json
from tests.delivery.harness import no_fault
from tests.opensync import Fault, RealStore, real_opensync
from tests.transcripts import TranscriptWriter


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ms(self) -> int:
        return int(self.now * 1000)


class Machine:
    """A home folder with Claude Code and our state, which can be copied to another machine."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder = folder
        self.cloud = cloud
        self.source: Source = ClaudeCodeSource(folder / "claude")

    def writer(self, session_id: str = "s1", **options: int) -> TranscriptWriter:
        path = self.folder / "claude" / "projects" / "-work" / f"{session_id}.jsonl"
        return TranscriptWriter(path, **options)

    @contextmanager
    def syncer(self) -> Iterator[Syncer]:
        url, key, clock = self.cloud.url, self.cloud.key, self.cloud.clock
        settings = replace(load(), folders=Folders(self.folder, self.folder, self.folder))
        with (
            OpenSyncClient(url, key, sleep=clock.sleep, clock=clock) as client,
            Ledger(self.folder / "ledger.db") as ledger,
        ):
            yield Syncer(settings, client, ledger)

    def sync(self, session_id: str = "s1", **options: Any) -> SyncOutcome:
        located = self.source.find(session_id)
        assert located
        with self.syncer() as syncer:
            return syncer.sync(self.source, located, **options)

    def verify(self, session_id: str = "s1", *, repairs: bool = False) -> Verdict:
        located = self.source.find(session_id)
        assert located
        with self.syncer() as syncer:
            verifier = Verifier(syncer, syncer.destination)
            verdict = verifier.verify(self.source, located)
            if not repairs or not verdict.is_repairable:
                return verdict
            verifier.repair(self.source, located, verdict)
            return verifier.verify(self.source, located)

    def copy_to(self, folder: Path) -> Machine:
        shutil.copytree(self.folder, folder)
        return Machine(folder, self.cloud)


class Cloud:
    """An OpenSync for several machines, with a clock and faults of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.fault: Callable[[str, bytes], Fault | None] = no_fault
        self.store: RealStore
        self.url = self.key = ""

    def on_request(self, _method: str, path: str, body: bytes) -> Fault | None:
        return self.fault(path, body)

    def machine(self, name: str = "laptop") -> Machine:
        return Machine(self.folder / name, self)

    def texts(self, session_id: str = "s1") -> list[str]:
        stored = self.store.session(session_id)
        messages = stored["messages"] if stored else []
        return [message.get("textContent", "") for message in messages]

    def session(self, session_id: str = "s1") -> Json:
        stored = self.store.session(session_id)
        assert stored
        session: Json = stored["session"]
        return session


@contextmanager
def shared_cloud(folder: Path) -> Iterator[Cloud]:
    cloud = Cloud(folder)
    with real_opensync(folder, clock=cloud.clock.ms, on_request=cloud.on_request) as opensync:
        server, cloud.store, cloud.key = opensync
        cloud.url = server.url
        yield cloud


def turns(*numbers: int) -> list[str]:
    return [f"{kind} {number}" for number in numbers for kind in ("prompt", "answer")]
