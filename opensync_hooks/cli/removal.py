"""Removes sessions from everything that we keep: store, ledger, queue and backups.

The agent's own files stay, and a forgotten session stays away until `sync --force SESSION`.
"""

from __future__ import annotations

from collections.abc import Iterator

from opensync_hooks.agents import registry
from opensync_hooks.config import EMBEDDED_STORE, Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.session_lock import session_lock
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.destinations.store.upkeep import RemovableSession
from opensync_hooks.ledger import accounts, losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Trigger
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool

_LOCK_TIMEOUT_S = 30.0
# Also the later parts of a long session, and subagents, whose ids begin with their session's.
_RECORDS = """SELECT destination, agent, id, remote_id FROM session
    WHERE id = ? OR substr(id, 1, length(?) + 1) IN (? || '#', ? || ':')"""


@dataclass(frozen=True, slots=True)
class Removal:
    """What of one session would be removed."""

    stored: tuple[RemovableSession, ...]
    """The session and its subagents in the store."""
    agents: frozenset[str]
    """The agents that have a session with this id: one, if any has."""
    records: tuple[tuple[str, str, str], ...]
    """Destination, agent and id of each record in the ledger."""
    remote_urls: tuple[str, ...]
    """The OpenSync accounts that have it, and keep it."""


def plan(session_id: str, store: Store, ledger: Ledger) -> Removal:
    stored = tuple(store.family(session_id))
    ids = dict.fromkeys((session_id, *(session.session_id for session in stored)))
    rows = [row for id_ in ids for row in ledger.rows(_RECORDS, id_, id_, id_, id_)]
    sources = {session.source for session in stored}
    agents = {agent for _, agent, _, _ in rows}
    agents |= {a.name for a in registry.AGENTS if registry.opensync_name(a.name) in sources}
    if not agents and (located := registry.find(session_id)):
        agents.add(located[0].agent)
    urls = (name for name, _, _, remote_id in rows if name != EMBEDDED_STORE and remote_id)
    records = dict.fromkeys((destination, agent, id_) for destination, agent, id_, _ in rows)
    return Removal(stored, frozenset(agents), tuple(records), tuple(dict.fromkeys(urls)))


def forget(session_id: str, removal: Removal, store: Store, ledger: Ledger, config: Config) -> None:
    """Remove the session, and remember only that it is not to be delivered again.

    Raises BusyError if a run is delivering it and does not end.
    """
    account, spool = accounts.expected(ledger, config), Spool(config.folders.spool)
    backups = SessionBackups.from_config(config)
    for agent in removal.agents:
        with session_lock(config.folders.locks, agent, session_id, _LOCK_TIMEOUT_S):
            records = dict.fromkeys((*removal.records, (account, agent, session_id)))
            for record in (SessionRecord(ledger, *key) for key in records):
                losses.set_losses(record, {})
                losses.set_skipped(record, {}, None)
                record.set_removed(SyncState.FORGOTTEN)
            spool.drop(Job(Trigger(agent, session_id), {}, 0).name)
            backups.delete(agent, session_id)
            store.delete_sessions(_ids(removal))
    if not removal.agents:  # of another program, which came through the routes
        store.delete_sessions(_ids(removal))


def prune(sessions: list[RemovableSession], store: Store, ledger: Ledger) -> None:
    """Delete sessions from the store. One that goes on is delivered again, and as a whole."""
    for session in sessions:
        keys = ledger.rows(
            "SELECT destination, agent, id FROM session WHERE destination = ? AND id = ?",
            *(EMBEDDED_STORE, session.session_id),
        )
        for record in (SessionRecord(ledger, *key) for key in keys):
            fingerprint = record.fingerprint()
            record.forget()
            if fingerprint:  # what it is now is not to come back
                record.set_fingerprint(fingerprint)
    store.delete_sessions(session.session_id for session in sessions)
    store.compact()


def _ids(removal: Removal) -> Iterator[str]:
    return (session.session_id for session in removal.stored)
