"""One session end to end: read it under its lock, deliver it and its subagents, confirm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from filelock import FileLock, Timeout

from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.delivery import split
from opensync_hooks.delivery.delivery import (
    NO_LIMITS,
    Costs,
    Delivery,
    Limits,
    SessionLostError,
    size_in_bytes,
)
from opensync_hooks.destinations.protocol import Destination
from opensync_hooks.errors import BusyError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Message, Session
from opensync_hooks.pricing.estimate import estimate_tokens
from opensync_hooks.pricing.table import PriceTable, bundled_table
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.system.files import ensure_private_folder, session_file_stem

_MOST_LOSSES = 3
"""How often a session may be deleted under our hands before we stop sending it again."""


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What came of one session and its subagents, message by message."""

    session_id: str
    title: str | None = None
    sessions: int = 0
    sent: int = 0
    unchanged: int = 0
    quarantined: int = 0
    unclear: int = 0
    """Messages that the server failed on, perhaps not for good."""
    reason: str | None = None
    """Why the last message was parked, or has to wait."""
    is_partial: bool = False
    """The agent was still writing the session."""
    excluded: str | None = None
    """Why nothing of it was delivered, nor will be: what the user decided, not a failure."""
    redacted: Mapping[str, int] = field(default_factory=Counter)
    """The secrets that were taken out of what was sent, by kind."""
    losses: Mapping[str, int] = field(default_factory=Counter)
    """What of the sessions could not be kept whole, by kind."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A session that stays here, and why, in words for the user."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Syncer:
    """Delivers sessions to one destination, one after the other, each under a lock of its own."""

    config: Config
    destination: Destination
    ledger: Ledger
    prices: PriceTable = field(default_factory=bundled_table)

    def sync(
        self,
        source: Source,
        located: Located,
        *,
        end_reason: str | None = None,
        force: bool = False,
        limits: Limits = NO_LIMITS,
    ) -> SyncOutcome:
        """Bring the destination up to date with the session; nothing unchanged is sent.

        Raises SourceError, BusyError, UnreachableError, KeyRefusedError, UnusableDestinationError;
        and RejectedError if the session itself is refused, TimeLimitError after the time that the
        terms allow. A refused message is quarantined instead, and the rest goes on.
        """
        outcome = SyncOutcome(located.session_id)
        exclusions = Exclusions.from_config(self.config)
        if excluded := exclusions.private(source.agent, located.session_id):
            return replace(outcome, excluded=excluded)
        with self.alone(source.agent, located.session_id, limits.lock_timeout):
            for session, excluded in self._read(source, located):
                exclusions.remember(source.agent, session.id, excluded)
                is_main = session.id == located.session_id
                if excluded and is_main:
                    return replace(outcome, excluded=excluded)
                if excluded:
                    continue
                whole = replace(session, end_reason=end_reason) if is_main else session
                for volume in self._volumes(whole):
                    if force:
                        self._record(volume.agent, volume.id).mark_pending()
                    delivery = self._deliver(volume, limits)
                    outcome = _added(outcome, delivery, goes_on=volume.id != session.id)
            if not outcome.is_partial and not outcome.unclear:
                record = self._record(source.agent, located.session_id)
                record.set_fingerprint(located.fingerprint)
        return outcome

    def preview(self, source: Source, located: Located) -> Iterator[Delivery | Excluded]:
        """What `sync` would deliver, subagents and volumes too, none of it run; changes nothing.

        Raises SourceError.
        """
        private = Exclusions.from_config(self.config).private(source.agent, located.session_id)
        if private:
            yield Excluded(located.session_id, private)
            return
        for session, excluded in self._read(source, located):
            if excluded:
                yield Excluded(session.id, excluded)
                continue
            for volume in self._volumes(session):
                record = self._record(volume.agent, volume.id)
                costs = Costs.of(volume, record, self.prices, claims=False)
                yield Delivery(volume, costs, self.destination, record, self.config)

    def is_current(self, source: Source, located: Located) -> bool:
        """Whether nothing of the session has changed on the disk since all of it was confirmed."""
        record = self._record(source.agent, located.session_id)
        return record.fingerprint() == located.fingerprint

    def _read(self, source: Source, located: Located) -> Iterator[tuple[Session, str | None]]:
        """The session, then its subagents, each with why it stays here.

        They stay with the session, so nothing comes after one that does. A copy is left out where
        the destination has a richer one: its messages would arrive a second time under other ids.
        """
        exclusions = Exclusions.from_config(self.config)
        for session in source.read(located):
            excluded = exclusions.reason(source.agent, session.id, session.project_path)
            if not excluded and self._has_richer_copy(session):
                continue
            yield session, excluded
            if excluded and session.id == located.session_id:
                return

    def _has_richer_copy(self, session: Session) -> bool:
        richer = session.richer_origin
        return richer is not None and richer == self._record(session.agent, session.id).origin()

    def _record(self, agent: str, session_id: str) -> SessionRecord:
        return SessionRecord(self.ledger, self.destination.name, agent, session_id)

    @contextmanager
    def alone(self, agent: str, session_id: str, lock_timeout: float) -> Iterator[None]:
        """Two runs on one session would each send what the other is about to confirm."""
        name = session_file_stem(agent, session_id) + ".lock"
        lock = FileLock(ensure_private_folder(self.config.folders.locks) / name, mode=0o600)
        try:
            lock.acquire(timeout=lock_timeout)
        except Timeout:
            raise BusyError(
                f"{session_id}: another run has been syncing it for {lock_timeout:.0f} s.",
                "It is taken up again by the next hook, or by `opensync-hooks sync`.",
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _volumes(self, session: Session) -> Iterable[Session]:
        """The session in pieces that OpenSync can open; our own store opens any."""
        session = estimate_tokens(session) if self.config.estimate_tokens else session
        if self.destination.keeps_extra:
            return (session,)
        more = self._record(session.agent, split.name(session.id, 2))
        if more.remote_session() is None and not split.is_large(session):
            return (session,)

        def holds(session_id: str, message: Message) -> bool:
            record = self._record(session.agent, session_id)
            return any(record.message(name) for name in (message.id, *message.aliases))

        owners = more.claimed_charges(one.id for one in session.charges)
        return split.split(
            session, lambda message: size_in_bytes(message, self.config), holds, owners
        )

    def _deliver(self, session: Session, limits: Limits) -> Delivery:
        record = self._record(session.agent, session.id)
        costs = Costs.of(session, record, self.prices)
        for _ in range(_MOST_LOSSES):
            delivery = Delivery(session, costs, self.destination, record, self.config, limits)
            try:
                delivery.run()
            except SessionLostError:
                # Deleted at the destination since: what it confirmed is gone, so all is sent again.
                record.forget()
                continue
            record.set_losses(delivery.losses)
            return delivery
        raise BusyError(
            f"{session.id}: the destination deletes it while it is being sent.",
            "Look who else works on this account.",
        )


def _added(outcome: SyncOutcome, delivery: Delivery, *, goes_on: bool) -> SyncOutcome:
    """`goes_on`: it is no session of its own, but more of the one before."""
    exists = not goes_on and (delivery.known is not None or delivery.remote_id is not None)
    counts = delivery.counts
    return SyncOutcome(
        session_id=outcome.session_id,
        title=outcome.title or delivery.session.title,
        sessions=outcome.sessions + exists,
        sent=outcome.sent + counts.get("sent", 0),
        unchanged=outcome.unchanged + counts.get("unchanged", 0),
        quarantined=outcome.quarantined + counts.get("quarantined", 0),
        unclear=outcome.unclear + counts.get("unclear", 0),
        reason=delivery.reason or outcome.reason,
        is_partial=delivery.session.is_partial or outcome.is_partial,
        redacted=Counter(outcome.redacted) + delivery.redacted,
        losses=Counter(outcome.losses) + delivery.losses,
    )
