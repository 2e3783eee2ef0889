"""`usage`: what the sessions of the embedded store cost, by day, project, model and the like."""

import argparse
import csv
import json
import os
import sys
from datetime import datetime

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.statusline import print_statusline
from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.destinations.store.usage import GROUPINGS, UsageSums
from opensync_hooks.errors import UsageError
from opensync_hooks.system.formatting import money
from opensync_hooks.system.moments import parse_moment
from opensync_hooks.system.terminal import print_line

_COLUMNS = ("Calls", "Input", "Cache read", "Cache write", "Output", "Cost")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--by", choices=GROUPINGS, default="day", help="default: day")
    add("--since", metavar="30d", help="the last 7d, 4w, or since a date")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")
    form.add_argument("--statusline", action="store_true", help="print one line, for a prompt")


def _usage(arguments: argparse.Namespace) -> int:
    if arguments.statusline:
        return print_statusline()
    since_day = _since_day(arguments.since)
    with Store(Folders.from_environ(os.environ).store) as store:
        groups, total = store.spending(arguments.by, since_day)
        others = 0.0 if since_day else _other_calls(store)
    if arguments.json:
        sums_by_group = [{arguments.by: name, **sums.as_json()} for name, sums in groups.items()]
        report = {"by": arguments.by, "groups": sums_by_group, "total": total.as_json()}
        print(json.dumps(report | {"otherCallsCost": others}, indent=2))
    elif arguments.csv:
        writer = csv.writer(sys.stdout)
        writer.writerow([arguments.by, *total.as_json()])
        writer.writerows([name, *sums.as_json().values()] for name, sums in groups.items())
    else:
        _print_table(arguments.by, groups, total)
        if others:
            text = "compactions, titles and the like, which leave no response"
            print_line(f"Other calls, by the agents' own count: {money(others)} ({text})")
    return 0


def _other_calls(store: Store) -> float:
    """Return the USD that agents count beside the calls that left a response, as far as known."""
    from opensync_hooks.delivery.agent_cost import other_calls  # noqa: PLC0415 - imports the ledger

    return sum(other_calls(*family) or 0 for family in store.agent_costs())


def _since_day(text: str | None) -> str:
    """Return the local day of a point in time as an ISO date; empty without one."""
    if text is None:
        return ""
    moment = parse_moment(text)
    if moment is None:
        raise UsageError(
            f"--since: neither a span such as 7d nor a date such as 2026-01-31: {text!r}."
        )
    return datetime.fromtimestamp(moment / 1000).astimezone().date().isoformat()


def _print_table(by: str, groups: dict[str, UsageSums], total: UsageSums) -> None:
    rows: list[tuple[str, ...]] = [(by.capitalize(), *_COLUMNS)]
    rows += [(name, *_cells(sums)) for name, sums in groups.items()]
    rows.append(("Total", *_cells(total)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        print_line("  ".join((row[0].ljust(widths[0]), *cells)))
    if total.unpriced_tokens:
        print_line(f"Without a price: {total.unpriced_tokens:,.0f} of these tokens")
    if total.estimated_tokens:
        cost = money(total.estimated_cost)
        print_line(f"Estimated, not in the table: {total.estimated_tokens:,.0f} tokens, {cost}")


def _cells(sums: UsageSums) -> tuple[str, ...]:
    numbers = (
        *(sums.calls, sums.input_tokens, sums.cache_read_tokens, sums.cache_write_tokens),
        sums.completion_tokens,
    )
    return (*(f"{number:,.0f}" for number in numbers), money(sums.cost))


USAGE = Command(
    "usage",
    "show what the sessions of the embedded store cost",
    _usage,
    "opensync-hooks usage --by model --since 30d",
    _add_arguments,
)
