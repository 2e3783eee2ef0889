"""Which session owns each API call: the first one that ever claimed it.

A fork copies the calls of the session it came from; they are billed to one of the two.
"""

from __future__ import annotations

from collections.abc import Iterable

from opensync_hooks.ledger.session_record import SessionRecord

_SELECT = "SELECT session FROM charge WHERE destination = ? AND agent = ? AND id = ?"


def claim(record: SessionRecord, charge_ids: Iterable[str]) -> dict[str, str]:
    """Claim for the session what nobody has claimed, and return the owner of each charge."""
    insert = "INSERT OR IGNORE INTO charge VALUES (?, ?, ?, ?)"
    owners: dict[str, str] = {}
    with record.ledger.transaction() as execute:
        for charge_id in charge_ids:
            charge_key = (record.destination, record.agent, charge_id)
            execute(insert, *charge_key, record.session_id)
            ((owners[charge_id],),) = execute(_SELECT, *charge_key)
    return owners


def owners(record: SessionRecord, charge_ids: Iterable[str]) -> dict[str, str]:
    """Return what `claim` would, without claiming anything."""
    ids = tuple(charge_ids)
    return dict.fromkeys(ids, record.session_id) | claimed(record, ids)


def claimed(record: SessionRecord, charge_ids: Iterable[str]) -> dict[str, str]:
    """Return the owners of the charges that any session has claimed so far."""
    owner_by_id: dict[str, str] = {}
    for charge_id in charge_ids:
        for (owner,) in record.ledger.rows(_SELECT, record.destination, record.agent, charge_id):
            owner_by_id[charge_id] = owner
    return owner_by_id


def hand_over(record: SessionRecord, charge_ids: Iterable[str], owner: str) -> None:
    """Have another session own charges that this one copied; a third one's stay with it."""
    with record.ledger.transaction() as execute:
        for charge_id in charge_ids:
            execute(
                "UPDATE charge SET session = ?"
                " WHERE destination = ? AND agent = ? AND id = ? AND session = ?",
                *(owner, record.destination, record.agent, charge_id, record.session_id),
            )
