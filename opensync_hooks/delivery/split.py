"""A session that OpenSync could never open again goes on in a second one, and its title says so.

Its page opens 4,093 messages and 16 MiB of rows at most. What is divided here is the session: each
message arrives whole, in the volume that it is in for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from opensync_hooks.model import Message, Session, length

MOST_MESSAGES = 4_000
MOST_BYTES = 12 << 20

Weigh = Callable[[Message], int]
"""The bytes that a message takes at the destination."""
Holds = Callable[[str, Message], bool]
"""Whether the session with this id has the message there already."""


def name(session_id: str, number: int) -> str:
    return session_id if number == 1 else f"{session_id}#{number}"


def is_large(session: Session) -> bool:
    """Whether it could be too much: a quick look, on the safe side."""
    letters = 0
    for count, message in enumerate(session.messages, 1):
        letters += sum(map(length, message.parts))
        # A text takes its bytes twice, in the part and beside the parts.
        if count > MOST_MESSAGES or letters * 4 > MOST_BYTES:
            return True
    return False


def split(
    session: Session, weigh: Weigh, holds: Holds, owners: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Session]:
    """The session in as many volumes as it takes; the session itself where one will do.

    `owners`: the session or volume that each charge was counted in before.
    """
    plan = _Plan(session.id, weigh, holds, owners)
    for message in session.messages:
        plan.add(message)
    if plan.last == 1:
        yield session
        return
    for number in range(1, plan.last + 1):
        yield plan.volume(session, number)


@dataclass(slots=True)
class _Plan:
    """Which message goes into which volume: where it is already, else where there is room."""

    session_id: str
    weigh: Weigh
    holds: Holds
    owners: Mapping[str, str]
    last: int = 1
    numbers: list[int] = field(default_factory=list)
    bearers: dict[str, int] = field(default_factory=dict)
    """The volume of each charge that a message bears."""
    began: dict[int, int | None] = field(default_factory=dict)
    durations: Counter[int] = field(default_factory=Counter)
    _counts: Counter[int] = field(default_factory=Counter)
    _weights: Counter[int] = field(default_factory=Counter)

    def add(self, message: Message) -> None:
        weight = self.weigh(message)
        number = self._holder(message) or self._roomy(weight)
        self.last = max(self.last, number)
        self.numbers.append(number)
        self._counts[number] += 1
        self._weights[number] += weight
        self.durations[number] += message.duration_ms or 0
        self.began.setdefault(number, message.created_at)
        if message.charge:
            self.bearers[message.charge.id] = number

    def _holder(self, message: Message) -> int | None:
        """What was delivered must not move and so double, though earlier messages have grown."""
        near = (self.last, self.last + 1, *range(self.last - 1, 0, -1))
        return next((one for one in near if self.holds(name(self.session_id, one), message)), None)

    def _roomy(self, weight: int) -> int:
        is_full = self._counts[self.last] >= MOST_MESSAGES
        is_heavy = self._counts[self.last] and self._weights[self.last] + weight > MOST_BYTES
        return self.last + 1 if is_full or is_heavy else self.last

    def volume(self, session: Session, number: int) -> Session:
        part = replace(
            session,
            id=name(session.id, number),
            messages=_Messages(session.messages, tuple(self.numbers), number),
            # What no message bears counts with the first volume, so that it counts once.
            charges=tuple(one for one in session.charges if self._is_counted(one.id, number)),
            duration_ms=self.durations[number] or None,
        )
        if number == 1:
            return part
        return replace(
            part,
            title=f"{session.title or 'Session'} (part {number})",
            created_at=self.began.get(number) or session.created_at,
            skipped={},
        )

    def _is_counted(self, charge_id: str, number: int) -> bool:
        """Whether in this volume: for good in the first one that it ever counted in."""
        owner = self.owners.get(charge_id, "")
        if owner == self.session_id or owner.startswith(f"{self.session_id}#"):
            return owner == name(self.session_id, number)
        return self.bearers.get(charge_id, 1) == number


@dataclass(frozen=True, slots=True)
class _Messages:
    """Those of the session's messages that are in one volume."""

    messages: Iterable[Message]
    numbers: tuple[int, ...]
    number: int

    def __iter__(self) -> Iterator[Message]:
        for message, number in zip(self.messages, self.numbers, strict=False):
            if number == self.number:
                yield message
