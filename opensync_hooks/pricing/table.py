"""The price table: what models cost, by every name that they are known under.

`table.json` is generated: `python -m tests.prices.generate`. CONTRIBUTING tells how to add a price.
Rates are in USD per million tokens. A vendor without a price for cache reads or writes bills those
tokens as input. A call that says something for which the table has no rate has no price.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Usage
from opensync_hooks.pricing.model_names import Spelling, gateways, spellings
from opensync_hooks.pricing.rates import DatedRates, ModelPrice, Rates

_PATH = Path(__file__).with_name("table.json")
_VARIANTS = ("fast", "batch")
_FRIDAY = 4
_SELLERS_AT_LIST_PRICE = frozenset(
    {
        *("anthropic", "openai", "google", "gemini", "xai", "x-ai"),
        *("bedrock", "amazon-bedrock", "bedrock_mantle", "converse", "invoke", "azure", "azure_ai"),
        *("vertex_ai", "vertex", "google-vertex", "google-vertex-anthropic"),
        *("openrouter", "vercel", "vercel_ai_gateway", "github_copilot", "github-copilot"),
        *("litellm_proxy", "claude_platform", "global-standard"),
    }
)
"""Makers, clouds and gateways that bill what the maker does, by the public list of LiteLLM.

Any other name before a model's own may stand for any price, and the call has none.
"""


@dataclass(frozen=True, slots=True)
class Quote:
    """The rates of one call, and where they come from."""

    name: str
    """The model's name in the table, or in the user's prices."""
    rates: Rates
    since: date | None
    until: date | None
    """The first day of another price; None if none is known."""
    basis: Literal["list", "user"]
    source: str
    """The page that states the price, or `config.toml`."""
    terms: tuple[str, ...] = ()
    """What makes the call cost other than the model's standard price."""
    alias: str | None = None
    """The name that the user's [aliases] translated the id into."""

    def cost(self, usage: Usage) -> float | None:
        """Return the USD for one call; None for searches that have no price."""
        return self.rates.cost(usage)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The prices of all models, and the user's own ones."""

    source: str
    version: str
    taken_on: date
    """The day of the data; announced prices may begin later."""
    rows: Mapping[str, Mapping[str, Any]]
    """The rows of the file by canonical name; they become prices when they are asked for."""
    rules: Mapping[str, Any]
    """Factors on the price of tokens, each with its source."""
    pages: Mapping[str, str]
    """The price page of each provider."""
    own: Mapping[str, ModelPrice] = field(default_factory=dict)
    """The user's prices, by the model's id in lower case."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """The user's names, in lower case, for models that have a price under another one."""
    _prices: dict[str, ModelPrice] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_json(cls, text: str) -> PriceTable:
        """Parse a table. Raises ValueError, KeyError or TypeError for anything else."""
        table = json.loads(text)
        rows = {name: row for row in table["models"] for name in row["names"]}
        taken_on = date.fromisoformat(table["date"])
        rules, pages = table["rules"], table["pages"]
        return cls(table["source"], table["version"], taken_on, rows, rules, pages)

    def with_own(self, own: Mapping[str, ModelPrice], aliases: Mapping[str, str]) -> PriceTable:
        """Return the table with the user's prices and names, which win over its own."""
        return replace(self, own=own, aliases=aliases) if own or aliases else self

    def check(self) -> None:
        """Build every price. Raises ValueError, KeyError or TypeError for one that is none."""
        if not self.rows:
            raise ValueError("it has no models")
        for row in self.rows.values():
            self._price(row).check()

    def quote(
        self,
        model: str,
        day: date | None = None,
        terms: Sequence[str] = (),
        hour: int | None = None,
    ) -> Quote | None:
        """Return the rates of a call on a day, of its own or the longest spelling of its name.

        `day`: None stands for the day of the table. `terms`: what the call's `usage` says, of
        `fast`, `batch`, `us`, or any other word, for which no rate is known. `hour`: of the day in
        UTC, for the models that cost more at some hours; None is any other hour.
        """
        day = day or self.taken_on
        alias = self.aliases.get(model.strip().lower())
        name = alias or model
        quote = self._own_quote(name, day, terms) if self.own else None
        quote = quote or self._listed(name, day, terms, hour)
        return replace(quote, alias=alias) if quote and alias else quote

    def describe_term(self, term: str) -> str:
        """Return what a term of a quote means, with the page that states a factor."""
        if rule := self.rules.get(term):
            return f"{term} ({rule['factor']} x, {rule['source']})"
        return f"{term} (not `global` at Bedrock or Vertex)" if term == "regional" else term

    def _own_quote(self, model: str, day: date, terms: Sequence[str]) -> Quote | None:
        for name, of_name in (Spelling(model.strip().lower(), ()), *spellings(model)):
            if name in self.own:
                # The user's price is the one that they pay, wherever the call was served.
                kept = tuple(term for term in (*terms, *of_name) if term in _VARIANTS)
                if period := self.own[name].on(day, kept):
                    return Quote(name, *period, "user", "config.toml", kept)
        return None

    def _listed(
        self, model: str, day: date, terms: Sequence[str], hour: int | None
    ) -> Quote | None:
        for name, of_name in spellings(model):
            if row := self.rows.get(name):
                peak = ("peak",) if _is_peak(row.get("peak"), day, hour) else ()
                all_terms = tuple(dict.fromkeys((*terms, *of_name, *peak)))
                price = self._prices.get(name) or self._prices.setdefault(name, self._price(row))
                source = row.get("source") or self.pages.get(row["provider"], self.source)
                period = price.on(day, all_terms) if _is_sold_by(row, gateways(model)) else None
                return period and Quote(name, *period, "list", source, all_terms)
        return None

    def _price(self, row: Mapping[str, Any]) -> ModelPrice:
        variants = row.get("variants", {}).items()
        rules = {
            term: rule["factor"]
            for term, rule in self.rules.items()
            if row["provider"] in rule["providers"]
        }
        return ModelPrice(
            DatedRates.from_row(row),
            {name: DatedRates.from_row(variant) for name, variant in variants},
            rules | ({"regional": row["regional"]} if "regional" in row else {}),
        )


def _is_sold_by(row: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Whether the row's price holds at these gateways.

    `resold` is the maker's name at OpenRouter if its price is the maker's, or False. Without it,
    the price holds wherever prices are the makers', apart from the sellers in `elsewhere`.
    """
    resold = row.get("resold", True)
    if resold is True:
        return _SELLERS_AT_LIST_PRICE.difference(row.get("elsewhere", ())).issuperset(names)
    return not names or (resold == names[-1] and names[:-1] in ((), ("openrouter",)))


def _is_peak(peak: Mapping[str, Any] | None, day: date, hour: int | None) -> bool:
    """Whether a model costs more at this hour, from Monday to Friday."""
    if peak is None or hour not in peak["hours"] or day.weekday() > _FRIDAY:
        return False
    return "from" not in peak or date.fromisoformat(peak["from"]) <= day


def day_and_hour(milliseconds: int | None) -> tuple[date | None, int | None]:
    """Return the UTC day and hour of a time in ms since 1970; None for what no calendar holds."""
    if milliseconds is None:
        return None, None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None, None
    return moment.date(), moment.hour


@cache
def bundled_table() -> PriceTable:
    return PriceTable.from_json(_PATH.read_text(encoding="utf-8"))
