"""Reads sessions back from the destination, compares them, and repairs what differs.

Three things are compared: what the agent has on the disk, by the census; what the reader reads; and
what the destination stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from opensync_hooks.agents import registry
from opensync_hooks.agents.census import Census
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.verify import census_check
from opensync_hooks.cli.verify.census_check import SessionCount
from opensync_hooks.cli.verify.comparison import Comparison, Difference
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery import adoption
from opensync_hooks.delivery.deletions import deleted_ids
from opensync_hooks.delivery.diff import SessionDiff
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_lock import session_lock
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Json, Skipped
from opensync_hooks.privacy.cleaning import mask_json
from opensync_hooks.privacy.exclusion import Exclusions

_LOCK_TIMEOUT_S = 30
_BEYOND_REPAIR = (
    *("double message", "surplus message", "quarantined"),
    *("census", "nothing understood", "not read", "missing session"),
)
"""OpenSync deletes no message, and accepts none that it has refused. What the reader does not read
cannot be sent. A session that is missing was deleted there: only `sync --force` sends it again.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The comparison of one session, with its subagents."""

    session_id: str
    title: str | None = None
    messages: int = 0
    parts: int = 0
    differences: tuple[Difference, ...] = ()
    surplus: int = 0
    """Stored messages that the agent no longer has."""
    later: int = 0
    """Messages whose stored time is later than ours; OpenSync never changes a time."""
    is_partial: bool = False
    """The agent was still writing the session."""
    excluded: str | None = None
    """Why the session was not compared."""
    censuses: tuple[Census, ...] = ()
    """The counts of the session on the disk, then of its subagents."""

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
        agent, session_id = source.agent, located.session_id
        censuses = self._take_census(agent, located)
        verdict = Verdict(session_id, censuses=tuple(censuses.values()))
        sessions: dict[str, SessionCount] = {}
        excluded: set[str] = set()
        locks = self.syncer.config.folders.locks
        with session_lock(locks, agent, session_id, _LOCK_TIMEOUT_S):
            for changes in self.syncer.preview(source, located):
                if isinstance(changes, SessionDiff):
                    suffix = "" if changes.number == 1 else f"#{changes.number}"
                    name = changes.session.id.removesuffix(suffix)
                    session = sessions.setdefault(name, SessionCount(name))
                    verdict = self._add(verdict, changes, session)
                elif changes.withheld is None:
                    verdict = self._add_kept(verdict, changes)
                elif changes.session_id == session_id:
                    return Verdict(session_id, excluded=changes.withheld)
                else:
                    excluded.add(changes.session_id)
            counted = {name: censuses[name] for name in censuses.keys() - excluded}
            for name in counted.keys() - sessions.keys():
                sessions |= self._richer_copy(agent, name)
            differences = tuple(_census_differences(verdict, counted, sessions))
            if differences and self._take_census(agent, located) != censuses:
                return replace(verdict, is_partial=True)  # the agent is writing the session
        return replace(verdict, differences=verdict.differences + differences)

    def _take_census(self, agent: str, located: Located) -> dict[str, Census]:
        """Return the censuses by session; none for a private session, which nothing may read."""
        exclusions = Exclusions.from_config(self.syncer.config)
        entry = registry.get(agent)
        if entry is None or exclusions.private_reason(agent, located.session_id):
            return {}
        return {census.session_id: census for census in entry.census(located)}

    def _add_kept(self, verdict: Verdict, kept: SyncOutcome) -> Verdict:
        """Add a session of which a richer copy was delivered than can be read now."""
        lost = _not_read(kept.session_id, kept.skipped)
        is_partial = verdict.is_partial or kept.is_partial
        differences = (*verdict.differences, *(() if kept.is_partial else lost))
        return replace(verdict, differences=differences, is_partial=is_partial)

    def _richer_copy(self, agent: str, session_id: str) -> dict[str, SessionCount]:
        """Return the count of a session that is not sent, as a richer copy of it was."""
        record = SessionRecord(self.syncer.ledger, self.syncer.account(), agent, session_id)
        remote = record.remote_session() if record.origin() else None
        stored = self.destination.fetch(session_id, remote.remote_id) if remote else None
        if stored is None:
            return {}
        session = SessionCount(session_id, is_richer=True)
        session.add_stored(stored["session"], stored["messages"])
        return {session_id: session}

    def repair(self, source: Source, located: Located, verdict: Verdict) -> None:
        """Send again exactly what differs. Raises what `Syncer.sync` raises."""
        for session_id in {difference.session_id for difference in verdict.differences}:
            record = SessionRecord(
                self.syncer.ledger, self.syncer.account(), source.agent, session_id
            )
            differences = [
                difference
                for difference in verdict.differences
                if difference.session_id == session_id and difference.kind not in _BEYOND_REPAIR
            ]
            if differences and record.remote_session() is not None:
                message_ids = (difference.message_id for difference in differences)
                record.mark_pending(list(filter(None, message_ids)))
        self.syncer.sync(source, located)

    def _add(self, verdict: Verdict, changes: SessionDiff, count: SessionCount) -> Verdict:
        """Compare a part of the session itself, or of one of its subagents."""
        session, existing = changes.session, changes.existing
        stored = self.destination.fetch(session.id, existing.remote_id if existing else None)
        changes = adoption.expected(changes, stored) if stored else changes
        remote_id = str(stored["session"]["id"]) if stored else ""
        mask = partial(mask_json, config=self.syncer.config)
        comparison = Comparison(session.id, remote_id, mask=mask)
        differences = [*_differences(count.watch(changes), stored, comparison, count)]
        if not session.is_partial:  # complete now that all messages were read
            differences += _not_read(session.id, changes.skipped())
        return replace(
            verdict,
            title=verdict.title or session.title,
            messages=verdict.messages + comparison.messages,
            parts=verdict.parts + comparison.parts,
            differences=(*verdict.differences, *differences),
            surplus=verdict.surplus + comparison.surplus,
            later=verdict.later + comparison.later,
            is_partial=verdict.is_partial or session.is_partial,
        )


def _not_read(session_id: str, skipped: Mapping[Skipped, int]) -> Iterator[Difference]:
    for lost, number in skipped.items():
        if lost.is_loss and number:
            yield Difference("not read", session_id, f"not read: {number} {lost.name}")


def _differences(
    changes: SessionDiff, stored: Json | None, comparison: Comparison, count: SessionCount
) -> Iterator[Difference]:
    messages = count.watch_messages(changes.messages())
    if stored is not None:
        is_behind, deleted = changes.is_behind, deleted_ids(changes)
        count.is_richer = is_behind
        sent = comparison.session(*changes.session_payload(), stored["session"])
        differences = () if is_behind else tuple(sent)
        yield from differences
        is_unlisted = not is_behind and "source" not in stored["session"]
        if not differences and is_unlisted and _was_sent_otherwise(changes):
            yield comparison.difference("changed field", "its source or time was sent differently")
        for difference in comparison.all_messages(messages, stored["messages"], deleted):
            if not (is_behind and difference.kind == "surplus message"):
                yield difference
        undone = [id(row) for row in comparison.undone]
        rows = (row for row in stored["messages"] if id(row) not in undone)
        count.add_stored(stored["session"], rows)
        return
    count.is_stored = False
    has_due = [bool(diff.existing or diff.is_due) for diff in messages]
    if changes.existing is not None:
        fact = "the session was deleted at the destination; only `sync --force` sends it again"
        yield comparison.difference("missing session", fact)
    elif any(has_due):
        yield comparison.difference("not synced", "the session is not synced yet")


def _was_sent_otherwise(changes: SessionDiff) -> bool:
    """Whether what was confirmed last of the session itself is not what would be sent now."""
    existing = changes.existing
    if existing is None or existing.others != changes.others:  # others have sent something since
        return False
    return existing.hash not in (None, changes.session_hash())


def _census_differences(
    verdict: Verdict, censuses: Mapping[str, Census], sessions: Mapping[str, SessionCount]
) -> Iterator[Difference]:
    named = {difference.session_id.partition("#")[0] for difference in verdict.differences}
    for session_id, census in censuses.items():
        if session_id in sessions:
            is_explained = session_id in named
            yield from census_check.compare(census, sessions[session_id], is_explained=is_explained)
    yield from census_check.compare_unread(verdict.session_id, censuses, sessions)
