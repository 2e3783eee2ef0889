"""Which session owns each API call: the first one that ever claimed it.

A fork copies the calls of the session it came from; they are billed to one of the two.
"""

from __future__ import annotations

from collections.abc import Iterable

from opensync_hooks.ledger.session_record import SessionRecord


def claim(record: SessionRecord, charge_ids: Iterable[str]) -> dict[str, str]:
    """Claim for the session what nobody has claimed, and return the owner of each charge."""
    ids, (destination, agent, session_id) = tuple(charge_ids), record.key
    with record.ledger.transaction() as execute:
        rows = ((destination, agent, charge_id, session_id) for charge_id in ids)
        execute.many("INSERT OR IGNORE INTO charge VALUES (?, ?, ?, ?)", rows)
        return owners(record, ids)


def owners(record: SessionRecord, charge_ids: Iterable[str]) -> dict[str, str]:
    """Return what `claim` would, without claiming anything."""
    ids = tuple(charge_ids)
    return dict.fromkeys(ids, record.session_id) | claimed(record, ids)


def claimed(record: SessionRecord, charge_ids: Iterable[str]) -> dict[str, str]:
    """Return the owners of the charges that any session has claimed so far."""
    query = "SELECT id, session FROM charge WHERE destination = ? AND agent = ? AND id IN"
    return dict(record.ledger.rows_in(query, record.destination, record.agent, among=charge_ids))


def hand_over(record: SessionRecord, charge_ids: Iterable[str], owner: str) -> None:
    """Have another session own charges that this one copied; a third one's stay with it."""
    with record.ledger.transaction() as execute:
        for charge_id in charge_ids:
            execute(
                "UPDATE charge SET session = ?"
                " WHERE destination = ? AND agent = ? AND id = ? AND session = ?",
                *(owner, record.destination, record.agent, charge_id, record.session_id),
            )
