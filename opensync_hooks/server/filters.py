"""The filters of the list of sessions: what a request asks for, and the form for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

from opensync_hooks.agents import registry
from opensync_hooks.dataclass import dataclass
from opensync_hooks.destinations.store.listing import ORDERS
from opensync_hooks.destinations.store.search_query import SearchQuery, parse_query
from opensync_hooks.server.html import Html, element, join

_NAMES = ("agent", "project", "model", "branch")
_ORDER_LABELS = {"time": "Newest first", "cost": "Cost", "tokens": "Tokens", "messages": "Messages"}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a request asks for; an invalid value asks for nothing."""

    query: SearchQuery
    order: str
    fields: Mapping[str, str]
    """All that has a value, for links to other pages of the same list."""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.fields.keys() - {"q", "sort"})


def parse_filters(fields: Mapping[str, str]) -> Filters:
    """Return the filters of a request. What is typed into the search comes before the form."""
    query = parse_query(fields.get("q", ""))
    first, last = _day(fields.get("from", "")), _day(fields.get("to", ""))
    after, before = _milliseconds(first), _milliseconds(last and last + timedelta(1))
    query = replace(
        query,
        agent=query.agent or fields.get("agent", ""),
        project=query.project or fields.get("project", ""),
        model=query.model or fields.get("model", ""),
        branch=query.branch or fields.get("branch", ""),
        after=after if query.after is None else query.after,
        before=before if query.before is None else query.before,
    )
    order = fields.get("sort", "")
    names = ("q", *_NAMES, "from", "to", "sort")
    kept = {name: fields[name] for name in names if fields.get(name)}
    return Filters(query, order if order in ORDERS else "time", kept)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if date(1971, 1, 1) < day < date(9000, 1, 1) else None


def _milliseconds(day: date | None) -> int | None:
    """Return when a day begins on this machine, in ms since 1970."""
    if day is None:
        return None
    return int(datetime(day.year, day.month, day.day).astimezone().timestamp() * 1000)


def filter_form(filters: Filters, choices: Mapping[str, list[str]]) -> Html:
    """Return the fields that belong to the form of the search."""
    controls = [
        _select(name, filters.fields.get(name, ""), choices[name])
        for name in _NAMES
        if len(choices[name]) > 1 or filters.fields.get(name)
    ]
    for name, label in (("from", "From"), ("to", "To")):
        value = filters.fields.get(name, "")
        field = element("input", type="date", name=name, value=value, form="search")
        controls.append(element("label", element("span", label), field))
    if not filters.query.as_fts():  # hits of a search are ranked by where the words are
        controls.append(_select("sort", filters.order, [*ORDERS]))
    controls.append(element("button", "Apply", form="search"))
    if filters.fields:
        controls.append(element("a", "Clear", href="./"))
    return element(
        "details",
        element("summary", "Filters"),
        element("div", *controls, class_="controls"),
        class_="filters",
        open=filters.is_narrowed,
    )


def _select(name: str, selected: str, values: list[str]) -> Html:
    options = [(value, _label(name, value)) for value in values]
    if name != "sort":
        options.insert(0, ("", "All"))
        if selected and selected not in values:
            options.append((selected, _label(name, selected)))
    elements = (
        element("option", label, value=value, selected=value == selected)
        for value, label in options
    )
    field = element("select", join(elements), name=name, form="search")
    return element("label", element("span", name.capitalize()), field)


def _label(name: str, value: str) -> str:
    match name:
        case "agent":
            return registry.label(value)
        case "sort":
            return _ORDER_LABELS[value]
        case "project":
            return shortened_path(value)
    return value


def shortened_path(path: str) -> str:
    """Return the last two folders of a path."""
    folders = path.replace("\\", "/").rstrip("/").split("/")
    return path if len(folders) <= 3 else "…/" + "/".join(folders[-2:])
