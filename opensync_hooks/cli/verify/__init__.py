"""Proof of delivery: sessions read back and compared with what their agents say now; and mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.verify.comparison import Comparison, Difference, Sent
from opensync_hooks.delivery.delivery import Delivery
from opensync_hooks.delivery.session_sync import Syncer, SyncOutcome
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Json

_BEYOND_REPAIR = ("double message", "set aside")
"""OpenSync takes no message away, and takes none that it refuses."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of comparing one session, with its subagents."""

    session_id: str
    title: str | None = None
    messages: int = 0
    parts: int = 0
    differences: tuple[Difference, ...] = ()
    surplus: int = 0
    """Messages that the destination keeps and the agent no longer has: no fault."""
    later: int = 0
    """Messages that bear a later time there, which OpenSync never changes."""
    is_partial: bool = False
    """The agent was still writing the session."""
    excluded: str | None = None

    @property
    def is_equal(self) -> bool:
        return not self.differences

    @property
    def is_mendable(self) -> bool:
        return any(one.kind not in _BEYOND_REPAIR for one in self.differences)


@dataclass(frozen=True, slots=True)
class Verification:
    """Compares, and mends; `syncer` delivers to what `archive` reads from."""

    syncer: Syncer
    archive: ReadableDestination

    def verify(self, source: Source, located: Located) -> Verdict:
        """Changes nothing. Raises what `sync` raises, of a session that cannot be opened too."""
        verdict = Verdict(located.session_id)
        with self.syncer.alone(source.agent, located.session_id, 30):
            for one in self.syncer.preview(source, located):
                if isinstance(one, Delivery):
                    verdict = self._judged(verdict, one)
                elif one.session_id == located.session_id:
                    verdict = Verdict(located.session_id, excluded=one.reason)
        return verdict

    def repair(self, source: Source, located: Located, verdict: Verdict) -> SyncOutcome:
        """Send again exactly what differs. Raises what `sync` raises."""
        for session_id in dict.fromkeys(one.session_id for one in verdict.differences):
            record = SessionRecord(self.syncer.ledger, self.archive.name, source.agent, session_id)
            mine = [one for one in verdict.differences if one.session_id == session_id]
            if any(one.kind == "missing session" for one in mine):
                record.forget()
            elif record.remote_session() is not None:
                record.mark_pending([one.message_id for one in mine if one.message_id])
        return self.syncer.sync(source, located)

    def _judged(self, verdict: Verdict, delivery: Delivery) -> Verdict:
        known = delivery.known = delivery.record.remote_session()
        sent = list(_sent(delivery))
        held = self.archive.fetch(delivery.session.id, known.remote_id if known else None)
        compared = Comparison(delivery.session.id, str(held["session"]["id"]) if held else "")
        found = list(_compared(delivery, sent, held, compared))
        return Verdict(
            session_id=verdict.session_id,
            title=verdict.title or delivery.session.title,
            messages=verdict.messages + compared.messages,
            parts=verdict.parts + compared.parts,
            differences=(*verdict.differences, *found),
            surplus=verdict.surplus + compared.surplus,
            later=verdict.later + compared.later,
            is_partial=verdict.is_partial or delivery.session.is_partial,
        )


def _sent(delivery: Delivery) -> Iterator[Sent]:
    for message, body, extra, *_ in delivery.messages():
        name, entry = delivery.known_as(message)
        others = (one for one in (message.id, *message.aliases) if one != name)
        yield Sent((name, *others), body, extra, entry, message.undone, message.spare)


def _compared(
    delivery: Delivery, sent: list[Sent], held: Json | None, comparison: Comparison
) -> Iterator[Difference]:
    session_id, known = delivery.session.id, delivery.known
    if held is None:
        wanted = [one for one in sent if one.entry is not None or not one.undone]
        if known is not None:
            what = "the session was synced, and is not at the destination any more"
            yield Difference("missing session", session_id, what)
        elif wanted:
            yield Difference("not synced", session_id, "the session is not synced yet")
        return
    yield from comparison.head(*delivery.head(), held["session"])
    yield from comparison.all(sent, held["messages"])
