"""The calls that bring one session to one destination: the session, its messages, the session."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from opensync_hooks.config import Config
from opensync_hooks.delivery import payloads
from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.destinations.protocol import Destination, set_title
from opensync_hooks.errors import RejectedError, ServerFailureError, TimeLimitError
from opensync_hooks.ledger.session_record import (
    MessageRecord,
    MessageState,
    RemoteSession,
    SessionRecord,
)
from opensync_hooks.model import Charge, Json, Message, Session, Usage
from opensync_hooks.pricing.cost import cost
from opensync_hooks.pricing.table import PriceTable
from opensync_hooks.privacy.cleaning import clean_message, clean_session

MessageOutcome = Literal["sent", "unchanged", "quarantined", "never sent", "unclear"]
MOST_UNCLEAR = 3
"""Messages in a row that a server fails on: more are not its messages' fault."""


class SessionLostError(Exception):
    """The destination answered with another id for the session than it had before."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a session itself cost, without the API calls that it copied from another one."""

    by_charge: dict[str, float | None]
    """Of each call that is the session's own; None where its model has no price."""
    usage: Usage
    unpriced: tuple[str, ...]
    forked_from: str | None

    @classmethod
    def of(
        cls, session: Session, record: SessionRecord, prices: PriceTable, *, claims: bool = True
    ) -> Costs:
        """`claims`: the session owns from now on what no other one has claimed before it."""
        owners_of = record.claim_charges if claims else record.charge_owners
        owners = owners_of(charge.id for charge in session.charges)
        own = [charge for charge in session.charges if owners[charge.id] == session.id]
        by_charge = {charge.id: cost(charge, prices) for charge in own}
        unpriced = {charge.model for charge in own if charge.model and by_charge[charge.id] is None}
        copied_from = [owner for owner in owners.values() if owner != session.id]
        return cls(
            by_charge=by_charge,
            usage=sum((charge.usage for charge in own), Usage()),
            unpriced=tuple(sorted(unpriced)),
            forked_from=copied_from[-1] if copied_from else None,
        )

    @property
    def cost(self) -> float | None:
        known = [cost for cost in self.by_charge.values() if cost is not None]
        return sum(known) if known else None

    def own(self, charge: Charge | None) -> Charge | None:
        return charge if charge and charge.id in self.by_charge else None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a delivery may ask for."""

    lock_timeout: float = 30
    """Seconds to wait for another run on the same session."""
    until: float | None = None
    """When to stop, by the monotonic clock; what is confirmed by then stays confirmed."""
    is_last_try: bool = False
    """Set aside what the server still fails on without saying why."""


NO_LIMITS = Limits()


@dataclass(slots=True)
class Delivery:
    """One session on its way; afterwards, what came of it."""

    session: Session
    costs: Costs
    destination: Destination
    record: SessionRecord
    config: Config
    limits: Limits = NO_LIMITS
    counts: dict[MessageOutcome, int] = field(default_factory=dict)
    reason: str | None = None
    """Why the last message was parked, or has to wait."""
    losses: Counter[str] = field(default_factory=Counter)
    """What of the session could not be kept whole, by kind."""
    remote_id: str | None = None
    known: RemoteSession | None = None
    redacted: Counter[str] = field(default_factory=Counter)
    """The secrets that were taken out of what this run sent, by kind."""
    _is_origin_known: bool = False

    def __post_init__(self) -> None:
        self.session = clean_session(self.session, self.config)

    def run(self) -> None:
        """Raises SessionLostError where the destination deleted the session since the last run."""
        self.known = self.record.remote_session()
        in_a_row = 0
        for message, body, extra, redacted, cuts in self.messages():
            self._check_time()
            self.losses += cuts
            outcome = self._put(message, body, extra, bears_failure=in_a_row < MOST_UNCLEAR - 1)
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
            in_a_row = {"unclear": in_a_row + 1, "sent": 0}.get(outcome, in_a_row)
            if outcome == "sent":
                self.redacted += redacted
        self.losses += Counter(self.session.skipped)  # which some sources learn as they go
        self._close()

    def _check_time(self) -> None:
        """A run sends something before it is late: one that takes long to compare would else end

        before the first new message every time, and the session never arrive.
        """
        is_late = self.limits.until is not None and time.monotonic() > self.limits.until
        if is_late and self.remote_id is not None:
            raise TimeLimitError(f"{self.session.id}: takes long; the other sessions come first.")

    def messages(self) -> Iterator[tuple[Message, Json, Json, Counter[str], Counter[str]]]:
        """Every message with its bodies, in an order that its times do not contradict."""
        latest: int | None = None
        for whole in self.session.messages:
            redacted = Counter[str]()
            message = clean_message(whole, self.config, redacted)
            if not message.parts:
                continue
            times = [at for at in (latest, message.created_at) if at is not None]
            latest = max(times, default=None)
            own = self.costs.own(message.charge)
            usd = self.costs.by_charge[own.id] if own else None
            body, cuts = payloads.message_body(replace(message, charge=own), latest)
            extra = payloads.message_extra(message, own, usd)
            yield message, body, self._extra(extra), redacted, cuts

    def _put(
        self, message: Message, body: Json, extra: Json, *, bears_failure: bool
    ) -> MessageOutcome:
        hashed = payloads.digest(body, extra)
        name, existing = self.known_as(message)
        if not is_due(message, hashed, existing):
            if existing and existing.state == MessageState.CONFIRMED:
                self._remember_origin()
            return "unchanged" if existing else "never sent"
        ids = {
            "sessionExternalId": truncate(self.session.id),
            "externalId": truncate(f"{self._open()}:{name}"),
            "source": self.session.agent,
        }
        self.record.set_message(name, hashed, MessageState.PENDING)
        try:
            # Left out, an earlier version's text would stay where the user took all text back.
            whole = {**({"textContent": ""} if existing else {}), **ids, **body}
            self.destination.put_message(whole, extra, replaces=existing is not None)
        except RejectedError as error:
            self.reason = str(error)
            self.record.set_message(name, hashed, MessageState.QUARANTINED, self.reason)
            return "quarantined"
        except ServerFailureError as error:
            if not bears_failure:
                raise
            self.reason = str(error)
            is_last = self.limits.is_last_try
            state = MessageState.QUARANTINED if is_last else MessageState.PENDING
            self.record.set_message(name, hashed, state, self.reason)
            return "quarantined" if is_last else "unclear"
        self.record.set_message(name, hashed, MessageState.CONFIRMED)
        self._remember_origin()
        return "sent"

    def _remember_origin(self) -> None:
        """Only a confirmed message counts: a copy that was merely read must bar no other one."""
        if self.session.origin and not self._is_origin_known:
            self.record.set_origin(self.session.origin)
            self._is_origin_known = True

    def known_as(self, message: Message) -> tuple[str, MessageRecord | None]:
        """The name that the message was delivered under, from whichever place it was read then."""
        for name in (message.id, *message.aliases):
            existing = self.record.message(name)
            if existing is not None:
                return name, existing
        return message.id, None

    def _open(self) -> str:
        """The destination's id of the session, asked for before the first message of this run."""
        if self.remote_id is None:
            self.remote_id = self._put_session(with_title=self.known is None)
            if self.known and self.known.remote_id != self.remote_id:
                raise SessionLostError
            self.record.set_remote_id(self.remote_id)
        return self.remote_id

    def _close(self) -> None:
        """Bring title and totals up to date, once the messages are there to be made searchable."""
        head, extra = self.head()
        hashed = payloads.digest(head, extra)
        sent = self.counts.get("sent", 0)
        if not sent and (self.known is None or self.known.hash == hashed):
            return
        self._open()
        title = head.get("title")
        if title and self.known and self.known.title != title:
            set_title(self.destination, truncate(self.session.id), title)
        if sent and self._put_session(with_title=False) != self.remote_id:
            raise SessionLostError  # deleted while it was being sent
        self.record.confirm_session(hashed, title, self._end_reason, self.costs.unpriced)

    def _put_session(self, *, with_title: bool) -> str:
        """A known session is sent without its title: with it, the server may ignore the rest."""
        head, extra = self.head()
        body = {name: value for name, value in head.items() if with_title or name != "title"}
        return self.destination.put_session(body, extra)

    def head(self) -> tuple[Json, Json]:
        session = replace(self.session, end_reason=self._end_reason)
        extra = payloads.session_extra(session, self.costs.usage, self.costs.forked_from)
        return payloads.session_body(session, self.costs.usage, self.costs.cost), self._extra(extra)

    def _extra(self, extra: Json) -> Json:
        return extra if self.destination.keeps_extra else {}

    @property
    def _end_reason(self) -> str | None:
        """Only the hook that saw the end knows it; a later run must not forget it."""
        return self.session.end_reason or (self.known.end_reason if self.known else None)


def is_due(message: Message, hashed: str, existing: MessageRecord | None) -> bool:
    """Whether it is to be sent, as `hashed`; `existing` is what the ledger knows of it."""
    if existing is None:
        return not message.undone
    if existing.hash == hashed:
        return existing.state is MessageState.PENDING
    return not message.spare  # what was sent before is richer


def size_in_bytes(message: Message, config: Config) -> int:
    """About how many bytes the message takes at the destination."""
    body, _ = payloads.message_body(clean_message(message, config), None)
    return len(json.dumps(body, ensure_ascii=False).encode())
