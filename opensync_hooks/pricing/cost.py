"""The cost of API calls: as the agent states it, else by the price table."""

from dataclasses import replace

from opensync_hooks.model import Charge, Message, Session
from opensync_hooks.pricing.table import PriceTable


def cost(charge: Charge, table: PriceTable) -> float | None:
    """Return the USD of a call; None if its model has no price."""
    if charge.cost is not None:
        return charge.cost
    rates = table.rates(charge.model) if charge.model else None
    return rates.cost(charge.usage) if rates else None


def _list_price(charge: Charge, table: PriceTable) -> float | None:
    """Return what a call would have cost that the agent states as free; None if nothing."""
    is_free = charge.cost == 0
    return (cost(replace(charge, cost=None), table) or None) if is_free else None


def price(session: Session, table: PriceTable) -> Session:
    """Return the session with the cost in each charge, and in each message that bears one."""
    costs = {
        charge.id: (cost(charge, table), _list_price(charge, table)) for charge in session.charges
    }

    def with_cost(charge: Charge) -> Charge:
        usd, list_price = costs.get(charge.id, (None, None))
        return replace(charge, cost=usd, list_price=list_price)

    def price_message(message: Message) -> Message:
        return replace(message, charge=with_cost(message.charge)) if message.charge else message

    charges = tuple(map(with_cost, session.charges))
    return replace(session.map_messages(price_message), charges=charges)
