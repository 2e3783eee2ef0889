"""The calls of a session added up by day, model and basis, for reports that need no message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from datetime import UTC, date, datetime

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Charge, Usage


@dataclass(slots=True)
class Spending:
    """All calls of one model on one day, with one basis of their cost."""

    day: date | None
    """The local day of the calls; None if no time is known."""
    model: str | None
    basis: str | None
    """`agent`, `list`, `user` or `estimate`, as in Charge; None: the calls have no price."""
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    list_price: float = 0.0
    """USD by the price table, where the agent states the cost itself."""


def by_day(
    charges: Iterable[Charge], fallback_at: int | None, earlier: Iterable[Spending] = ()
) -> tuple[Spending, ...]:
    """Return the sums, in the order of the calls, added to those of `earlier` calls.

    `fallback_at`: ms, for calls without a time.
    """
    sums = {(entry.day, entry.model, entry.basis): replace(entry) for entry in earlier}
    for charge in charges:
        key = (_local_day(charge.at or fallback_at), charge.model, charge.basis)
        entry = sums.setdefault(key, Spending(*key))
        entry.calls += 1
        entry.usage += charge.usage
        entry.cost += charge.cost or 0
        entry.list_price += charge.list_price or 0
    return tuple(sums.values())


def _local_day(milliseconds: int | None) -> date | None:
    if not milliseconds:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().date()
    except (OverflowError, OSError, ValueError):
        return None
