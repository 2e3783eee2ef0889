"""What the ledger knows of all sessions at one destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import NamedTuple

from opensync_hooks.dataclass import dataclass
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState
from opensync_hooks.ledger.sync_state import SyncState


@dataclass(frozen=True, slots=True)
class Summary:
    """One destination in figures."""

    sessions: int
    """What a user began and is at the destination, without those that are deficient.

    A subagent is counted as such, and a later part of a long session is part of that session.
    """
    messages: int
    quarantined: int
    """Messages that the destination refuses."""
    last_sync: int | None
    """When a session was last delivered completely, in ms since 1970."""
    unpriced: tuple[str, ...]
    """The models without a price."""
    stated_free: Mapping[str, float] = field(default_factory=dict)
    """The USD at list price of models that an agent states as free."""
    subagents: int = 0


class DeficientSession(NamedTuple):
    """A session that is not delivered whole, and why."""

    agent: str
    session_id: str
    state: SyncState

    @property
    def main_id(self) -> str:
        """The id to sync it by: subagents and parts are delivered with their session."""
        return self.session_id.partition("#")[0].partition(":")[0]


class QuarantinedMessage(NamedTuple):
    agent: str
    session_id: str
    message_id: str
    reason: str | None


def summarize(ledger: Ledger, destination: str) -> Summary:
    ((sessions, subagents, last_sync),) = ledger.rows(
        "SELECT count(CASE WHEN coalesce(parent, '') = '' THEN remote_id END),"
        " count(CASE WHEN parent <> '' THEN remote_id END), (SELECT max(synced_at) FROM session"
        " WHERE destination = ?) FROM session"
        " WHERE destination = ? AND outcome IS NULL AND instr(id, '#') = 0",
        *(destination, destination),  # Python 3.12 takes `?1` for a name
    )
    states = "SELECT state, count(*) FROM message WHERE destination = ? GROUP BY state"
    counts = dict(ledger.rows(states, destination))
    models = "SELECT unpriced FROM session WHERE destination = ? AND unpriced <> ''"
    unpriced = {name for (names,) in ledger.rows(models, destination) for name in names.split("\n")}
    free = (
        "SELECT model, sum(list_price) FROM stated_free WHERE destination = ?"
        " GROUP BY model ORDER BY model"
    )
    return Summary(
        sessions=sessions,
        messages=counts.get(MessageState.CONFIRMED.value, 0),
        quarantined=counts.get(MessageState.QUARANTINED.value, 0),
        last_sync=last_sync,
        unpriced=tuple(sorted(unpriced)),
        stated_free=dict(ledger.rows(free, destination)),
        subagents=subagents,
    )


def complete_sessions(ledger: Ledger, destination: str) -> dict[str, tuple[int, int]]:
    """Return, by agent, how many sessions were delivered completely, and when the last one was.

    A session without a message is not among them: the destination never opened it.
    """
    query = (
        "SELECT agent, count(*), max(synced_at) FROM session"
        " WHERE destination = ? AND fingerprint IS NOT NULL AND remote_id IS NOT NULL"
        " GROUP BY agent"
    )
    return {agent: (count, last) for agent, count, last in ledger.rows(query, destination)}


def masked_otherwise(ledger: Ledger, destination: str, digest: str) -> set[tuple[str, str]]:
    """Return agent and id of each session that is stored as other rules masked it."""
    query = (
        "SELECT agent, id FROM session"
        " WHERE destination = ? AND remote_id IS NOT NULL AND masking IS NOT ?"
    )
    return {(agent, session_id) for agent, session_id in ledger.rows(query, destination, digest)}


def deficient_sessions(ledger: Ledger, destination: str) -> Iterator[DeficientSession]:
    """Yield the sessions that are not understood, incomplete, or have quarantined messages."""
    query = (
        "SELECT agent, id, outcome FROM session"
        " WHERE destination = ? AND outcome IS NOT NULL ORDER BY agent, id"
    )
    for agent, session_id, outcome in ledger.rows(query, destination):
        yield DeficientSession(agent, session_id, SyncState(outcome))


def deleted_sessions(ledger: Ledger, destination: str) -> list[DeficientSession]:
    """Return the sessions that the user deleted there, without those that were forgotten here."""
    query = (
        "SELECT agent, id, removed FROM session"
        " WHERE destination = ? AND removed = ? ORDER BY agent, id"
    )
    rows = ledger.rows(query, destination, SyncState.DELETED.value)
    return [DeficientSession(agent, name, SyncState(removed)) for agent, name, removed in rows]


def stored_sessions(ledger: Ledger, destination: str) -> list[tuple[str, str, bool]]:
    """Return agent and id of each session there, the oldest first, and whether it was slimmed."""
    query = (
        "SELECT agent, id, slimmed_at IS NOT NULL FROM session"
        " WHERE destination = ? AND remote_id IS NOT NULL"
        " ORDER BY coalesce(confirmed_at, synced_at, 0), id"
    )
    return [(agent, name, bool(slim)) for agent, name, slim in ledger.rows(query, destination)]


def quarantined_messages(ledger: Ledger, destination: str) -> Iterator[QuarantinedMessage]:
    query = (
        "SELECT agent, session, id, reason FROM message"
        " WHERE destination = ? AND state = ? ORDER BY agent, session, id"
    )
    for row in ledger.rows(query, destination, MessageState.QUARANTINED.value):
        yield QuarantinedMessage(*row)
