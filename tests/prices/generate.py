"""Write opensync_hooks/pricing/table.json from the public price data of genai-prices.

    python -m tests.prices.generate [--date YYYY-MM-DD]

For maintainers; the group `prices` in pyproject.toml pins the package. It states no date of its
data, so --date names the day whose prices are meant. A row with a `source` was added by hand: it
stays until the package knows all of its names.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
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
    MatchLogic,
    ModelPrice,
    TieredPrices,
)

from opensync_hooks.pricing.model_names import canonical, spellings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCE = "genai-prices"
TABLE = Path(__file__).parents[2] / "opensync_hooks" / "pricing" / "table.json"

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


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the bundled price table.")
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date())
    parser.add_argument("--output", type=Path, default=TABLE)
    args = parser.parse_args(argv)
    args.output.write_text(table(args.date), encoding="utf-8")
    return 0


def table(day: date) -> str:
    """Build the whole file, one line per model, so that a new price is a diff of one line."""
    head = {"source": SOURCE, "version": version(SOURCE), "date": day.isoformat()}
    fields = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
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
    for offer in offers:
        names = [
            spelling
            for name, (owner, spelling) in owners.items()
            if owner is offer and not implied(name, owners)
        ]
        if names:
            yield {"provider": offer.provider, "names": names, **offer.rates}


def packaged_offers(day: date) -> Iterator[Offer]:
    # Off-peak discounts follow the clock, a table cannot: noon is in every vendor's longest band.
    noon = datetime.combine(day, time(12), UTC)
    by_id = {provider.id: provider for provider in providers}
    for provider in PROVIDERS:
        for model in sorted(by_id[provider].models, key=lambda model: model.id.lower()):
            rates = rates_of(model.get_prices(noon), anthropic=provider == "anthropic")
            if rates and not EXCLUDED.search(model.id.lower()):
                names = (model.id.lower(), *map(str.lower, clause_names(model.match)))
                yield Offer(provider, names, rates, nicknames(provider, model.id))


def nicknames(provider: str, model: str) -> tuple[str, ...]:
    """Return Cursor's spellings of the model."""
    if provider == "cursor":
        return (f"cursor-{model}",)
    return (model.removesuffix("-preview"),) if provider == "google" else ()


def manual_offers() -> Iterator[Offer]:
    for row in json.loads(TABLE.read_text(encoding="utf-8"))["models"]:
        if "source" in row:
            yield Offer(row.pop("provider"), tuple(row.pop("names")), row)


def owners_of_names(offers: Sequence[Offer]) -> dict[str, tuple[Offer, str]]:
    """Return every canonical name, with the first offer that has it and the offer's spelling."""
    named = [(offer, name) for offer in offers for name in offer.names]
    named += [(offer, name) for offer in offers for name in offer.nicknames]
    owners: dict[str, tuple[Offer, str]] = {}
    for offer, name in named:
        if not EXCLUDED.search(name):
            owners.setdefault(canonical(name), (offer, name))
    return owners


def implied(name: str, owners: Mapping[str, tuple[Offer, str]]) -> bool:
    """Whether a lookup finds the same offer by a shorter name, as with dated snapshots."""
    shorter = (owners[other][0] for other in spellings(name) if other != name and other in owners)
    return next(shorter, None) is owners[name][0]


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
    """Return all five rates for a prompt of that many tokens."""
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
