"""What an API call cost, by the bundled price table. Names no price that it does not know."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opensync_hooks.model import Charge, Usage

_MILLION = 1_000_000

# `openrouter/anthropic/`, `models/`, a Bedrock ARN; then `us.anthropic.`, whose digits-free labels
# keep the dot of `gpt-5.1` out of it.
_ROUTE = re.compile(r"^(?:.*/)?(?:[a-z-]+\.)*")
# Cursor and old Claude ids put the version first: `claude-4.5-sonnet`, `claude-3-haiku`.
_VERSION_FIRST = re.compile(r"^claude-(\d(?:-\d)?)-([a-z]+)")
# What may follow a model's name without changing its price. `-fast`, `-max`, `:free` and bare
# numbers are missing on purpose: they are other models or other prices.
_DECORATION = re.compile(
    r"(?:-20\d{2}-?[01]\d-?[0-3]\d"  # a snapshot's date
    r"|-latest|-preview|(?<=-preview)-\d\d-\d{2,4}"
    r"|-v1|-v\d:\d+|-00\d"  # revisions of Bedrock and of Google
    r"|\[1m\]"  # Claude Code's long context: what it costs more is told by the tokens
    r"|:beta|[-:]thinking|-(?:none|minimal|low|medium|high|xhigh)"  # effort buys more tokens
    r")$"
)
_MOST_DECORATIONS = 4  # a bound, because a transcript may hold any text as a model's name


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    above: int | None = None
    """A call with a longer prompt than this pays `beyond` for all of its tokens."""
    beyond: Rates | None = None

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> Rates:
        beyond = row.get("beyond")
        return cls(
            input=row["input"],
            output=row["output"],
            cache_read=row["cache_read"],
            cache_write_5m=row["cache_write_5m"],
            cache_write_1h=row["cache_write_1h"],
            above=row.get("above"),
            beyond=cls.parse(beyond) if beyond else None,
        )

    def cost(self, usage: Usage) -> float:
        """USD for one call. Reasoning is part of the output and never charged twice."""
        if self.beyond and self.above is not None and usage.prompt_tokens > self.above:
            return self.beyond.cost(usage)
        return (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_5m_tokens * self.cache_write_5m
            + usage.cache_write_1h_tokens * self.cache_write_1h
        ) / _MILLION


@dataclass(frozen=True, slots=True)
class PriceTable:
    """What models cost, by every name that they are known under."""

    source: str
    version: str
    date: str
    """The day whose prices these are."""
    by_name: Mapping[str, Rates]

    @classmethod
    def parse(cls, text: str) -> PriceTable:
        table = json.loads(text)
        by_name = {
            canonical(name): rates
            for row in table["models"]
            for rates in [Rates.parse(row)]
            for name in row["names"]
        }
        return cls(table["source"], table["version"], table["date"], by_name)

    def rates(self, model: str) -> Rates | None:
        """Never a sibling's price: only the model's whole name counts, the longest one first."""
        return next((self.by_name[name] for name in spellings(model) if name in self.by_name), None)

    def cost(self, charge: Charge) -> float | None:
        """USD as the agent stated it, else by the table; nothing if the model has no price."""
        if charge.cost is not None:
            return charge.cost
        rates = self.rates(charge.model) if charge.model else None
        return rates.cost(charge.usage) if rates else None


def canonical(model: str) -> str:
    """One spelling for a name that vendors, clouds and agents write differently."""
    bare = _ROUTE.sub("", model.strip().lower())
    dashed = bare.replace(".", "-").replace("@", "-")
    return _VERSION_FIRST.sub(r"claude-\2-\1", dashed)


def spellings(model: str) -> Iterator[str]:
    """Yield the canonical name, then the same with one decoration less at a time."""
    name = canonical(model)
    yield name
    for _ in range(_MOST_DECORATIONS):
        name = _DECORATION.sub("", name)
        yield name


@cache
def bundled() -> PriceTable:
    table = files("opensync_hooks.pricing").joinpath("table.json")
    return PriceTable.parse(table.read_text(encoding="utf-8"))
