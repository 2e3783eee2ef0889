"""What a session's messages before its checkpoint add up to, so that a later run can go on there.

A run that reads a session from a checkpoint on has the totals of what lies before it, and adds the
rest. It adds one message after the other, so that each sum is that of a whole run to the last bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, field, replace
from datetime import date
from functools import partial

from opensync_hooks.agents.source import (
    Located,
    NotResumableError,
    ResumableSource,
    SavedCheckpoint,
    Source,
)
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.costs import NO_COSTS, Costs, bill
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.spending import Spending
from opensync_hooks.ledger import checkpoints, confirmed_files
from opensync_hooks.ledger.checkpoints import StoredCheckpoint
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Checkpoint, Json, Message, Session, Usage


@dataclass(slots=True)
class PartTotals:
    """What the messages of one part of a session add up to."""

    planned: int = 0
    """How many messages the part was planned with; some may be empty without what stays home."""
    size: int = 0
    """Bytes of the messages' bodies, or more in a session that needs only one part."""
    duration_ms: int = 0
    started_at: int | None = None
    messages: int = 0
    latest: int | None = None
    """The latest time of a message."""
    losses: Counter[str] = field(default_factory=Counter[str])
    costs: Costs = NO_COSTS

    @classmethod
    def from_json(cls, value: Json) -> PartTotals:
        costs = value["costs"]
        changed: Json = {
            "usage": Usage(**costs["usage"]),
            "spending": tuple(map(_spending, costs["spending"])),
            "charge_ids": frozenset(),
            "unpriced": tuple(costs["unpriced"]),
        }
        losses = Counter[str](value["losses"])
        return cls(**{**value, "losses": losses, "costs": Costs(**{**costs, **changed})})

    def to_json(self) -> Json:
        costs = asdict(replace(self.costs, charge_ids=frozenset()))
        for entry in costs["spending"]:
            entry["day"] = entry["day"] and entry["day"].isoformat()
        others = {name: getattr(self, name) for name in self.__slots__ if name != "costs"}
        return {**others, "costs": {**costs, "charge_ids": ()}}

    def copy(self) -> PartTotals:
        return replace(self, losses=Counter(self.losses))

    def plan(self, message: Message, size: int) -> None:
        if not self.planned:
            self.started_at = message.created_at
        self.planned += 1
        self.size += size
        self.duration_ms += message.duration_ms or 0

    def add(self, message: Message, losses: Mapping[str, int]) -> None:
        self.messages += 1
        times = [time for time in (self.latest, message.created_at) if time is not None]
        self.latest = max(times, default=None)
        self.losses.update(losses)


def _spending(entry: Json) -> Spending:
    day = entry["day"] and date.fromisoformat(entry["day"])
    return Spending(**{**entry, "day": day, "usage": Usage(**entry["usage"])})


@dataclass(slots=True)
class SessionProgress:
    """How far one run has come with one session, in all of its parts."""

    stored: StoredCheckpoint | None = None
    """The checkpoint from which the session was read."""
    next: Checkpoint | None = None
    """Where the next run can begin, if this one confirms everything."""
    masked: set[str] = field(default_factory=set)
    """The messages with secrets that are masked wherever they return."""
    earlier: Mapping[int, PartTotals] = field(default_factory=dict)
    """What lies before `stored`, by the part's number."""
    parts: dict[int, PartTotals] = field(default_factory=dict)
    """What lies before `next`."""
    has_sizes: bool = False
    """Whether the sizes are exact."""
    is_section: bool = False
    """Whether the session goes on behind what this run has of it."""
    is_complete: bool = True
    sent: int = 0
    """How many messages were sent."""

    @classmethod
    def begin(cls, session: Session, stored: StoredCheckpoint | None) -> SessionProgress:
        if stored is None or not session.is_resumed:
            is_section = session.continues
            return cls(next=session.checkpoint, has_sizes=is_section, is_section=is_section)
        values = stored.totals["parts"].items()
        earlier = {int(number): PartTotals.from_json(value) for number, value in values}
        parts = {number: totals.copy() for number, totals in earlier.items()}
        return cls(stored, session.checkpoint, set(), earlier, parts, stored.totals["has_sizes"])

    def before(self, number: int) -> PartTotals:
        """Return what lies before the checkpoint that this run began at."""
        return self.earlier.get(number) or PartTotals()

    def upto(self, number: int) -> PartTotals:
        """Return what lies before the next checkpoint, to be added to."""
        return self.parts.setdefault(number, PartTotals())

    def restart(self, number: int) -> PartTotals:
        """Begin anew with the messages of this run; return what lies before them."""
        before, totals = self.before(number), self.upto(number)
        totals.messages, totals.latest = before.messages, before.latest
        totals.losses = before.losses.copy()
        return before

    def add(self, number: int, message: Message, losses: Mapping[str, int]) -> None:
        if self.is_before(message):
            self.upto(number).add(message, losses)

    def is_before(self, message: Message) -> bool:
        """Whether the message lies before the next checkpoint."""
        return self.next is not None and message.id not in self.next.later_messages

    def bill(self, session: Session, number: int, record: SessionRecord, *, claims: bool) -> Costs:
        """Return what a part of the session costs, together with what lies before."""
        earlier = self.before(number).costs
        if self.next:
            later = self.next.later_charges
            before = tuple(charge for charge in session.charges if charge.id not in later)
            part = replace(session, charges=before)
            self.upto(number).costs = bill(part, record, claims=False, earlier=earlier)
        costs = bill(session, record, claims=claims, earlier=earlier)
        if session.agent_totals and (costs.forked_from or any(c.made_in for c in session.charges)):
            # What a fork copied is not in the totals that the agent states.
            self.require_whole()
            self.is_complete = False
        return costs

    def require_whole(self) -> None:
        """Raise NotResumableError if the session was read in part."""
        if self.stored or self.is_section:
            raise NotResumableError

    def note(self, outcome: SyncOutcome) -> None:
        """Note what came of one part: a later run goes on only where nothing is left to do."""
        self.sent += outcome.sent
        unsettled = outcome.unclear + outcome.quarantined + outcome.quarantined_before
        if unsettled or outcome.is_partial or outcome.withheld:
            self.is_complete = False

    def save(self, record: SessionRecord, rules: str) -> None:
        """Save the next checkpoint, as everything before it is confirmed."""
        state = self.next.state(self.masked) if self.next and self.is_complete else None
        if self.next is None or state is None or record.remote_session() is None:
            if self.stored is None:
                checkpoints.delete(record)
            return
        parts = {number: totals.to_json() for number, totals in self.parts.items()}
        totals = {"parts": parts, "has_sizes": self.has_sizes}
        new = checkpoints.NewCheckpoint(rules, state, totals, self.next.names)
        checkpoints.save(record, new, self.stored)


@dataclass(slots=True)
class SyncRun:
    """One run over a session and its subagents, which begins where earlier ones have ended."""

    rules: str
    """A digest of everything but the sessions that decides what is sent of them."""
    record_of: Callable[[str], SessionRecord]
    resumes: bool = False
    is_preview: bool = False
    reads_all: bool = False
    """Whether to read subagents, too, that have not changed since all of them was confirmed."""
    divides: bool = False
    """Whether a long session that the destination does not have may come in sections."""
    _fingerprints: dict[str, str] = field(default_factory=dict)
    """Of the subagents' files."""
    _stored: dict[str, StoredCheckpoint] = field(default_factory=dict)
    _divided: set[str] = field(default_factory=set)
    """The sessions of which this run has delivered a section."""
    _begun: list[SessionProgress] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """How many messages of all sessions were sent, also if the run came to no end."""
        return sum(progress.sent for progress in self._begun)

    def read(self, source: Source, located: Located) -> Iterator[Session]:
        if self.is_preview or not isinstance(source, ResumableSource):
            return source.read(located)
        # While a part of what is stored is read, the totals of the whole must not be replaced.
        divides = self.divides and self.record_of(located.session_id).remote_session() is None
        return source.resume(located, self._checkpoint_of, self._is_due, divides=divides)

    def _is_due(self, session_id: str, fingerprint: str) -> bool:
        if self.reads_all:
            return True
        self._fingerprints[session_id] = fingerprint
        record = self.record_of(session_id)
        return not confirmed_files.is_confirmed(record, fingerprint, self.rules)

    def _checkpoint_of(self, session_id: str) -> SavedCheckpoint | None:
        resumes = self.resumes and not self.reads_all
        if not resumes and session_id not in self._divided:
            return None
        record = self.record_of(session_id)
        remote, stored = record.remote_session(), checkpoints.load(record, self.rules)
        if remote is None or remote.hash is None or stored is None:
            return None
        self._stored[session_id] = stored
        return SavedCheckpoint(stored.state, partial(checkpoints.known_names, record, stored))

    def discard_checkpoints(self) -> None:
        """Let the next run read the sessions of this one from their beginnings."""
        for session_id in self._stored:
            checkpoints.delete(self.record_of(session_id))

    def begin(self, session: Session) -> SessionProgress:
        self._begun.append(SessionProgress.begin(session, self._stored.get(session.id)))
        return self._begun[-1]

    def finish(self, session: Session, progress: SessionProgress) -> None:
        if self.is_preview:
            return
        record, fingerprint = self.record_of(session.id), self._fingerprints.get(session.id)
        progress.save(record, self.rules)
        if session.continues:
            self._divided.add(session.id)
        has_losses = any(skipped.is_loss for skipped, n in session.skipped.items() if n)
        # What was read from a checkpoint on is read whole when the session ends.
        if fingerprint and progress.is_complete and not (has_losses or session.is_resumed):
            confirmed_files.confirm(record, fingerprint, self.rules)
