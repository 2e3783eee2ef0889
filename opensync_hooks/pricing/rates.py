"""The prices of one model: what a token costs, at which speed, in which period."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, replace
from datetime import date
from typing import Any, NamedTuple

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Usage

TOKEN_RATES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")


def _is_number(price: Any) -> bool:
    return type(price) in (int, float) and math.isfinite(price) and price >= 0


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens, and per search."""

    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    search: float | None = None
    """USD for one web search; None if no price is published."""
    above: int | None = None
    """A call with more prompt tokens than this pays `beyond` for all of its tokens."""
    beyond: Rates | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Rates:
        """Return the rates of a row of `table.json`."""
        rates = {entry.name: row[entry.name] for entry in fields(cls) if entry.name in row}
        if "beyond" in row:
            rates["beyond"] = cls.from_row(row["beyond"])
        return cls(**rates)

    def check(self) -> None:
        """Raise ValueError or TypeError for a price that is none."""
        prices = [getattr(self, name) for name in TOKEN_RATES]
        if not all(map(_is_number, (*prices, self.search or 0))):
            raise ValueError("a price is not a number from 0 on")
        if self.beyond:
            if type(self.above) is not int:
                raise ValueError("a length of prompts is not a number of tokens")
            self.beyond.check()

    def scaled(self, factor: float) -> Rates:
        """Return the rates with every token's price multiplied; a search costs what it did."""
        prices = {name: getattr(self, name) * factor for name in TOKEN_RATES}
        return replace(self, **prices, beyond=self.beyond and self.beyond.scaled(factor))

    def cost(self, usage: Usage) -> float | None:
        """Return the USD for one call; None for searches that have no price.

        Reasoning is part of the output and not charged twice.
        """
        if self.beyond and self.above is not None and usage.prompt_tokens > self.above:
            tokens_usd = self.beyond.tokens_usd(usage)
        else:
            tokens_usd = self.tokens_usd(usage)
        if not usage.web_searches:
            return tokens_usd
        return None if self.search is None else tokens_usd + usage.web_searches * self.search

    def tokens_usd(self, usage: Usage) -> float:
        """Return the USD for the tokens of a call at exactly these rates."""
        usd_per_million = (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_5m_tokens * self.cache_write_5m
            + usage.cache_write_1h_tokens * self.cache_write_1h
        )
        return usd_per_million / 1_000_000


@dataclass(frozen=True, slots=True)
class DatedRates:
    """The rates of one period, and of the periods before it."""

    rates: Rates
    since: date | None = None
    """The first day of the period; None for the first one."""
    earlier: DatedRates | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> DatedRates:
        """Return the periods of a row of `table.json`."""
        return cls(
            Rates.from_row(row),
            date.fromisoformat(row["from"]) if "from" in row else None,
            cls.from_row(row["earlier"]) if "earlier" in row else None,
        )

    def check(self) -> None:
        """Raise ValueError or TypeError for a price that is none."""
        self.rates.check()
        if self.earlier:
            self.earlier.check()

    def on(self, day: date) -> Period | None:
        """Return the period that a day is in; None for a day before the first one."""
        current: DatedRates | None = self
        until: date | None = None
        while current is not None:
            if current.since is None or current.since <= day:
                return Period(current.rates, current.since, until)
            until, current = current.since, current.earlier
        return None


class Period(NamedTuple):
    rates: Rates
    since: date | None
    until: date | None
    """The first day of the next period; None if no change is known."""


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """Everything that one model's calls may cost."""

    standard: DatedRates
    variants: Mapping[str, DatedRates] = field(default_factory=dict)
    """Ways to run it that have rates of their own: `fast`, `batch`."""
    factors: Mapping[str, float] = field(default_factory=dict)
    """What multiplies the price of all tokens: `us`, `regional`."""

    def check(self) -> None:
        """Raise ValueError or TypeError for a price that is none."""
        for dated in (self.standard, *self.variants.values()):
            dated.check()
        if not all(map(_is_number, self.factors.values())):
            raise ValueError("a factor is not a number from 0 on")

    def on(self, day: date, terms: Iterable[str]) -> Period | None:
        """Return the rates of a call; None if one of its terms has no rate on that day."""
        period, factor = self.standard.on(day), 1.0
        for term in terms:
            if term in self.variants:
                period = self.variants[term].on(day)
            elif term in self.factors:
                factor *= self.factors[term]
            else:
                return None
        if period is None or factor == 1:
            return period
        return period._replace(rates=period.rates.scaled(factor))
