"""What waits and what was set aside: sessions and single messages, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.summary import quarantined_messages
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool

QueueState = Literal["waiting", "quarantined", "damaged"]


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A session, or one message of it. Times are ms since 1970."""

    state: QueueState
    agent: str
    session_id: str
    message: str | None = None
    reason: str | None = None
    since: int | None = None
    tries: int = 0
    not_before: int | None = None
    """None: with the next worker."""
    job: str | None = None
    """The name of its file in the spool."""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class QueueReport:
    """At one destination. Methods raise OSError, and what the ledger raises."""

    spool: Spool
    ledger: Ledger
    backups: SessionBackups
    destination: str

    def items(self) -> list[QueueItem]:
        waiting = [_item("waiting", job) for job in self._jobs().values()]
        damaged = [QueueItem("damaged", "", "", job=name) for name in self.spool.damaged()]
        aside = [_item("quarantined", job) for job in self.spool.quarantined()]
        return [*waiting, *damaged, *aside, *self._messages()]

    def _jobs(self) -> dict[str, Job]:
        """By name; also what a hook asks for that no worker has heard yet."""
        heard = self.spool.peek().values()
        return {job.name: job for job in (*heard, *self.spool.jobs())}

    def _messages(self) -> Iterator[QueueItem]:
        for agent, session_id, message_id, reason in quarantined_messages(
            self.ledger, self.destination
        ):
            yield QueueItem("quarantined", agent, session_id, message=message_id, reason=reason)

    def retry(self, items: Iterable[QueueItem]) -> None:
        """Have them tried again: jobs at once, messages when their session is next looked at."""
        jobs = {job.name: job for job in self.spool.quarantined()} | self._jobs()
        for item in items:
            if item.message is not None:
                record = SessionRecord(self.ledger, self.destination, item.agent, item.session_id)
                record.mark_pending([item.message])
            elif item.job in jobs:
                self.spool.retry(jobs[item.job])

    def drop(self, items: Iterable[QueueItem]) -> None:
        """Forget them, and the copies of their sessions. What was delivered stays delivered."""
        for item in items:
            if item.message is not None:
                record = SessionRecord(self.ledger, self.destination, item.agent, item.session_id)
                record.dismiss_message(item.message)
            elif item.job:
                self.spool.drop(item.job)
                self.backups.delete(item.agent, item.session_id)


def _item(state: QueueState, job: Job) -> QueueItem:
    return QueueItem(
        state=state,
        agent=job.trigger.agent,
        session_id=job.trigger.session_id,
        reason=job.error,
        since=job.received_at,
        tries=job.attempts.count,
        not_before=job.attempts.not_before or None,
        job=job.name,
    )
