"""Reads sessions back from the destination, compares them, and repairs what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.verify.comparison import Comparison, Difference
from opensync_hooks.delivery.deletions import deleted_ids
from opensync_hooks.delivery.diff import SessionDiff
from opensync_hooks.delivery.session_lock import session_lock
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Json

_LOCK_TIMEOUT_S = 30
_BEYOND_REPAIR = ("double message", "quarantined")
"""OpenSync deletes no message, and accepts none that it has refused."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The comparison of one session, with its subagents."""

    session_id: str
    title: str | None = None
    messages: int = 0
    parts: int = 0
    differences: tuple[Difference, ...] = ()
    surplus: int = 0
    """Messages that the agent no longer has, which is not a fault."""
    later: int = 0
    """Messages whose stored time is later than ours; OpenSync never changes a time."""
    is_partial: bool = False
    """The agent was still writing the session."""
    excluded: str | None = None
    """Why the session was not compared."""

    @property
    def is_equal(self) -> bool:
        return not self.differences

    @property
    def is_repairable(self) -> bool:
        return any(difference.kind not in _BEYOND_REPAIR for difference in self.differences)


@dataclass(frozen=True, slots=True)
class Verifier:
    """Compares and repairs sessions; `syncer` delivers to `destination`."""

    syncer: Syncer
    destination: ReadableDestination

    def verify(self, source: Source, located: Located) -> Verdict:
        """Compare a session, and change nothing. Raises what `Syncer.sync` raises."""
        verdict = Verdict(located.session_id)
        locks = self.syncer.config.folders.locks
        with session_lock(locks, source.agent, located.session_id, _LOCK_TIMEOUT_S):
            for changes in self.syncer.preview(source, located):
                if isinstance(changes, SessionDiff):
                    verdict = self._add(verdict, changes)
                elif changes.session_id == located.session_id:
                    verdict = Verdict(located.session_id, excluded=changes.excluded)
        return verdict

    def repair(self, source: Source, located: Located, verdict: Verdict) -> None:
        """Send again exactly what differs. Raises what `Syncer.sync` raises."""
        for session_id in {difference.session_id for difference in verdict.differences}:
            record = SessionRecord(
                self.syncer.ledger, self.syncer.account(), source.agent, session_id
            )
            differences = [
                difference
                for difference in verdict.differences
                if difference.session_id == session_id
            ]
            if any(difference.kind == "missing session" for difference in differences):
                record.forget()
            elif record.remote_session() is not None:
                message_ids = (difference.message_id for difference in differences)
                record.mark_pending(list(filter(None, message_ids)))
        self.syncer.sync(source, located)

    def _add(self, verdict: Verdict, changes: SessionDiff) -> Verdict:
        """Compare the session itself, or one of its subagents."""
        session, existing = changes.session, changes.existing
        stored = self.destination.fetch(session.id, existing.remote_id if existing else None)
        comparison = Comparison(session.id, str(stored["session"]["id"]) if stored else "")
        differences = tuple(_differences(changes, stored, comparison))
        return Verdict(
            session_id=verdict.session_id,
            title=verdict.title or session.title,
            messages=verdict.messages + comparison.messages,
            parts=verdict.parts + comparison.parts,
            differences=verdict.differences + differences,
            surplus=verdict.surplus + comparison.surplus,
            later=verdict.later + comparison.later,
            is_partial=verdict.is_partial or session.is_partial,
        )


def _differences(
    changes: SessionDiff, stored: Json | None, comparison: Comparison
) -> Iterator[Difference]:
    if stored is not None:
        differences = tuple(comparison.session(*changes.session_payload(), stored["session"]))
        yield from differences
        if not differences and "source" not in stored["session"] and _was_sent_otherwise(changes):
            yield comparison.difference("changed field", "its source or time was sent differently")
        deleted = deleted_ids(changes)
        yield from comparison.all_messages(changes.messages(), stored["messages"], deleted)
    elif changes.existing is not None:
        yield comparison.difference("missing session", "the session was synced, but is missing")
    elif any(diff.existing or diff.is_due for diff in changes.messages()):
        yield comparison.difference("not synced", "the session is not synced yet")


def _was_sent_otherwise(changes: SessionDiff) -> bool:
    """Whether what was confirmed last of the session itself is not what would be sent now."""
    existing = changes.existing
    return existing is not None and existing.hash not in (None, changes.session_hash())
