"""What a session itself cost, without the API calls that it copied from another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opensync_hooks.delivery.agent_cost import agent_cost
from opensync_hooks.delivery.spending import Spending, by_day
from opensync_hooks.ledger import charges
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Session, Usage
from opensync_hooks.pricing.cost import unpriced_name


@dataclass(frozen=True, slots=True)
class Costs:
    """The totals of a session, and the charges that they are made of."""

    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    """USD; None where no model has a price."""
    charge_ids: frozenset[str] = frozenset()
    unpriced: tuple[str, ...] = ()
    """The models of calls without a price, each with what the call says of it: `name (fast)`."""
    stated_free: Mapping[str, float] = field(default_factory=dict)
    """The USD at list price of models that have a price, but that the agent states as free."""
    forked_from: str | None = None
    """The session that owns the last charge that was copied."""
    agent_cost: float | None = None
    """USD by the agent's own count, for the session's own calls, its subagents, and calls that left
    no response; None if the agent does not say, or what a fork began with is not known."""
    agent_cost_is_guess: bool = False
    """The agent did not know the price of one of the models."""
    spending: tuple[Spending, ...] = ()
    """The own charges by day, model and basis."""


def bill(session: Session, record: SessionRecord, *, claims: bool) -> Costs:
    """Return what is billed to a priced session.

    `claims`: from now on the session owns each charge that no other one has claimed before.
    """
    owners_of = charges.claim if claims else charges.owners
    owners = owners_of(record, (charge.id for charge in session.charges))
    own = [charge for charge in session.charges if owners[charge.id] == session.id]
    costs = [charge.cost for charge in own if charge.cost is not None]
    unpriced = {unpriced_name(charge) for charge in own if charge.model and charge.cost is None}
    copied = [charge for charge in session.charges if owners[charge.id] != session.id]
    stated_free: dict[str, float] = {}
    for charge in own:
        if charge.model and charge.cost == 0 and charge.list_price:
            stated_free[charge.model] = stated_free.get(charge.model, 0) + charge.list_price
    return Costs(
        usage=sum((charge.usage for charge in own), Usage()),
        cost=sum(costs) if costs else None,
        charge_ids=frozenset(charge.id for charge in own),
        unpriced=tuple(sorted(unpriced)),
        stated_free=stated_free,
        forked_from=owners[copied[-1].id] if copied else None,
        agent_cost=agent_cost(session, record, owners, remembers=claims),
        agent_cost_is_guess=any(total.is_guess for total in session.agent_totals[-1:]),
        spending=by_day(own, session.created_at),
    )
