"""The price table: what models cost, by every name that they are known under.

To add a price, add a row to `table.json` with a `source`, the page that states the price; the
generator keeps such rows. Rates are in USD per million tokens. A vendor without a price for cache
reads or writes bills those tokens as input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from opensync_hooks.model import Usage
from opensync_hooks.pricing.model_names import canonical, spellings


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    above: int | None = None
    """A call with more prompt tokens than this pays `beyond` for all of its tokens."""
    beyond: Rates | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Rates:
        """Return the rates of a row of `table.json`."""
        rates = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        if "beyond" in row:
            rates["beyond"] = cls.from_row(row["beyond"])
        return cls(**rates)

    def cost(self, usage: Usage) -> float:
        """Return the USD for one call. Reasoning is part of the output and not charged twice."""
        if self.beyond and self.above is not None and usage.prompt_tokens > self.above:
            return self.beyond.cost(usage)
        usd_per_million = (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_5m_tokens * self.cache_write_5m
            + usage.cache_write_1h_tokens * self.cache_write_1h
        )
        return usd_per_million / 1_000_000


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The rates of one day, and where they come from."""

    source: str
    version: str
    date: str
    by_name: Mapping[str, Rates]

    @classmethod
    def from_json(cls, text: str) -> PriceTable:
        table = json.loads(text)
        by_name = {
            canonical(name): rates
            for row in table["models"]
            for rates in [Rates.from_row(row)]
            for name in row["names"]
        }
        return cls(table["source"], table["version"], table["date"], by_name)

    def rates(self, model: str) -> Rates | None:
        """Return the rates of the longest spelling that is in the table, never a sibling's."""
        return next((self.by_name[name] for name in spellings(model) if name in self.by_name), None)


@cache
def bundled_table() -> PriceTable:
    path = files("opensync_hooks.pricing").joinpath("table.json")
    return PriceTable.from_json(path.read_text(encoding="utf-8"))
