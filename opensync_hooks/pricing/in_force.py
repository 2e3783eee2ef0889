"""The price table in force: the bundled one or a newer `prices.json`, with the user's prices."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from opensync_hooks.config import Config
from opensync_hooks.config.price_settings import OwnPrice
from opensync_hooks.pricing.model_names import canonical
from opensync_hooks.pricing.rates import DatedRates, ModelPrice, Rates
from opensync_hooks.pricing.table import PriceTable, bundled_table
from opensync_hooks.system import clock
from opensync_hooks.system.files import open_regular_file

MAX_AGE_DAYS = 60
"""`status` and `doctor` name the age of an older table."""
RENEWAL = (
    "a later version of opensync-hooks brings newer ones, or `opensync-hooks prices update FILE`"
)
_MAX_BYTES = 10 << 20
_Sources = tuple[Path, int | None, tuple[OwnPrice, ...], tuple[tuple[str, str], ...]]


def price_table(config: Config) -> PriceTable:
    """Return the table in force. A damaged `prices.json` is not in force; `doctor` names it."""
    return _price_table(*sources(config))


def sources(config: Config) -> _Sources:
    """Return what the table in force depends on."""
    path = config.folders.prices
    try:
        changed_at = path.stat().st_mtime_ns
    except OSError:
        changed_at = None
    return path, changed_at, config.prices, config.aliases


@lru_cache(maxsize=2)
def _price_table(
    path: Path,
    changed_at: int | None,
    prices: tuple[OwnPrice, ...],
    aliases: tuple[tuple[str, str], ...],
) -> PriceTable:
    table = bundled_table()
    if changed_at is not None:
        with suppress(OSError, ValueError):
            table = newer(table, read(path))
    return table.with_own(own_prices(prices), dict(aliases))


def age_in_days(day: date) -> int:
    """Return how old a table of a day is now."""
    return (datetime.fromtimestamp(clock.now() / 1000, UTC).date() - day).days


def newer(table: PriceTable, other: PriceTable) -> PriceTable:
    return other if other.taken_on > table.taken_on else table


def read(path: Path) -> PriceTable:
    """Read a table from a file and check every price in it. Raises OSError, or ValueError."""
    with open_regular_file(path) as file:
        text = file.read(_MAX_BYTES).decode()
    try:
        table = PriceTable.from_json(text)
        table.check()
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no price table ({type(error).__name__})") from None
    return table


def own_prices(prices: Iterable[OwnPrice]) -> dict[str, ModelPrice]:
    """Return the user's prices by model; those of one model follow one another."""
    standard: dict[str, DatedRates] = {}
    fast: dict[str, DatedRates] = {}
    for price in sorted(prices, key=lambda price: (price.since is not None, price.since)):
        rates = Rates(
            price.input,
            price.output,
            price.cache_read,
            price.cache_write_5m,
            price.cache_write_1h,
            price.search,
        )
        model = price.model
        standard[model] = DatedRates(rates, price.since, standard.get(model))
        if price.fast is not None:
            fast[model] = DatedRates(rates.scaled(price.fast), price.since, fast.get(model))
    own = {
        model: ModelPrice(rates, {"fast": fast[model]} if model in fast else {})
        for model, rates in standard.items()
    }
    # A name with a gateway before it means the model at that gateway, and no other spelling.
    canonical_names = {canonical(model): price for model, price in own.items() if "/" not in model}
    return canonical_names | own
