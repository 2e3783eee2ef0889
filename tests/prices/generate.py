"""Write opensync_hooks/pricing/table.json from the public price data of genai-prices.

    python -m tests.prices.generate [--date YYYY-MM-DD]

For maintainers; the group `prices` in pyproject.toml pins the package. It states no date of its
data, so --date names the day on which it was taken. What the package lacks is in `additions.json`,
each row with the page that states the price, and in RULES.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_prices.data import providers
from genai_prices.types import (
    ClauseAnd,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ConditionalPrice,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from opensync_hooks.pricing.model_names import canonical, spellings
from opensync_hooks.pricing.rates import DatedRates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCE = "genai-prices"
TABLE = Path(__file__).parents[2] / "opensync_hooks" / "pricing" / "table.json"
ADDITIONS = Path(__file__).parent / "additions.json"
RULES = {
    "us": {
        "factor": 1.1,
        "providers": ["anthropic"],
        "source": "https://platform.claude.com/docs/en/manage-claude/data-residency",
    }
}
"""Factors on the price of all tokens of a call."""
OPEN_WEIGHTS = ("deepseek", "mistral", "moonshotai", "zai", "minimax")
"""Makers of models that anybody may host, at any price."""
MOVED = ("deepseek-chat", "deepseek-reasoner", "grok-code-fast-1")
"""Names that their maker gave to one model after the other; the package has a price of 2025.
`grok-code-fast-1` is answered, and billed, as `grok-build-0.1` since its retirement."""
ELSEWHERE = {
    "gemini-2.0-flash": ("vertex_ai", "https://cloud.google.com/vertex-ai/generative-ai/pricing"),
    "gpt-4-turbo": ("azure", "https://azure.microsoft.com/pricing/details/azure-openai/"),
    "grok-3-mini": ("azure_ai", "https://prices.azure.com/api/retail/prices"),
}
"""Models that a cloud sells at another price than their maker, and the page that states it."""
VARIANTS = {"fast": {"speed": "fast"}, "batch": {"processing": "batch"}}

# Makers before resellers: the first one owns a name that several of them list.
# Hosts of open weights (Groq, Together, ...) are left out: the model's name does not tell the host.
PROVIDERS = (
    "anthropic",
    "openai",
    "google",
    "x-ai",
    "deepseek",
    "mistral",
    "moonshotai",
    "zai",
    "minimax",
    "cursor",
)
# No coding agent talks to these; gpt-oss is open weights, see above.
EXCLUDED = re.compile(
    r"^ft:|\.ft\b|\b(?:ada|audio|babbage|curie|davinci|embed|embedding|image|live|ocr|oss|realtime"
    r"|robotics|transcribe|tts|voice|voxtral)\b"
)
_BY_ID = {provider.id: provider for provider in providers}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the bundled price table.")
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date())
    parser.add_argument("--output", type=Path, default=TABLE)
    args = parser.parse_args(argv)
    args.output.write_text(table(args.date), encoding="utf-8")
    return 0


def table(day: date) -> str:
    """Build the whole file, one line per model, so that a new price is a diff of one line."""
    urls = {name: (_BY_ID[name].pricing_urls or [""])[0] for name in PROVIDERS}
    head = {"source": SOURCE, "version": version(SOURCE), "date": day.isoformat()}
    fields = [
        f"{json.dumps(key)}: {json.dumps(value)}"
        for key, value in {**head, "rules": RULES, "pages": urls}.items()
    ]
    models = ",\n".join(json.dumps(row) for row in rows(day))
    return "{\n" + ",\n".join(fields) + ',\n"models": [\n' + models + "\n]\n}\n"


@dataclass(frozen=True, slots=True)
class Offer:
    """A model with its rates, by one provider."""

    provider: str
    names: tuple[str, ...]
    rates: dict[str, Any]
    nicknames: tuple[str, ...] = ()
    """Count only where no offer uses the name for a model of its own."""


def rows(day: date) -> Iterator[dict[str, Any]]:
    offers = [*packaged_offers(day), *manual_offers()]
    owners = owners_of_names(offers)
    regional = dict(regional_factors(owners))
    resold: dict[int, str | bool] = {
        id(offer): False for offer in offers if offer.provider in OPEN_WEIGHTS
    }
    resold |= dict(resellers(owners, day))
    for offer in offers:
        names = [
            name for name, owner in owners.items() if owner is offer and not implied(name, owners)
        ]
        if names:
            row = {"provider": offer.provider, "names": names, **offer.rates}
            row |= {"regional": regional[id(offer)]} if id(offer) in regional else {}
            row |= {"resold": resold[id(offer)]} if id(offer) in resold else {}
            others = [ELSEWHERE[name][0] for name in offer.names if name in ELSEWHERE]
            row |= {"elsewhere": others} if others else {}
            yield row


def packaged_offers(day: date) -> Iterator[Offer]:
    for provider in PROVIDERS:
        for model in sorted(_BY_ID[provider].models, key=lambda model: model.id.lower()):
            is_out = EXCLUDED.search(model.id.lower()) or model.id in MOVED
            rates = None if is_out else prices_of(model, provider, day)
            if rates:
                names = (model.id.lower(), *map(str.lower, clause_names(model.match)))
                yield Offer(provider, names, rates, nicknames(provider, model.id))


def prices_of(model: ModelInfo, provider: str, day: date) -> dict[str, Any] | None:
    """Return the rates of the last period, perhaps an announced one, with earlier ones within."""
    prices = model.prices if isinstance(model.prices, list) else []
    starts = sorted(filter(None, (start_of(price) for price in prices)))
    row = rates_on(model, provider, starts[0] - timedelta(1) if starts else day)
    for start in starts:
        later = rates_on(model, provider, start)
        before = {
            key: value for key, value in (row or {}).items() if key not in ("from", "earlier")
        }
        if later is not None and later != before:
            row = later | {"from": start.isoformat()} | ({"earlier": row} if row else {})
    if row is None:
        return None
    variants = dict(variants_of(model, row, day)) if provider == "anthropic" else {}
    windows = [price for price in prices if isinstance(price.constraint, TimeOfDateConstraint)]
    since = {"from": row["from"]} if "from" in row else {}
    if windows:
        variants["peak"] = (rates_of(windows[-1].prices, anthropic=False) or {}) | since
        began = {"from": starts[0].isoformat()} if starts else {}
        row["peak"] = {"hours": sorted(peak_hours(windows))} | began
    return row | ({"variants": variants} if variants else {})


def peak_hours(windows: Sequence[ConditionalPrice]) -> Iterator[int]:
    for window in windows:
        assert isinstance(window.constraint, TimeOfDateConstraint)
        start, end = window.constraint.start_time, window.constraint.end_time
        if (start.minute, end.minute, window.prices) != (0, 0, windows[-1].prices):
            raise ValueError(f"hours that the table cannot hold: {windows!r}")
        yield from range(start.hour, end.hour)


def start_of(entry: ConditionalPrice | PriceVariant) -> date | None:
    constraint = entry.constraint
    return constraint.start_date if isinstance(constraint, StartDateConstraint) else None


def rates_on(model: ModelInfo, provider: str, day: date) -> dict[str, Any] | None:
    return rates_of(model.get_prices(noon(day)), anthropic=provider == "anthropic")


def noon(day: date) -> datetime:
    """Return a time in every vendor's longest band: a table cannot hold off-peak discounts."""
    return datetime.combine(day, time(12), UTC)


def variants_of(
    model: ModelInfo, row: Mapping[str, Any], day: date
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rates of fast mode and of batches, with the day from which they are published."""
    for name, context in VARIANTS.items():
        for variant in model.price_variants or ():
            if variant.when == context:
                start = start_of(variant)
                prices = model.get_prices(noon(start or day), context)
                since = {"from": start.isoformat()} if start else {}
                yield name, (rates_of(prices, anthropic=True) or {}) | since
                break
        else:
            retired = retired_fast_mode(model.id) if name == "fast" else None
            # Long prompts had a price of their own then, in fast mode, too.
            since = {"from": row["from"]} if "above" in row.get("earlier", {}) else {}
            if retired:
                yield name, retired | {"search": row["search"]} | since


def retired_fast_mode(model_id: str) -> dict[str, Any] | None:
    """Return the fast rates of a model that only OpenRouter still lists, as `…-fast`."""
    dotted = re.sub(r"-(\d+)-(\d+)$", r"-\1.\2", model_id)
    for model in _BY_ID["openrouter"].models:
        if model.id == f"anthropic/{dotted}-fast" and isinstance(model.prices, ModelPrice):
            rates = rates_of(model.prices, anthropic=True) or {}
            return rates | {"source": f"https://openrouter.ai/{model.id}"}
    return None


def regional_factors(owners: Mapping[str, Offer]) -> Iterator[tuple[int, float]]:
    """Yield, by the id of the offer, what Bedrock's regional endpoints cost, in list prices."""
    for model in _BY_ID["aws"].models:
        owner = next((owners[name] for name, _ in spellings(model.id) if name in owners), None)
        if "anthropic.claude" not in model.id or model.id.startswith("global.") or not owner:
            continue
        prices = model.prices[-1].prices if isinstance(model.prices, list) else model.prices
        rates = rates_at(prices, 0, anthropic=True)
        base = owner.rates
        factors = {round(rates[key] / base[key], 6) for key in ("input", "output")}
        if len(factors) != 1:
            raise ValueError(f"{model.id}: no single factor, {factors}")
        yield id(owner), factors.pop()


def resellers(owners: Mapping[str, Offer], day: date) -> Iterator[tuple[int, str | bool]]:
    """Yield, by the id of the offer, which name before the model's own leaves its price as it is.

    OpenRouter is the gateway whose prices are known. False: no name, as it has another price.
    """
    for model in _BY_ID["openrouter"].models:
        owner = next((owners[name] for name, _ in spellings(model.id) if name in owners), None)
        if owner is None or "/" not in model.id or re.search(r"[:~]|-fast$", model.id):
            continue
        resold, own = rates_on(model, "openrouter", day), DatedRates.from_row(owner.rates).on(day)
        own_prices = own and (own.rates.input, own.rates.output)
        if resold and (resold["input"], resold["output"]) != own_prices:
            yield id(owner), False
        elif resold and owner.provider in OPEN_WEIGHTS:
            yield id(owner), model.id.split("/")[0]


def nicknames(provider: str, model: str) -> tuple[str, ...]:
    """Return Cursor's spellings of the model."""
    if provider == "cursor":
        return (f"cursor-{model}",)
    return (model.removesuffix("-preview"),) if provider == "google" else ()


def manual_offers() -> Iterator[Offer]:
    for row in json.loads(ADDITIONS.read_text(encoding="utf-8")):
        yield Offer(row.pop("provider"), tuple(row.pop("names")), row)


def owners_of_names(offers: Sequence[Offer]) -> dict[str, Offer]:
    """Return every canonical name, with the first offer that has it."""
    named = [(offer, name) for offer in offers for name in offer.names]
    named += [(offer, name) for offer in offers for name in offer.nicknames]
    owners: dict[str, Offer] = {}
    for offer, name in named:
        if not EXCLUDED.search(name):
            owners.setdefault(canonical(name), offer)
    return owners


def implied(name: str, owners: Mapping[str, Offer]) -> bool:
    """Whether a lookup finds the same offer by a shorter name, as with dated snapshots."""
    shorter = (
        owners[other]
        for other, terms in spellings(name)
        if other != name and not terms and other in owners
    )
    return next(shorter, None) is owners[name]


def clause_names(clause: MatchLogic) -> Iterator[str]:
    """Only whole names: a bare prefix would give a model that comes later its sibling's price."""
    match clause:
        case ClauseOr(or_=parts) | ClauseAnd(and_=parts):
            for part in parts:
                yield from clause_names(part)
        case ClauseEquals(equals=name):
            yield name
        case ClauseStartsWith(starts_with=name):
            yield re.sub(r"[-@](?:20\d\d)?$", "", name)
        case ClauseRegex(regex=pattern) if re.fullmatch(r"\^(?:[\w=-]|\\[.\[\]])+\$", pattern):
            yield pattern[1:-1].replace("\\", "")


def rates_of(prices: ModelPrice, *, anthropic: bool) -> dict[str, Any] | None:
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    values = [value for value in vars(prices).values() if isinstance(value, TieredPrices)]
    starts = {tier.start for value in values for tier in value.tiers}
    if len(starts) > 1:
        raise ValueError(f"more than one price tier, which the table cannot hold: {prices!r}")
    rates = rates_at(prices, 0, anthropic=anthropic)
    for above in starts:
        beyond = rates_at(prices, above + 1, anthropic=anthropic)
        rates |= {"above": above, "beyond": beyond}
    return rates


def rates_at(prices: ModelPrice, prompt: int, *, anthropic: bool) -> dict[str, Any]:
    """Return all rates for a prompt of that many tokens."""
    published = {key: price_at(value, prompt) for key, value in vars(prices).items()}
    fresh = published["input_mtok"]
    # Anthropic publishes its cache writes as multiples of the input price: 1.25 for five minutes,
    # 2 for one hour. A vendor without such a price bills a cached token as the input it is.
    write = published.get("cache_write_mtok", fresh * Decimal("1.25") if anthropic else fresh)
    rates = {
        "input": fresh,
        "output": published["output_mtok"],
        "cache_read": published.get("cache_read_mtok", fresh),
        "cache_write_5m": write,
        "cache_write_1h": published.get("cache_write_1h_mtok", fresh * 2 if anthropic else write),
    }
    if "web_searches_kcount" in published:
        rates["search"] = published["web_searches_kcount"] / 1000
    return {key: int(value) if value % 1 == 0 else float(value) for key, value in rates.items()}


def price_at(price: Decimal | TieredPrices, prompt: int) -> Decimal:
    if not isinstance(price, TieredPrices):
        return price
    rate: Decimal = price.base
    for tier in price.tiers:
        if prompt > tier.start:
            rate = tier.price
    return rate


if __name__ == "__main__":
    raise SystemExit(main())
