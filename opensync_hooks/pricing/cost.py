"""The cost of API calls: as the agent states it, else by the price table, as of their day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from opensync_hooks.messages import MappedMessages
from opensync_hooks.model import Charge, Message, Session, Usage
from opensync_hooks.pricing.table import PriceTable, Quote, day_and_hour

_QuoteKey = tuple[str, date | None, tuple[str, ...], int | None]


class Pricer:
    """Prices the calls of one session; most of them share a model and a day."""

    def __init__(self, table: PriceTable, fallback_at: int | None = None) -> None:
        """`fallback_at`: the time, in ms since 1970, of calls that have none of their own."""
        self._table = table
        self._fallback_at = fallback_at
        self._quotes: dict[_QuoteKey, Quote | None] = {}

    def price(self, charge: Charge) -> Charge:
        """Return the charge with its cost and the basis of it; both None if there is no price."""
        listed = self._listed(charge)
        if charge.cost is None:
            return listed
        return replace(charge, list_price=listed.cost or None, basis=charge.basis or "agent")

    def _listed(self, charge: Charge) -> Charge:
        day, hour = day_and_hour(self._fallback_at if charge.at is None else charge.at)
        key = (charge.model or "", day, charge.terms, hour)
        if key not in self._quotes:
            self._quotes[key] = self._table.quote(*key) if charge.model else None
        quote = self._quotes[key]
        usd = None if quote is None else _usd(charge, quote)
        if quote is None or usd is None:
            return replace(charge, cost=None, basis=None)
        return replace(charge, cost=usd, basis=charge.basis or quote.basis)


def _usd(charge: Charge, quote: Quote) -> float | None:
    if not charge.steps:
        return quote.cost(charge.usage)
    searches = quote.cost(Usage(web_searches=charge.usage.web_searches))
    steps = [quote.cost(replace(step, web_searches=0)) for step in charge.steps]
    return None if searches is None else searches + sum(filter(None, steps))


def unpriced_name(charge: Charge) -> str:
    """Return the model of a call that has no price, with what the call says of it."""
    facts = [*charge.terms, *(["web searches"] if charge.usage.web_searches else [])]
    return f"{charge.model} ({', '.join(facts)})" if facts else charge.model or ""


def price(session: Session, table: PriceTable) -> Session:
    """Return the session with the cost in each charge, and in each message that bears one."""
    pricer = Pricer(table, session.created_at)
    priced = {charge.id: pricer.price(charge) for charge in session.charges}

    def with_cost(message: Message) -> Message:
        charge = message.charge
        if charge is None:
            return message
        return replace(message, charge=priced.get(charge.id) or pricer.price(charge))

    return replace(
        session,
        messages=MappedMessages(session.messages, with_cost),
        charges=tuple(priced.values()),
    )
