"""What the agent itself counts for a session, beside the sum of its calls.

The agent's total is of everything: subagents, calls that leave no response, and, in a fork,
whatever its original had cost. Without the latter, the figures of all sessions add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from opensync_hooks.ledger import agent_totals
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Charge, Session

_ROUNDING = 0.000_001
"""In USD: sums of floats differ by their order."""


def agent_cost(
    session: Session, record: SessionRecord, owners: Mapping[str, str], *, remembers: bool
) -> float | None:
    """Return the agent's count in USD for what is the session's own; None if that is not known.

    `owners`: the session that each call of a priced session is billed to. `remembers`: keep the
    totals for the session's forks. Calls since the last total are added to it.
    """
    if not session.agent_totals:
        return None
    copied, began = _copied(session, record, owners)
    if remembers:
        agent_totals.remember(record, session.agent_totals, began)
    if began is None or (not copied and _is_in_another_total(session, record, owners)):
        return None
    last, copied_ids = session.agent_totals[-1], {charge.id for charge in copied}
    total = last.cost - began
    for charge in session.charges:
        if (owners[charge.id] == session.id) is (charge.id in copied_ids):
            # Copied, but billed here; or this session's own, but billed to its fork.
            total += (charge.cost or 0) * (1 if charge.id in copied_ids else -1)
    later = session.charges[_stated(session.charges, last.charge_id) :]
    return max(0.0, add_calls(total, (c for c in later if owners[c.id] == session.id)))


def add_calls(agent_cost: float, charges: Iterable[Charge]) -> float:
    """Return the agent's count with the cost of later calls."""
    return reduce(lambda total, charge: total + (charge.cost or 0), charges, agent_cost)


def _copied(
    session: Session, record: SessionRecord, owners: Mapping[str, str]
) -> tuple[Sequence[Charge], float | None]:
    """Return the calls that a fork began with, and what the original had cost then, if known."""
    made_elsewhere = [charge for charge in session.charges if charge.made_in]
    billed_elsewhere = [charge for charge in session.charges if owners[charge.id] != session.id]
    # No fork states a total before its first call: one that does is the original of the others.
    stated = {total.charge_id for total in session.agent_totals}
    is_original = any(charge.id in stated for charge in billed_elsewhere)
    copied = made_elsewhere or ([] if is_original else billed_elsewhere)
    if not copied:
        return copied, 0.0
    response_id = next(charge.id for charge in copied if _is_of(copied[-1], charge.id))
    return copied, agent_totals.after_call(record, response_id)


def _is_in_another_total(
    session: Session, record: SessionRecord, owners: Mapping[str, str]
) -> bool:
    """Whether a fork that did not know what it began with has counted this session's total."""
    forks = set(owners.values()) - {session.id}
    return any(agent_totals.is_whole(record, fork) for fork in forks)


def _stated(charges: Sequence[Charge], charge_id: str) -> int:
    """Return how many calls came up to the one with this id and the requests beside it."""
    if not charge_id:
        return 0
    numbers = [number for number, charge in enumerate(charges, 1) if _is_of(charge, charge_id)]
    return numbers[-1] if numbers else len(charges)


def _is_of(charge: Charge, charge_id: str) -> bool:
    """Whether a charge is of the response with this id, or of a request beside it."""
    return f"{charge.id}:".startswith(f"{charge_id}:")


def other_calls(agent_cost: float | None, costs: Iterable[float | None]) -> float | None:
    """Return the USD that the agent counts beside the calls that left a response; None if unknown.

    Compactions, titles, side questions and a tool's own searches leave none. `costs`: of the
    session and of every subagent below it, each without what it copied. None among them stands for
    calls without a price, which make the difference meaningless.
    """
    own_costs = tuple(costs)
    if agent_cost is None or None in own_costs:
        return None
    difference = agent_cost - sum(filter(None, own_costs))
    return difference if difference > _ROUNDING else 0.0
