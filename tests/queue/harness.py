"""A user who is logged in to a server that can be made to fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from opensync_hooks import config
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.queue.backoff import HOUR
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.cooldown import Cooldown, CooldownRecord
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.report import QueueItem, QueueReport
from opensync_hooks.server.routes import Response
from tests.claude_user import ClaudeUser
from tests.commandline import run
from tests.opensync import Fault, RealStore

SERVER_ERROR = Fault(Response(500, b'{"error": "Server Error"}'))
TOO_LARGE = Fault(Response(500, b'{"error": "Error: Value is too large"}'))
REFUSED = Fault(Response(401, b'{"error": "Invalid API key"}'))
TURN = ["prompt 1", "answer 1"]


def no_fault(_: bytes) -> None:
    return None


def no_response(_: bytes) -> Fault:
    return Fault()


def fails_on(part: bytes, fault: Fault = SERVER_ERROR) -> Callable[[bytes], Fault | None]:
    """Return a rule by which requests fail whose body contains that."""
    return lambda body: fault if part in body else None


class OnlineUser(ClaudeUser):
    """Uses Claude Code, whose sessions go to `store`; `fault` decides which requests fail."""

    def __init__(self, home: Path, store: RealStore) -> None:
        super().__init__(home)
        self.store = store
        self.requests: list[bytes] = []
        self.fault: Callable[[bytes], Fault | None] = no_fault

    def on_request(self, _method: str, path: str, body: bytes) -> Fault | None:
        if path == "/health":
            return None
        self.requests.append(body)
        return self.fault(body)

    def texts(self, session_id: str) -> list[str]:
        session = self.store.session(session_id)
        return (
            [message.get("textContent", "") for message in session["messages"]] if session else []
        )

    def put_job(self, session_id: str) -> Job:
        job = Job(Trigger("claude-code", session_id), {}, 1_790_000_000_000)
        self.spool.put(job)
        return job

    def job(self) -> Job:
        (job,) = self.spool.jobs()
        return job

    def change_attempts(self, **fields: int) -> None:
        """Change the history of the only job."""
        job = self.job()
        self.spool.update(replace(job, attempts=replace(job.attempts, **fields)))

    def cooldown(self) -> Cooldown | None:
        with Ledger(self.folders.ledger) as ledger:
            return CooldownRecord.from_config(ledger, config.load()).active()

    def backdate_cooldown(self, *, ended: bool = False) -> None:
        """Have the cooldown begin two hours ago, and go on for half an hour, unless it `ended`."""
        longer = -2 * HOUR if ended else HOUR // 2
        with Ledger(self.folders.ledger) as ledger, ledger.transaction() as execute:
            execute("UPDATE rest SET since = since - ?, until = until + ?", 2 * HOUR, longer)

    def backups(self) -> list[Path]:
        return list(self.folders.state.glob("keepsakes/*"))

    def queue_items(self) -> list[QueueItem]:
        settings = config.load()
        backups = SessionBackups.from_config(settings)
        with Ledger(self.folders.ledger) as ledger:
            return QueueReport(self.spool, ledger, backups, settings.destination).items()

    def listed(self) -> list[Any]:
        """Return what `queue list` prints."""
        ran = run("queue", "list", "--json")
        assert ran.returncode == 0
        items: list[Any] = json.loads(ran.stdout)["items"]
        return items
