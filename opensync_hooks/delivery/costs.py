"""What a session itself cost, without the API calls that it copied from another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from functools import reduce
from operator import add

from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.agent_cost import add_calls, agent_cost
from opensync_hooks.delivery.spending import Spending, by_day
from opensync_hooks.ledger import agent_totals, charges
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
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Of each model, in all calls."""


NO_COSTS = Costs()


def bill(
    session: Session, record: SessionRecord, *, claims: bool, earlier: Costs = NO_COSTS
) -> Costs:
    """Return what is billed to a priced session, added to what `earlier` calls of it cost.

    `claims`: from now on the session owns each charge that no other one has claimed before.
    """
    owners_of = charges.claim if claims else charges.owners
    owners = owners_of(record, (charge.id for charge in session.charges))
    own = [charge for charge in session.charges if owners[charge.id] == session.id]
    costs = [charge.cost for charge in own if charge.cost is not None]
    unpriced = {unpriced_name(charge) for charge in own if charge.model and charge.cost is None}
    copied = [charge for charge in session.charges if owners[charge.id] != session.id]
    stated_free, tokens = dict(earlier.stated_free), Counter(earlier.tokens)
    for charge in session.charges:
        if charge.model:
            tokens[charge.model] += charge.usage.prompt_tokens + charge.usage.completion_tokens
    for charge in own:
        if charge.model and charge.cost == 0 and charge.list_price:
            stated_free[charge.model] = stated_free.get(charge.model, 0) + charge.list_price
    if session.is_resumed:
        is_guess, counted = earlier.agent_cost_is_guess, earlier.agent_cost
        counted = None if counted is None else add_calls(counted, own)
        if claims:
            agent_totals.remember(record, session.agent_totals, 0.0)
    else:
        is_guess = any(total.is_guess for total in session.agent_totals[-1:])
        counted = agent_cost(session, record, owners, remembers=claims)
    return Costs(
        usage=sum((charge.usage for charge in own), earlier.usage),
        cost=reduce(add, costs, earlier.cost or 0.0) if costs else earlier.cost,
        charge_ids=frozenset(charge.id for charge in own),
        unpriced=tuple(sorted(unpriced.union(earlier.unpriced))),
        stated_free=stated_free,
        forked_from=owners[copied[-1].id] if copied else earlier.forked_from,
        agent_cost=counted,
        agent_cost_is_guess=is_guess,
        spending=by_day(own, session.created_at, earlier.spending),
        tokens=dict(tokens),
    )
