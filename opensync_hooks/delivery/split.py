"""Splits a session that OpenSync could not open into parts; the title of each says so.

OpenSync's page opens at most 4,093 messages and 16 MiB of rows. A message is never divided, and it
stays in the part that it was delivered in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace

from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery import payloads
from opensync_hooks.delivery.progress import PartTotals, SessionProgress
from opensync_hooks.ledger import charges
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.messages import length, select
from opensync_hooks.model import Message, Session

MAX_MESSAGES = 4_000
MAX_BYTES = 12 << 20


@dataclass(frozen=True, slots=True)
class SessionPart:
    """A session, or one of the parts that it is delivered in."""

    session: Session
    number: int = 1


def split(
    session: Session, record_of: Callable[[str], SessionRecord], progress: SessionProgress
) -> Iterator[SessionPart]:
    """Yield the parts of a cleaned session, or the session where one part will do.

    `record_of`: what the destination confirmed of the session or part with an id. Raises
    NotResumableError if the sizes of what lies before a checkpoint have to be known exactly.
    """
    second = record_of(part_id(session.id, 2))
    may_be_small = second.remote_session() is None and not progress.has_sizes
    if may_be_small and (messages := _messages_if_small(session, progress)) is not None:
        yield SessionPart(replace(session, messages=messages))
        return
    if not progress.has_sizes:
        progress.require_whole()
    progress.has_sizes = True
    owners = charges.claimed(second, (charge.id for charge in session.charges))
    parts = {number: totals.copy() for number, totals in progress.earlier.items()}
    last = max((number for number, totals in parts.items() if totals.planned), default=1)
    plan = _Plan(session.id, record_of, owners, progress, parts, last)
    for message in session.messages:
        plan.add(message)
    if plan.last == 1:
        yield SessionPart(session)
        return
    for number in range(1, plan.last + 1):
        yield SessionPart(plan.part(session, number), number)


def part_id(session_id: str, number: int) -> str:
    return session_id if number == 1 else f"{session_id}#{number}"


def _messages_if_small(session: Session, progress: SessionProgress) -> tuple[Message, ...] | None:
    """Return all messages, read and cleaned only once; None if they may exceed one part."""
    messages: list[Message] = []
    totals, before = progress.before(1).copy(), progress.before(1).copy()
    for message in session.messages:
        messages.append(message)
        # At most four bytes a character, each text twice (in and beside the parts), and the ids.
        size = sum(8 * length(part) + 300 for part in message.parts)
        totals.plan(message, size)
        if progress.is_before(message):
            before.plan(message, size)
        if totals.planned > MAX_MESSAGES or totals.size > MAX_BYTES:
            return None
    progress.parts[1] = before
    return tuple(messages)


@dataclass(slots=True)
class _Plan:
    """Assigns each message to a part: where it was delivered, else where there is room."""

    session_id: str
    record_of: Callable[[str], SessionRecord]
    owners: Mapping[str, str]
    """The session or part that each charge was billed to before."""
    progress: SessionProgress
    parts: dict[int, PartTotals]
    last: int
    numbers: dict[str, int] = field(default_factory=dict)
    """The part of each message."""
    charge_numbers: dict[str, int] = field(default_factory=dict)
    """The part of each charge that a message bears."""

    def add(self, message: Message) -> None:
        body, _ = payloads.message_body(message, None)
        size = len(json.dumps(body, ensure_ascii=False).encode())
        number = self._delivered_in(message) or self._with_room_for(size)
        self.last = max(self.last, number)
        self.numbers[message.id] = number
        self.parts.setdefault(number, PartTotals()).plan(message, size)
        if self.progress.is_before(message):
            self.progress.upto(number).plan(message, size)
        if message.charge:
            self.charge_numbers[message.charge.id] = number

    def _delivered_in(self, message: Message) -> int | None:
        """A message that moved to another part, as earlier ones grew, would be there twice."""
        number: int
        for number in (self.last, self.last + 1, *range(self.last - 1, 0, -1)):
            record = self.record_of(part_id(self.session_id, number))
            if any(record.message(name) for name in (message.id, *message.aliases)):
                return number
        return None

    def _with_room_for(self, size: int) -> int:
        part = self.parts.get(self.last) or PartTotals()
        is_full = part.planned >= MAX_MESSAGES
        overflows = part.planned > 0 and part.size + size > MAX_BYTES
        return self.last + 1 if is_full or overflows else self.last

    def part(self, session: Session, number: int) -> Session:
        totals = self.parts.get(number) or PartTotals()
        part = replace(
            session,
            id=part_id(session.id, number),
            messages=self._messages(session, number),
            charges=tuple(charge for charge in session.charges if self._bills(charge.id, number)),
            duration_ms=totals.duration_ms or None,
        )
        if number == 1:
            return part
        return replace(
            part,
            title=f"{session.title or 'Session'} (part {number})",
            created_at=totals.started_at or session.created_at,
            skipped={},
        )

    def _messages(self, session: Session, number: int) -> Iterable[Message]:
        if number not in self.numbers.values():  # all are before the checkpoint
            return ()
        return select(session.messages, lambda name: self.numbers.get(name) == number)

    def _bills(self, charge_id: str, number: int) -> bool:
        """Whether the charge counts in this part, which must not change once it was billed.

        A charge that no message bears counts in the first part.
        """
        owner = self.owners.get(charge_id, "")
        if owner == self.session_id or owner.startswith(f"{self.session_id}#"):
            return owner == part_id(self.session_id, number)
        return self.charge_numbers.get(charge_id, 1) == number
