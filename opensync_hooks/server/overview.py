"""The overview: what was spent by day, model, project and agent, from the numbers of `usage`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from opensync_hooks.agents import registry
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.destinations.store.usage import NONE, UsageSums
from opensync_hooks.server import layout
from opensync_hooks.server.charts_html import bar, columns, legend
from opensync_hooks.server.filters import shortened_path
from opensync_hooks.server.html import Html, compact, cost, element, join, link_url
from opensync_hooks.server.routes import Response

_PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "A year", "all": "All time"}
_DEFAULT_PERIOD = "30"
_GROUPS = ("day", "model", "project", "agent")
_TOKEN_LABELS = ("New input", "Written to cache", "Read from cache", "Output")
_COLUMNS = ("Cost", "Calls", *_TOKEN_LABELS)
_MAX_ROWS = 25
_MAX_DAYS = 120
"""Columns of a chart; a longer time is shown by month."""


def overview(store: Store, fields: Mapping[str, str]) -> Response:
    period = fields.get("period", "")
    period = period if period in _PERIODS else _DEFAULT_PERIOD
    today = date.today()  # noqa: DTZ011 - the user's own day
    first = "" if period == "all" else (today - timedelta(int(period) - 1)).isoformat()
    since = int(datetime.fromisoformat(first).timestamp() * 1000) if first else 0
    (days, models, projects, agents), total = store.spending_by_each(_GROUPS, first)
    periods = element(
        "nav", *(_period_link(name, is_current=name == period) for name in _PERIODS),
        aria_label="Period", class_="pager",
    )  # fmt: skip
    content: tuple[Html, ...] = (
        _totals(total, *store.session_counts(since)),
        _days(days, first, today.isoformat()),
        _table("Models", "model", models, {}),
        _table("Projects", "project", projects, {path: shortened_path(path) for path in projects}),
        _table("Agents", "agent", agents, {name: registry.label(name) for name in agents}),
    )
    if not days:
        content = (element("p", "Nothing was spent in this time."),)
    return layout.page("Overview", periods, *content, view="overview")


def _period_link(period: str, *, is_current: bool) -> Html:
    current = "page" if is_current else False
    url = link_url("overview", period=period)
    return element("a", _PERIODS[period], href=url, aria_current=current)


def _totals(total: UsageSums, sessions: int, subagents: int, messages: int) -> Html:
    rows = [
        ("Cost", cost(total.cost) or "$0.00"),
        ("Sessions", f"{sessions:,}"),
        ("Subagents", f"{subagents:,}" if subagents else ""),
        ("Messages", f"{messages:,}"),
        ("Calls", f"{total.calls:,}"),
        *zip(_TOKEN_LABELS, map(compact, _tokens(total)), strict=True),
        ("Without a price", _tokens_text(total.unpriced_tokens)),
        ("Estimated, in no other number", _tokens_text(total.estimated_tokens)),
    ]
    terms = ((element("dt", term), element("dd", text)) for term, text in rows if text)
    return element("dl", *(element("div", *pair) for pair in terms), class_="totals")


def _tokens_text(number: float) -> str:
    return f"{compact(number)} tokens" if number else ""


def _days(days: dict[str, UsageSums], first: str, last: str) -> Html:
    """Return the charts of cost and tokens, with a column also for a day without calls."""
    used = [day for day in days if day != NONE]
    span = _range(first or min(used, default=last), max([last, *used]))
    unit = "day"
    if len(span) > _MAX_DAYS:
        months = {day[:7]: UsageSums() for day in span}
        for day in used:
            months.setdefault(day[:7], UsageSums()).merge(days[day])
        days, span, unit = months, sorted(months), "month"
    empty = UsageSums()
    sums = [(name, days.get(name, empty)) for name in span]
    costs = [(f"{name}: {cost(day.cost) or '$0.00'}", (day.cost,)) for name, day in sums]
    tokens = [(f"{name}: {_tokens_line(day)}", _tokens(day)) for name, day in sums]
    dearest = max(sums, key=lambda pair: pair[1].cost)
    label = f"Cost by {unit}, at most {cost(dearest[1].cost) or '$0.00'} on {dearest[0]}"
    rows = [_row(name, Html(), days[name]) for name in reversed(span) if name in days]
    return element(
        "section",
        element("h2", f"Cost by {unit}"), columns(label, costs),
        element("p", element("span", span[0]), element("span", span[-1]), class_="axis"),
        element("h2", f"Tokens by {unit}"), columns(f"Tokens by {unit}", tokens),
        legend(_TOKEN_LABELS),
        element("details", element("summary", "As a table"), _grid(unit.capitalize(), rows)),
    )  # fmt: skip


def _range(first: str, last: str) -> list[str]:
    """Return all days from the first to the last one, as ISO dates."""
    start = date.fromisoformat(first)
    length = min((date.fromisoformat(last) - start).days, 36_500)
    return [(start + timedelta(number)).isoformat() for number in range(length + 1)]


def _table(
    heading: str, field: str, groups: dict[str, UsageSums], labels: Mapping[str, str]
) -> Html:
    """Return the groups with the highest cost; each name leads to its sessions."""
    shown = list(groups.items())[:_MAX_ROWS]
    highest = max((sum(_tokens(sums)) for _, sums in shown), default=0)
    rows = []
    for name, sums in shown:
        url = link_url("./", **{field: name})
        has_page = name not in (NONE, "unknown")
        label = labels.get(name, name)
        text = element("a", element("bdi", label), href=url) if has_page else element("span", label)
        rows.append(_row(text, bar(_tokens(sums), highest), sums))
    rest = len(groups) - len(shown)
    more = element("p", f"and {rest:,} more") if rest else ""
    return element("section", element("h2", heading), _grid(heading[:-1], rows), more)


def _grid(first_column: str, rows: list[Html]) -> Html:
    heads = (element("th", name, scope="col") for name in (first_column, *_COLUMNS))
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows))
    attributes = {"tabindex": "0", "role": "group", "aria_label": f"{first_column}s"}
    return element("div", table, class_="table numeric", **attributes)


def _row(name: str, share: Html, sums: UsageSums) -> Html:
    numbers = (cost(sums.cost), f"{sums.calls:,}", *map(compact, _tokens(sums)))
    cells = (element("td", number) for number in numbers)
    return element("tr", element("th", name, share, scope="row"), *cells)


def _tokens(sums: UsageSums) -> tuple[float, ...]:
    """Return the numbers of `_TOKEN_LABELS`."""
    return (
        *(sums.input_tokens, sums.cache_write_tokens, sums.cache_read_tokens),
        sums.completion_tokens,
    )


def _tokens_line(sums: UsageSums) -> str:
    pairs = zip(_TOKEN_LABELS, _tokens(sums), strict=True)
    return join((f"{label} {compact(number)}" for label, number in pairs if number), ", ") or "none"
