"""A session as it would be sent now, against what the ledger knows of it at one destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from opensync_hooks.agents.source import UNREAD_COPY
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery import payloads
from opensync_hooks.delivery.costs import Costs
from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.delivery.progress import SessionProgress
from opensync_hooks.delivery.split import SessionPart
from opensync_hooks.ledger.session_record import (
    MessageRecord,
    MessageState,
    RemoteSession,
    SessionRecord,
)
from opensync_hooks.ledger.totals import NO_TOTALS, Totals
from opensync_hooks.model import Json, Message, Session, Skipped

DELETED_HASH = "deleted at the agent"
"""The hash of a message that bears the mark. If the agent has the message again, it differs."""


@dataclass(frozen=True, slots=True)
class MessageDiff:
    """One message with its payload, and the version of it that was sent last."""

    message: Message
    sent_id: str
    """The id that the message was delivered under; an alias where another copy was read then."""
    body: Json
    extra: Json
    content_hash: str
    cuts: Mapping[str, int]
    """What was cut from the payload, by kind."""
    existing: MessageRecord | None
    is_withheld: bool
    """The user undid it before it was sent, and keeps such messages at home."""

    def external_id(self, remote_id: str) -> str:
        """Return the destination's id of the message; `remote_id`: that of its session."""
        stored_as = self.existing.stored_as if self.existing else None
        return stored_as or truncate(f"{remote_id}:{self.sent_id}")

    @property
    def is_due(self) -> bool:
        """Whether the destination lacks the message as it is now."""
        if self.existing is None:
            return not self.is_withheld
        if self.existing.hash == self.content_hash:
            return self.existing.state is MessageState.PENDING
        return not self.message.spare  # the version that was sent is richer


@dataclass(frozen=True, slots=True)
class SessionDiff:
    """One part of a session, cleaned and priced, with what was confirmed of it."""

    session: Session
    number: int
    """Of the part; 1 for a session that is sent as one."""
    costs: Costs
    record: SessionRecord
    existing: RemoteSession | None
    keeps_extra: bool
    """Whether the destination stores what OpenSync has no field for."""
    resends: bool
    """Whether everything that was sent before is due again."""
    others: Totals = NO_TOTALS
    """What other machines and programs contributed to the session's totals."""
    withholds_undone: bool = False
    """Whether messages that were undone before they were sent stay at home."""
    progress: SessionProgress = field(default_factory=SessionProgress)

    @property
    def is_behind(self) -> bool:
        """Whether more was delivered than this read, which is not whole, has: that then stays."""
        before = self.existing.totals if self.existing else None
        has_losses = any(lost.is_loss and number for lost, number in self.session.skipped.items())
        lacks_copy = before is not None and self.lacks_copy
        if before is None or not (lacks_copy or has_losses):
            return False
        now = Totals.from_json(self.session_payload()[0])
        if (now.prompt, now.completion) == (before.prompt, before.completion):
            return lacks_copy and bool(self.missing_ids())
        return now.largest(before) != now

    @property
    def lacks_copy(self) -> bool:
        """Whether a copy of the session was not read that what was delivered may be from."""
        if self.session.unread_copy or not self.session.read_copies:
            return self.session.unread_copy is not None
        delivered = (self.record.origin() or "").splitlines()
        return not set(delivered).issubset(self.session.read_copies)

    @property
    def is_partial(self) -> bool:
        """Whether the rest can soon be read."""
        is_unavailable = self.session.unread_copy == "unavailable"
        return self.session.is_partial or (is_unavailable and self.is_behind)

    def skipped(self) -> Mapping[Skipped, int]:
        """Return what is missing from this read; complete once all messages were walked."""
        is_unread = self.session.unread_copy is not None and self.is_behind
        return {**self.session.skipped, **({UNREAD_COPY: 1} if is_unread else {})}

    def missing_ids(self) -> list[str]:
        """Return the ids of delivered messages that the agent no longer has and that bear no mark.

        None are known to be missing while the agent's own list of messages is uncertain.
        """
        stored_ids = self.session.stored_ids
        if stored_ids is None or self.existing is None:
            return []
        hashes = self.record.message_hashes().items()
        return [
            name for name, digest in hashes if digest != DELETED_HASH and name not in stored_ids
        ]

    def session_payload(self) -> tuple[Json, Json]:
        """Return the body and the extra of the session itself."""
        body = payloads.session_body(self.session, self.costs)
        if self.others != NO_TOTALS:
            body |= (Totals.from_json(body) + self.others).to_json()
        return body, self._extra(payloads.session_extra(self.session, self.costs))

    def update_payload(self) -> tuple[Json, Json]:
        """Return the payload without what would lower the delivered one: that is then kept."""
        body, extra = self.session_payload()
        if self.is_behind:
            return {name: body[name] for name in ("externalId", "source")}, {}
        return body, extra

    def session_hash(self) -> str:
        """Return the hash of the session's own payload, without its messages."""
        return payloads.digest(*self.session_payload())

    def messages(self) -> Iterator[MessageDiff]:
        """Yield each message, in an order that its times do not contradict."""
        latest, is_behind = self.progress.before(self.number).latest, self.is_behind
        if is_behind:  # what is kept is not what was read: a later run must not go on behind it
            self.progress.is_complete = False
        for message in self.session.messages:
            if not message.parts:
                continue
            times = [time for time in (latest, message.created_at) if time is not None]
            latest = max(times, default=None)
            if message.charge and message.charge.id not in self.costs.charge_ids:
                message = replace(message, charge=None)  # noqa: PLW2901 - billed elsewhere
            if is_behind:
                message = replace(message, spare=True)  # noqa: PLW2901 - maybe of an older copy
            yield self._message(message, latest)

    def _message(self, message: Message, created_at: int | None) -> MessageDiff:
        body, cuts = payloads.message_body(message, created_at)
        extra = self._extra(payloads.message_extra(message))
        sent_id, existing = message.id, None
        names = (message.id, *message.aliases) if self.existing else ()
        for name in names:
            if existing := self.record.message(name):
                sent_id = name
                break
        if existing and self.resends:
            existing = replace(existing, state=MessageState.PENDING)
        content_hash = payloads.digest(body, extra)
        is_withheld = self.withholds_undone and message.undone and existing is None
        return MessageDiff(message, sent_id, body, extra, content_hash, cuts, existing, is_withheld)

    def _extra(self, extra: Json) -> Json:
        return extra if self.keeps_extra else {}


def diff(
    part: SessionPart,
    costs: Costs,
    record: SessionRecord,
    *,
    keeps_extra: bool,
    resends: bool,
) -> SessionDiff:
    """Compare a part with its record; the messages are compared when they are walked."""
    session, existing = part.session, record.remote_session()
    if existing and not session.end_reason:  # only the hook that saw the end knows its reason
        session = replace(session, end_reason=existing.end_reason)
    others = existing.others if existing else NO_TOTALS
    changes = SessionDiff(
        session, part.number, costs, record, existing, keeps_extra, resends, others
    )
    if changes.lacks_copy and changes.missing_ids():  # some of it is still from the other copy
        return replace(changes, session=replace(session, origin=None))
    return changes
