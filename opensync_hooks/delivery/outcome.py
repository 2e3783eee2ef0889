"""What came of a sync."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


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
    """Why the last message was quarantined or is unclear."""
    is_partial: bool = False
    """The agent was still writing the session."""
    excluded: str | None = None
    """Why nothing was delivered nor will be: the user's decision, not a failure."""
    redacted: Mapping[str, int] = field(default_factory=Counter)
    """The secrets that were taken out of what was sent, by kind."""
    losses: Mapping[str, int] = field(default_factory=Counter)
    """What of the sessions could not be delivered whole, by kind."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the session is left for a later run."""
        return not (self.excluded or self.is_partial or self.unclear)

    def __add__(self, other: SyncOutcome) -> SyncOutcome:
        """Add the outcome of a subagent, or of another part of the session."""
        return SyncOutcome(
            session_id=self.session_id,
            title=self.title or other.title,
            sessions=self.sessions + other.sessions,
            sent=self.sent + other.sent,
            unchanged=self.unchanged + other.unchanged,
            quarantined=self.quarantined + other.quarantined,
            unclear=self.unclear + other.unclear,
            reason=other.reason or self.reason,
            is_partial=self.is_partial or other.is_partial,
            excluded=self.excluded,
            redacted=Counter(self.redacted) + Counter(other.redacted),
            losses=Counter(self.losses) + Counter(other.losses),
        )
