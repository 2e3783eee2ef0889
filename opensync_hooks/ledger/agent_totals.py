"""What the agent itself said that a session had cost, at several of its calls.

A fork begins with the total that its original had at the last call that was copied.
"""

from __future__ import annotations

from collections.abc import Iterable

from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import AgentTotal

_WHERE = "WHERE destination = ? AND agent = ?"


def remember(record: SessionRecord, totals: Iterable[AgentTotal], began: float | None) -> None:
    """Keep the totals of a session, of two at the same call the later one.

    `began`: the USD that a fork began with; 0 for any other session, None if that is not known.
    """
    stated = {total.charge_id: (total.cost, began) for total in totals}
    if not stated:
        return
    query = f"SELECT charge, cost, began FROM agent_total {_WHERE} AND session = ?"  # noqa: S608
    rows = record.ledger.rows(query, *record.key)
    if stated.items() <= {charge_id: tuple(values) for charge_id, *values in rows}.items():
        return
    with record.ledger.transaction() as execute:
        for charge_id, values in stated.items():
            insert = "INSERT OR REPLACE INTO agent_total VALUES (?, ?, ?, ?, ?, ?)"
            execute(insert, *record.key, charge_id, *values)


def after_call(record: SessionRecord, charge_id: str) -> float | None:
    """Return the USD that another session had cost after a call, if the agent said so there."""
    query = f"SELECT max(cost) FROM agent_total {_WHERE} AND charge = ? AND session <> ?"  # noqa: S608
    values = (record.destination, record.agent, charge_id, record.session_id)
    ((cost,),) = record.ledger.rows(query, *values)
    return None if cost is None else float(cost)


def is_whole(record: SessionRecord, session_id: str) -> bool:
    """Whether another session's totals were taken as all its own, from the first call on."""
    query = f"SELECT 1 FROM agent_total {_WHERE} AND session = ? AND began = 0"  # noqa: S608
    return bool(record.ledger.rows(query, record.destination, record.agent, session_id))
