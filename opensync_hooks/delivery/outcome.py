"""What came of a sync."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace

from opensync_hooks.dataclass import dataclass
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Skipped


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What came of one session and its subagents, message by message."""

    session_id: str
    title: str | None = None
    sessions: int = 0
    sent: int = 0
    unchanged: int = 0
    quarantined: int = 0
    quarantined_before: int = 0
    """Messages among the unchanged ones that an earlier run quarantined."""
    unclear: int = 0
    """Messages that the server failed on, perhaps not for good."""
    reason: str | None = None
    """Why the last message was quarantined or is unclear."""
    is_partial: bool = False
    """The agent was still writing the session."""
    excluded: str | None = None
    """Why nothing was delivered nor will be: the user's decision, not a failure."""
    belongs_to: str | None = None
    """The name of the destination that it goes to, if it is excluded from this one for that."""
    removed: SyncState | None = None
    """DELETED or FORGOTTEN: nothing was delivered, as the user removed the session."""
    redacted: Mapping[str, int] = field(default_factory=Counter)
    """The secrets that were taken out of what was sent, by kind."""
    losses: Mapping[str, int] = field(default_factory=Counter)
    """What was cut from the texts, by kind."""
    cost_change: float = 0.0
    """USD by which the same tokens cost more than before: prices have changed."""
    skipped: Mapping[Skipped, int] = field(default_factory=Counter)
    """What the source did not take over from the agent's files."""

    @property
    def withheld(self) -> str | None:
        """Return why nothing is sent, and what brings back a session that the user removed."""
        if self.excluded or self.removed is None:
            return self.excluded
        where = "at the destination" if self.removed is SyncState.DELETED else "by `forget`"
        return f"deleted {where}; `opensync-hooks sync --force {self.session_id}` sends it again"

    @property
    def state(self) -> SyncState:
        """What came of the session and its subagents together."""
        if self.excluded:
            return SyncState.EXCLUDED
        if self.removed:
            return self.removed
        if self.is_partial or self.unclear:
            return SyncState.WAITING
        has_losses = any(skipped.is_loss for skipped, count in self.skipped.items() if count)
        if has_losses and not (self.sent or self.unchanged or self.quarantined):
            return SyncState.NOT_UNDERSTOOD
        if self.quarantined or self.quarantined_before:
            return SyncState.QUARANTINED
        if has_losses:
            return SyncState.INCOMPLETE
        return SyncState.SYNCED if self.sessions else SyncState.EMPTY

    def after(self, section: SyncOutcome) -> SyncOutcome:
        """Return the outcome of a session of which a section was delivered before.

        What was sent of it then is not unchanged, though this run found it so.
        """
        return replace(
            self,
            sent=self.sent + section.sent,
            unchanged=max(0, self.unchanged - section.sent),
            quarantined=self.quarantined + section.quarantined,
            quarantined_before=max(0, self.quarantined_before - section.quarantined),
            reason=self.reason or section.reason,
            redacted=Counter(self.redacted) + Counter(section.redacted),
            cost_change=self.cost_change + section.cost_change,
        )

    def __add__(self, other: SyncOutcome) -> SyncOutcome:
        """Add the outcome of a subagent, or of another part of the session."""
        return SyncOutcome(
            session_id=self.session_id,
            title=self.title or other.title,
            sessions=self.sessions + other.sessions,
            sent=self.sent + other.sent,
            unchanged=self.unchanged + other.unchanged,
            quarantined=self.quarantined + other.quarantined,
            quarantined_before=self.quarantined_before + other.quarantined_before,
            unclear=self.unclear + other.unclear,
            reason=other.reason or self.reason,
            is_partial=self.is_partial or other.is_partial,
            excluded=self.excluded,
            belongs_to=self.belongs_to,
            removed=self.removed,
            redacted=Counter(self.redacted) + Counter(other.redacted),
            cost_change=self.cost_change + other.cost_change,
            losses=Counter(self.losses) + Counter(other.losses),
            skipped=Counter(self.skipped) + Counter(other.skipped),
        )
