"""What waits and what was set aside: sessions and single messages, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from opensync_hooks.agents import registry
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue.backups import Keepsakes
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool

State = Literal["waiting", "set aside", "damaged"]


@dataclass(frozen=True, slots=True)
class Item:
    """A session, or one message of it. Times are ms since 1970."""

    state: State
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
class Queue:
    """At one destination. Methods raise OSError, and what the ledger raises."""

    spool: Spool
    ledger: Ledger
    keepsakes: Keepsakes
    destination: str

    def items(self) -> list[Item]:
        waiting = [_item("waiting", job) for job in self._jobs().values()]
        damaged = [Item("damaged", "", "", job=name) for name in self.spool.damaged()]
        aside = [_item("set aside", job) for job in self.spool.parked()]
        return [*waiting, *damaged, *aside, *self._messages()]

    def _jobs(self) -> dict[str, Job]:
        """By name; also what a hook asks for that no worker has heard yet."""
        heard = self.spool.hear(registry.heed).values()
        return {job.name: job for job in (*heard, *self.spool.jobs())}

    def _messages(self) -> Iterator[Item]:
        query = (
            "SELECT agent, session, id, reason FROM message"
            " WHERE destination = ? AND state = 'parked' ORDER BY agent, session, id"
        )
        for agent, session, name, reason in self.ledger.rows(query, self.destination):
            yield Item("set aside", agent, session, message=name, reason=reason)

    def retry(self, items: Iterable[Item]) -> None:
        """Have them tried again: jobs at once, messages when their session is next looked at."""
        jobs = {job.name: job for job in self.spool.parked()} | self._jobs()
        for item in items:
            if item.message is not None:
                account = self.ledger.account(self.destination, item.agent, item.session_id)
                account.doubt([item.message])
            elif item.job in jobs:
                self.spool.retry(jobs[item.job])

    def drop(self, items: Iterable[Item]) -> None:
        """Forget them, and the copies of their sessions. What was delivered stays delivered."""
        for item in items:
            if item.message is not None:
                account = self.ledger.account(self.destination, item.agent, item.session_id)
                account.drop(item.message)
            elif item.job:
                self.spool.drop(item.job, registry.heed)
                self.keepsakes.drop(item.agent, item.session_id)


def _item(state: State, job: Job) -> Item:
    return Item(
        state=state,
        agent=job.trigger.agent,
        session_id=job.trigger.session_id,
        reason=job.error,
        since=job.received_at,
        tries=job.tries.count,
        not_before=job.tries.not_before or None,
        job=job.name,
    )
