"""What is waiting or quarantined: sessions and single messages, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Literal

from opensync_hooks.dataclass import dataclass
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.summary import quarantined_messages
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool

QueueState = Literal["waiting", "quarantined", "damaged"]


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A session, or one message of it. The fields are the keys of `queue list --json`."""

    state: QueueState
    agent: str
    session_id: str
    message: str | None = None
    """The id of the message; None for the session."""
    reason: str | None = None
    since: int | None = None
    """When the session was requested, in milliseconds since 1970."""
    tries: int = 0
    not_before: int | None = None
    """When the next attempt is due, in milliseconds since 1970; None if it is due already."""
    job: str | None = None
    """The name of the job's file."""

    @classmethod
    def from_job(cls, state: QueueState, job: Job) -> QueueItem:
        return cls(
            state=state,
            agent=job.trigger.agent,
            session_id=job.trigger.session_id,
            reason=job.error,
            since=job.received_at,
            tries=job.attempts.count,
            not_before=job.attempts.not_before or None,
            job=job.name,
        )

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class QueueReport:
    """The queue for one destination. Methods raise OSError, and what the ledger raises."""

    spool: Spool
    ledger: Ledger
    backups: SessionBackups
    destination: str

    def items(self) -> list[QueueItem]:
        return [
            *(QueueItem.from_job("waiting", job) for job in self._waiting().values()),
            *(QueueItem("damaged", "", "", job=name) for name in self.spool.damaged()),
            *(QueueItem.from_job("quarantined", job) for job in self.spool.quarantined()),
            *(
                QueueItem("quarantined", agent, session_id, message_id, reason)
                for agent, session_id, message_id, reason in quarantined_messages(
                    self.ledger, self.destination
                )
            ),
        ]

    def _waiting(self) -> dict[str, Job]:
        """Return the jobs by name, also those that are only events yet."""
        return {job.name: job for job in (*self.spool.peek().values(), *self.spool.jobs())}

    def retry(self, items: Iterable[QueueItem]) -> None:
        """Make the jobs due; a message is sent again when its session is delivered next."""
        jobs = {job.name: job for job in self.spool.quarantined()} | self._waiting()
        for item in items:
            if item.message is not None:
                self._record(item).mark_pending([item.message])
            elif item.job in jobs:
                self.spool.retry(jobs[item.job])

    def drop(self, items: Iterable[QueueItem]) -> None:
        """Forget jobs and messages, and delete the backups of their sessions."""
        for item in items:
            if item.message is not None:
                self._record(item).dismiss_message(item.message)
            elif item.job:
                self.spool.drop(item.job)
                self.backups.delete(item.agent, item.session_id)

    def _record(self, item: QueueItem) -> SessionRecord:
        return SessionRecord(self.ledger, self.destination, item.agent, item.session_id)
