"""Sends one part of a session: the session, the messages that are due, the session again.

The ledger is written around every transaction of the destination, which is a single request at
OpenSync: its messages are pending before it and confirmed after it. A kill in between sends them
once more, and the destination stores them once.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import field, replace

from opensync_hooks.agents import registry
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery import contact
from opensync_hooks.delivery.diff import MessageDiff, SessionDiff
from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.destinations.protocol import ReadableDestination, set_title
from opensync_hooks.errors import BusyError, RejectedError, ServerFailureError, TimeLimitError
from opensync_hooks.ledger.losses import WITHHELD_UNDONE
from opensync_hooks.ledger.session_record import MessageState
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.ledger.totals import Totals
from opensync_hooks.messages import length
from opensync_hooks.system.processes import heartbeat

MAX_FAILURES = 3
"""Messages in a row that the server fails on; with more, it is not the messages' fault."""
_MAX_TRANSACTION_LENGTH = 2_000_000
"""Characters: a transaction's messages are in memory together."""
_MAX_DELETIONS = 3
"""How often the destination may delete a session while we send it."""


class _SessionDeletedError(Exception):
    """The destination answered with another id for the session than before."""


@dataclass
class _DiffChangedError(Exception):
    """The destination has more, or less, of the session than the ledger said."""

    diff: SessionDiff
    remote_id: str | None


def send(diff: SessionDiff, destination: ReadableDestination, limits: Limits) -> SyncOutcome:
    """Bring the destination up to date, and return what came of it.

    A session that the user deleted there is not sent, unless everything is to be sent again.
    Raises UnreachableError, KeyRefusedError, UnusableDestinationError; TimeLimitError where the
    limits say so; RejectedError if the session itself is refused.
    """
    if not diff.resends and (removed := diff.record.removed()):
        return SyncOutcome(diff.session.id, removed=removed)
    delivery = _Delivery(diff, destination, limits)
    deletions = 0
    while deletions < _MAX_DELETIONS:
        try:
            return delivery.run()
        except _DiffChangedError as change:
            delivery = _Delivery(
                change.diff, destination, limits, change.remote_id, has_looked=True
            )
        except contact.DeletedThereError:
            diff.record.set_removed(SyncState.DELETED)
            return SyncOutcome(diff.session.id, removed=SyncState.DELETED)
        except _SessionDeletedError:
            # What was confirmed is gone with the session, of which a part is there again.
            deletions += 1
            diff.record.forget()
            diff.progress.require_whole()
            delivery = _Delivery(replace(diff, existing=None), destination, limits)
    raise BusyError(
        f"{diff.session.id}: the destination deletes the session while it is being sent.",
        "Check who else works with this account.",
    )


@dataclass(slots=True)
class _Delivery:
    """A session that is being sent."""

    diff: SessionDiff
    destination: ReadableDestination
    limits: Limits
    remote_id: str | None = None
    """None until the destination was asked for the session, and for a new one until it is sent."""
    has_looked: bool = False
    """Whether the destination was asked already."""
    has_put_session: bool = False
    states: Counter[MessageState] = field(default_factory=Counter)
    """How many messages of this run ended in which state."""
    unchanged: int = 0
    quarantined_before: int = 0
    failures: int = 0
    """Messages in a row that the server failed on."""
    due: list[MessageDiff] = field(default_factory=list)
    """Messages that wait for the next transaction."""
    due_length: int = 0
    """Of these messages' texts, in characters."""
    reason: str | None = None
    redacted: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    cost_change: float = 0.0
    is_origin_saved: bool = False
    has_messages: bool = False

    def run(self) -> SyncOutcome:
        before = self.diff.progress.restart(self.diff.number)
        self.unchanged, self.losses = before.messages, before.losses.copy()
        self.has_messages = before.messages > 0
        for message in self.diff.messages():
            self.has_messages = True
            self._check_limits()
            losses = Counter({**message.cuts, WITHHELD_UNDONE: int(message.is_withheld)})
            self.losses.update(losses)
            self.diff.progress.add(self.diff.number, message.message, losses)
            if message.is_due:
                self._enqueue(message)
            elif message.existing:
                self.unchanged += 1
                self.quarantined_before += message.existing.state is MessageState.QUARANTINED
                if message.existing.state is MessageState.CONFIRMED:
                    self._save_origin()
        self._flush()
        if not self.diff.is_behind:
            self._put_totals()
        session, exists = self.diff.session, bool(self.diff.existing or self.remote_id)
        return SyncOutcome(
            session_id=session.id,
            title=session.title,
            sessions=int(exists and self.diff.number == 1),
            sent=self.states[MessageState.CONFIRMED],
            unchanged=self.unchanged,
            quarantined=self.states[MessageState.QUARANTINED],
            quarantined_before=self.quarantined_before,
            unclear=self.states[MessageState.PENDING],
            reason=self.reason,
            is_partial=self.diff.is_partial,
            redacted=self.redacted,
            cost_change=self.cost_change,
            losses=+self.losses,
            skipped=self.diff.skipped(),  # complete only now that all messages were read
        )

    def _check_limits(self) -> None:
        """Stop a run that has to make room; one that is late, not before it has sent something."""
        limits = self.limits
        heartbeat()
        is_late = limits.deadline is not None and time.monotonic() > limits.deadline
        if is_late:
            self._flush()
        if (is_late and self.states) or limits.sending_time.is_over or limits.is_preempted():
            raise TimeLimitError(
                f"{self.diff.session.id}: takes too long; the other sessions go first."
            )

    def _enqueue(self, message: MessageDiff) -> None:
        self.due.append(message)
        self.due_length += sum(map(length, message.message.parts))
        is_full = len(self.due) >= self.destination.messages_per_transaction
        if is_full or self.due_length >= _MAX_TRANSACTION_LENGTH:
            self._flush()

    def _flush(self) -> None:
        """Store the messages that wait, in one transaction."""
        if not self.due:
            return
        remote_id, record = self._open_session(), self.diff.record
        record.set_messages(
            (message.sent_id, message.content_hash, MessageState.PENDING, None)
            for message in self.due
        )
        with self.limits.sending_time.spend(), self.destination.transaction():
            results = [(message, *self._put_message(message, remote_id)) for message in self.due]
        record.set_messages(
            (message.sent_id, message.content_hash, state, reason)
            for message, state, reason in results
        )
        for message, state, reason in results:
            self.states[state] += 1
            self.reason = reason or self.reason
            if state is MessageState.CONFIRMED:
                self.redacted.update(message.message.redacted)
                self._save_origin()
        self.due, self.due_length = [], 0

    def _put_message(self, message: MessageDiff, remote_id: str) -> tuple[MessageState, str | None]:
        """Return what became of the message, and the destination's reason if it refuses it."""
        body = {
            "sessionExternalId": truncate(self.diff.session.id),
            "externalId": message.external_id(remote_id),
            "source": registry.opensync_name(self.diff.session.agent),
            **message.body,
        }
        if message.existing:  # without it, the server would keep text that the user took back
            body.setdefault("textContent", "")
        self.limits.pause()
        try:
            self.destination.put_message(body, message.extra, replaces=message.existing is not None)
        except RejectedError as error:
            return MessageState.QUARANTINED, str(error)
        except ServerFailureError as error:
            if self.limits.is_last_attempt:
                return MessageState.QUARANTINED, str(error)
            self.failures += 1
            if self.failures == MAX_FAILURES:
                raise
            return MessageState.PENDING, str(error)
        self.failures = 0
        return MessageState.CONFIRMED, None

    def _save_origin(self) -> None:
        """Only a confirmed message counts: a copy that was merely read must bar no other one."""
        if self.diff.session.origin and not self.is_origin_saved:
            self.diff.record.set_origin(self.diff.session.origin)
            self.is_origin_saved = True

    def _open_session(self) -> str:
        """Return the destination's id of the session; the first message of a run asks for it."""
        if self.remote_id is not None:
            return self.remote_id
        remote_id = None
        if not self.has_looked:
            remote_id, diff = contact.look(self.diff, self.destination)
            if diff is not self.diff:  # whatever was compared so far is out of date
                self.diff.progress.require_whole()
                raise _DiffChangedError(diff, remote_id)
        if remote_id is None:
            existing = self.diff.existing
            remote_id = self._put_session(with_title=existing is None)
            if existing and existing.remote_id != remote_id:
                raise _SessionDeletedError
            self.diff.record.set_remote_id(remote_id)
        self.remote_id = remote_id
        return remote_id

    def _put_totals(self) -> None:
        """Bring title and totals up to date; last, as this makes the messages searchable."""
        existing, content_hash = self.diff.existing, self.diff.session_hash()
        has_sent = self.states[MessageState.CONFIRMED] > 0
        # A session that has cost something is sent even if nothing was said in it.
        is_empty = existing is None and (self.has_messages or not self.diff.costs.charge_ids)
        is_known = existing is not None and existing.hash == content_hash
        if not has_sent and (is_empty or is_known):
            if existing is not None and self.limits.asks_always:
                self._open_session()
            return
        remote_id = self._open_session()
        title = self.diff.session_payload()[0].get("title")
        if title and existing and existing.title != title:
            set_title(self.destination, truncate(self.diff.session.id), title)
        is_due = has_sent or not self.has_put_session
        if is_due and self._put_session(with_title=False) != remote_id:
            raise _SessionDeletedError
        end_reason, costs = self.diff.session.end_reason, self.diff.costs
        self.diff.record.confirm_session(
            self.diff.session_hash(), title, end_reason, costs.unpriced, costs.stated_free
        )
        totals = Totals.from_json(self.diff.session_payload()[0])
        self.cost_change = totals.cost_above(existing.totals if existing else None)
        self.diff.record.set_totals(totals, self.diff.others)

    def _put_session(self, *, with_title: bool) -> str:
        """Leave the title out for a known session: with it, the server may ignore the rest."""
        body, extra = self.diff.update_payload()
        if not with_title:
            body.pop("title", None)
        self.has_put_session = True
        return self.destination.put_session(body, extra)
