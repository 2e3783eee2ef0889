"""The sessions for which no hook asked, and which the worker delivered, or tried to, by itself."""

from __future__ import annotations

from typing import NamedTuple

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.system import clock


class CaughtUpSession(NamedTuple):
    """A session that changed without a hook."""

    agent: str
    session_id: str
    at: int
    """When that was noticed, in ms since 1970."""
    sent: int
    """How many messages were sent because of it."""
    is_complete: bool
    """Whether all of the session has been confirmed since."""


def note_attempt(record: SessionRecord, fingerprint: str) -> None:
    """Remember that the session as it is on disk is being caught up, however that ends."""
    row = (record.destination, record.agent, record.session_id, fingerprint, clock.now())
    with record.ledger.transaction() as execute:
        execute("INSERT OR REPLACE INTO catch_up VALUES (?, ?, ?, ?, ?, 0)", *row)


def note_sent(record: SessionRecord, messages: int) -> None:
    """Count messages that were sent although no hook had asked for their session."""
    update = (
        "UPDATE catch_up SET sent = sent + ? WHERE destination = ? AND agent = ? AND session = ?"
    )
    with record.ledger.transaction() as execute:
        execute(update, messages, record.destination, record.agent, record.session_id)


def was_attempted(record: SessionRecord, fingerprint: str) -> bool:
    """Return whether the session was caught up once, and has not changed since."""
    query = (
        "SELECT 1 FROM catch_up"
        " WHERE destination = ? AND agent = ? AND session = ? AND fingerprint = ?"
    )
    key = (record.destination, record.agent, record.session_id)
    return bool(record.ledger.rows(query, *key, fingerprint))


def sessions(ledger: Ledger, destination: str) -> list[CaughtUpSession]:
    """Return what was caught up at one destination, the latest first."""
    query = (
        "SELECT c.agent, c.session, at, sent, coalesce(synced_at >= at, 0)"
        " FROM catch_up c LEFT JOIN session s"
        " ON s.destination = c.destination AND s.agent = c.agent AND s.id = c.session"
        " WHERE c.destination = ? ORDER BY at DESC"
    )
    return [
        CaughtUpSession(agent, session_id, at, sent, bool(is_complete))
        for agent, session_id, at, sent, is_complete in ledger.rows(query, destination)
    ]
