"""`prices`: shows what models cost, why a call costs what it does, and takes a newer table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import load
from opensync_hooks.errors import DiskError, UsageError
from opensync_hooks.pricing import in_force
from opensync_hooks.pricing.model_names import canonical
from opensync_hooks.pricing.rates import TOKEN_RATES, Rates
from opensync_hooks.pricing.table import PriceTable, Quote
from opensync_hooks.system.files import atomic_write
from opensync_hooks.system.formatting import count
from opensync_hooks.system.terminal import print_line

_COLUMNS = ("input", "output", "cache read", "write 5m", "write 1h")
_AGAIN = "`opensync-hooks sync --all` brings the costs of earlier sessions into line."


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_list, words=[], json=False)
    actions = parser.add_subparsers(metavar="list | explain | update")
    list_ = actions.add_parser("list", help="show today's prices")
    list_.add_argument("words", nargs="*", metavar="WORD", help="only names with all words in them")
    list_.add_argument("--json", action="store_true", help="print JSON")
    list_.set_defaults(action=_list)
    explain = actions.add_parser("explain", help="show which rates apply to a model's id, and why")
    explain.add_argument("model", metavar="MODEL", help="as the agent writes it")
    explain.add_argument("--on", type=_day, metavar="DATE", help="the day of the call; else today")
    terms = "what the call says: fast, batch, us"
    explain.add_argument("--term", action="append", default=[], metavar="WORD", help=terms)
    explain.set_defaults(action=_explain)
    update = actions.add_parser("update", help="use a newer price table, from a file")
    update.add_argument("file", type=Path, metavar="FILE", help="a table.json of a later version")
    update.set_defaults(action=_update)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a date such as 2026-01-31: {text!r}") from None


def _prices(arguments: argparse.Namespace) -> int:
    return int(arguments.action(arguments))


def _today() -> date:
    return datetime.now(UTC).date()


def _list(arguments: argparse.Namespace) -> int:
    config = load()
    table = in_force.price_table(config)
    names = [price.model for price in config.prices]
    names += [name for name in table.rows if name not in names]
    words = [word.lower() for word in arguments.words]
    quotes = [
        quote
        for name in dict.fromkeys(names)
        if all(word in name for word in words) and (quote := table.quote(name, _today()))
    ]
    if arguments.json:
        print(json.dumps([_as_json(quote) for quote in quotes], indent=2))
        return 0
    width = max((len(quote.name) for quote in quotes), default=0) + 2
    print_line(f"{'':<{width}}" + "".join(f"{name:>11}" for name in _COLUMNS))
    for quote in quotes:
        own = "  your own" if quote.basis == "user" else ""
        print_line(f"{quote.name:<{width}}{_figures(quote.rates)}{own}")
    for name, model in config.aliases:
        print_line(f"{name} is priced as {model}.")
    print_line(f"USD per million tokens. {_origin(table)}")
    return 0


def _figures(rates: Rates) -> str:
    return "".join(f"{getattr(rates, name):>11.6g}" for name in TOKEN_RATES)


def _origin(table: PriceTable) -> str:
    return f"The table is from {table.taken_on} ({table.source} {table.version})."


def _as_json(quote: Quote) -> dict[str, object]:
    return {
        "model": quote.name,
        **{name: getattr(quote.rates, name) for name in (*TOKEN_RATES, "search")},
        "basis": quote.basis,
        "from": quote.since and quote.since.isoformat(),
        "until": quote.until and quote.until.isoformat(),
        "source": quote.source,
    }


def _explain(arguments: argparse.Namespace) -> int:
    table = in_force.price_table(load())
    day = arguments.on or _today()
    quote = table.quote(arguments.model, day, arguments.term)
    if quote is None:
        print_line(f"{arguments.model}: no price on {day}. {_missing(table, arguments, day)}")
        print_line(f'[prices."{arguments.model}"] in config.toml sets one; [aliases], its name.')
        return 1
    for name, text in _explanation(table, quote, day):
        print_line(f"{name:<12}{text}")
    return 0


def _missing(table: PriceTable, arguments: argparse.Namespace, day: date) -> str:
    model: str = arguments.model
    if arguments.term and table.quote(model, day):
        return f"The model has one, but not with {', '.join(arguments.term)}."
    if table.quote(canonical(model), day):
        return "Its maker has one, but the gateway or the cloud in the id may have another."
    return f"No name in the table of {table.taken_on} is a spelling of it."


def _explanation(table: PriceTable, quote: Quote, day: date) -> Iterator[tuple[str, str]]:
    if quote.alias:
        yield "alias of", f"{quote.alias} ([aliases] in config.toml)"
    yield "priced as", quote.name
    if quote.terms:
        yield "because of", ", ".join(map(table.describe_term, quote.terms))
    period = [f"from {quote.since}"] if quote.since else []
    period += [f"until {quote.until}, when another price begins"] if quote.until else []
    yield "on", f"{day}{' (the price is ' + ' '.join(period) + ')' if period else ''}"
    yield "USD/million", _rates(quote.rates)
    if quote.rates.beyond:
        yield f"> {quote.rates.above:,}", f"{_rates(quote.rates.beyond)} (tokens of the prompt)"
    if quote.rates.search is not None:
        yield "a search", f"{quote.rates.search:g} USD"
    yield "source", quote.source if quote.basis == "user" else f"{quote.source}. {_origin(table)}"


def _rates(rates: Rates) -> str:
    values = (f"{getattr(rates, name):g}" for name in TOKEN_RATES)
    return ", ".join(f"{name} {value}" for name, value in zip(_COLUMNS, values, strict=True))


def _update(arguments: argparse.Namespace) -> int:
    config = load()
    path: Path = arguments.file
    try:
        content = path.read_bytes()
        table = in_force.read(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(
            f"{path}: is not a price table ({error}).",
            "Take `opensync_hooks/pricing/table.json` of a later version.",
        ) from None
    current = in_force.price_table(config)
    if table.taken_on <= current.taken_on:
        raise UsageError(
            f"{path}: is of {table.taken_on}, and the table in use is of {current.taken_on}.",
            "Nothing was changed.",
        )
    try:
        atomic_write(config.folders.prices, content)
    except OSError as error:
        raise DiskError(f"{config.folders.prices}: {error.strerror}.") from None
    day = _today()
    quotes = ((current.quote(name, day), table.quote(name, day)) for name in table.rows)
    changed = sum(
        old is not None and new is not None and old.rates != new.rates for old, new in quotes
    )
    new_names = len(table.rows.keys() - current.rows.keys())
    print_line(
        f"The prices of {table.taken_on} are in use: {count(new_names, 'new name')}, "
        f"{count(changed, 'other price')}. {_AGAIN}"
    )
    return 0


PRICES = Command(
    "prices",
    "show what models cost and why, and take a newer table",
    _prices,
    "opensync-hooks prices explain us.anthropic.claude-opus-5-5",
    _add_arguments,
)
