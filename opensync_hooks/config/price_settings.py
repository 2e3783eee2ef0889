"""The tables [prices] and [aliases] of config.toml: what the user pays, and own names of models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import NotConfiguredError

_TOKEN_RATES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
_NAMES = (*_TOKEN_RATES, "fast", "search", "from")
_MAX_RATE = 1_000_000.0
_WAITS = "Correct it; nothing is sent until then."


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """What the user pays for a model's tokens, in USD per million."""

    model: str
    """The model's id in lower case."""
    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    fast: float | None = None
    """What multiplies all of these in fast mode; None: fast mode has no price."""
    search: float | None = None
    """USD for one web search."""
    since: date | None = None
    """The first day of this price."""


def read(document: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the values for Config by their field names. Raises NotConfiguredError.

    A table is the price of a model; an array of tables, each with another `from`, its prices over
    time. `path` is the file that holds the document.
    """
    prices = [
        _price(name, table, path)
        for name, tables in _get_table(document, "prices", path).items()
        for table in (tables if isinstance(tables, list) else [tables])
    ]
    starts = [(price.model, price.since) for price in prices]
    for model, since in starts:
        if starts.count((model, since)) > 1:
            raise NotConfiguredError(
                f'{path}: [prices."{model}"] has two prices that begin on the same day.', _WAITS
            )
    return {"prices": tuple(prices), "aliases": tuple(_aliases(document, path))}


def _aliases(document: Mapping[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    table = _get_table(document, "aliases", path)
    for name, model in table.items():
        if not isinstance(model, str) or not model.strip() or not name.strip():
            raise NotConfiguredError(
                f"{path}: the alias `{name}` is not the id of a model.",
                f'Write "{name}" = "claude-opus-5-5", in quotes. Nothing is sent until then.',
            )
        if model in table:
            raise NotConfiguredError(
                f"{path}: the alias `{name}` leads to another alias, `{model}`.",
                "Write the id of a model. Nothing is sent until then.",
            )
        yield name.strip().lower(), model.strip()


def _price(name: str, table: object, path: Path) -> OwnPrice:
    heading = f'{path}: [prices."{name}"]'
    if not isinstance(table, dict) or not name.strip():
        raise NotConfiguredError(
            f"{heading} is not a table.", f'Write input = 3, output = 15 below [prices."{name}"].'
        )
    for key in table:
        if key not in _NAMES:
            raise NotConfiguredError(
                f"{heading} has no setting `{key}`.",
                f"Its settings are {', '.join(_NAMES)}. Nothing is sent until this is corrected.",
            )
    rates = {key: _get_rate(table, key, heading) for key in _NAMES if key != "from"}
    fresh, output = rates.pop("input"), rates.pop("output")
    if fresh is None or output is None:
        missing = "input" if fresh is None else "output"
        raise NotConfiguredError(
            f"{heading} has no `{missing}`.",
            f"Write {missing} = 3, in USD per million tokens. Nothing is sent until then.",
        )
    # A provider without a price for cached tokens bills them as input.
    read_rate, short, hourly = (rates.pop(key) for key in _TOKEN_RATES[2:])
    short = fresh if short is None else short
    return OwnPrice(
        name.strip().lower(),
        fresh,
        output,
        fresh if read_rate is None else read_rate,
        short,
        short if hourly is None else hourly,
        **rates,
        since=_get_day(table, heading),
    )


def _get_rate(table: Mapping[str, Any], key: str, heading: str) -> float | None:
    rate = table.get(key)
    if rate is None:
        return None
    is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
    if not is_number or not math.isfinite(rate) or not 0 <= rate <= _MAX_RATE:
        unit = {"fast": "a factor", "search": "USD per search"}.get(key, "USD per million tokens")
        raise NotConfiguredError(
            f"{heading}: `{key}` is not a number from 0 to {_MAX_RATE:,.0f}.",
            f"Write {key} = 3, without quotes: it is {unit}. Nothing is sent until then.",
        )
    return float(rate)


def _get_day(table: Mapping[str, Any], heading: str) -> date | None:
    day = table.get("from")
    if isinstance(day, datetime):
        return day.date()
    try:
        return date.fromisoformat(day) if isinstance(day, str) else _as_day(day)
    except (TypeError, ValueError):
        raise NotConfiguredError(
            f"{heading}: `from` is not a day.", f"Write from = 2026-01-31. {_WAITS}"
        ) from None


def _as_day(day: object) -> date | None:
    if day is None or isinstance(day, date):
        return day
    raise TypeError


def _get_table(document: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise NotConfiguredError(f"{path}: `{name}` is not a table.", f"Write it as [{name}].")
    return table
