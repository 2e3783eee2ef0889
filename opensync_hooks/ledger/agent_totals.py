"""What the agent itself said that a session had cost, at several of its calls.

A fork begins with the total that its original had at the last call that was copied.
"""

from __future__ import annotations

from collections.abc import Iterable

from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import AgentTotal


def remember(record: SessionRecord, totals: Iterable[AgentTotal]) -> None:
    """Keep the totals of a session, of two at the same call the later one."""
    stated = {total.charge_id: total.cost for total in totals}
    if not stated:
        return
    key = (record.destination, record.agent, record.session_id)
    where = "WHERE destination = ? AND agent = ? AND session = ?"
    rows = record.ledger.rows(f"SELECT charge, cost FROM agent_total {where}", *key)  # noqa: S608
    if stated.items() <= dict(rows).items():
        return
    with record.ledger.transaction() as execute:
        for charge_id, cost in stated.items():
            insert = "INSERT OR REPLACE INTO agent_total VALUES (?, ?, ?, ?, ?)"
            execute(insert, *key, charge_id, cost)


def after_call(record: SessionRecord, session_id: str, charge_id: str) -> float | None:
    """Return the USD that another session had cost after one of its calls, if the agent said so."""
    rows = record.ledger.rows(
        "SELECT cost FROM agent_total"
        " WHERE destination = ? AND agent = ? AND session = ? AND charge = ?",
        *(record.destination, record.agent, session_id, charge_id),
    )
    return next((cost for (cost,) in rows), None)
