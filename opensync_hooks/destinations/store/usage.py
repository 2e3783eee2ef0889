"""What the sessions of the embedded store cost, from the counts of single API calls.

A session arrives with its calls added up by day, model and basis: forks have their own calls only,
and subagents are sessions of their own, so that each call is counted once. What the totals of a
session have beyond that, or all of them for a session from another program, counts for the day of
its last message.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opensync_hooks.model import Json

QUERY = """SELECT externalId, parentExternalId, source, projectPath, projectName, model, provider,
    promptTokens, completionTokens, cost, extra, messageSpending, messageCount,
    coalesce(lastMessageAt, createdAt) AS lastMessageAt
    FROM session WHERE coalesce(lastMessageAt, createdAt) >= :since"""
_ROUNDING = 0.000_001
_ESTIMATE = "estimate"
NONE = "none"
"""The group of what has no project, no branch or no known day."""


_COUNTS = (
    *("inputTokens", "outputTokens", "cacheReadTokens", "cacheWrite5mTokens"),
    *("cacheWrite1hTokens", "reasoningTokens", "calls", "cost"),
)


class UsageSums:
    """Sums of one group. Estimated tokens are in no other count, nor is their cost.

    Not a dataclass: importing that module takes longer than all of `usage --statusline`.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.prompt_tokens = 0.0
        """New input, cache reads and cache writes together."""
        self.completion_tokens = 0.0
        self.input_tokens = 0.0
        self.cache_read_tokens = 0.0
        self.cache_write_tokens = 0.0
        self.reasoning_tokens = 0.0
        self.cost = 0.0
        """In USD."""
        self.unpriced_tokens = 0.0
        """Those among the counted tokens whose model has no price."""
        self.estimated_tokens = 0.0
        self.estimated_cost = 0.0

    def add(self, entry: Json) -> None:
        self.add_counts(entry.get("basis"), [_number(entry.get(name)) for name in _COUNTS])

    def add_counts(self, basis: Any, counts: list[float]) -> None:
        """Add the numbers of an entry, in the order of `_COUNTS`."""
        input_tokens, completion, cache_read, write_5m, write_1h, reasoning, calls, cost = counts
        prompt = input_tokens + cache_read + write_5m + write_1h
        if basis == _ESTIMATE:
            self.estimated_tokens += prompt + completion
            self.estimated_cost += cost
            return
        self.calls += int(calls)
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        self.input_tokens += input_tokens
        self.cache_read_tokens += cache_read
        self.cache_write_tokens += write_5m + write_1h
        self.reasoning_tokens += reasoning
        self.cost += cost
        if not basis:
            self.unpriced_tokens += prompt + completion

    def merge(self, other: UsageSums) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def as_json(self) -> dict[str, float]:
        """Return the sums under the names of OpenSync's fields."""
        return {
            _camel_case(name): int(value) if value == int(value) and name != "cost" else value
            for name, value in vars(self).items()
        }


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def entries(row: sqlite3.Row) -> Iterator[Json]:
    """Yield the calls of a session of `QUERY` by day, model and basis, then what is left over."""
    spending = _extra(row).get("spending") or _parsed(row["messageSpending"], [])
    prompt, completion, cost = row["promptTokens"], row["completionTokens"], row["cost"]
    for entry in spending if isinstance(spending, list) else ():
        if isinstance(entry, dict):
            prompt -= _prompt_tokens(entry)
            completion -= _number(entry.get("outputTokens"))
            cost -= _number(entry.get("cost"))
            entry.setdefault("model", row["model"])
            entry["day"] = _valid_day(entry.get("day"))
            yield entry
    if prompt > 0 or completion > 0 or cost > _ROUNDING:
        from opensync_hooks.pricing.estimate import MARK  # noqa: PLC0415 - imports dataclasses

        yield {
            "day": _day(row["lastMessageAt"]),
            "model": row["model"],
            "basis": _ESTIMATE if MARK in str(row["provider"]) else "session",
            "inputTokens": max(0, prompt),
            "outputTokens": max(0, completion),
            "cost": cost if cost > _ROUNDING else 0,
        }


def _valid_day(text: Any) -> str | None:
    return _iso_day(text) if isinstance(text, str) else None


@lru_cache(maxsize=4096)
def _iso_day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _prompt_tokens(entry: Json) -> float:
    get = entry.get
    cached = _number(get("cacheReadTokens")) + _number(get("cacheWrite5mTokens"))
    return _number(get("inputTokens")) + cached + _number(get("cacheWrite1hTokens"))


@lru_cache(maxsize=4096)
def _week(day: str) -> str:
    monday = date.fromisoformat(day)
    return (monday - timedelta(days=monday.weekday())).isoformat()


KEYS: Mapping[str, Callable[[sqlite3.Row, Json], str]] = {
    "day": lambda _, entry: entry.get("day") or NONE,
    "week": lambda _, entry: _week(entry["day"]) if entry.get("day") else NONE,
    "month": lambda _, entry: (entry.get("day") or NONE)[:7],
    "project": lambda row, _: row["projectPath"] or row["projectName"] or NONE,
    "model": lambda _, entry: entry.get("model") or "unknown",
    "agent": lambda row, _: row["source"] or "unknown",
    "branch": lambda row, _: _extra(row).get("gitBranch") or NONE,
}
"""The group of an entry, by what `usage --by` names."""


def group(
    rows: Iterable[sqlite3.Row], by: str, since_day: str = ""
) -> tuple[dict[str, UsageSums], UsageSums]:
    """Return the sums by group, and of all groups; a project is shown by its name if that is clear.

    `since_day`: an ISO date; earlier calls of sessions that went on are left out.
    """
    (groups,), total, names = group_by_each(rows, (by,), since_day)
    if by == "project":
        counts = defaultdict[str, int](int)
        for name in names.values():
            counts[name] += 1
        shown = ((key if counts[names[key]] > 1 else names[key], groups[key]) for key in groups)
        groups = dict(shown)
    return groups, total


def group_by_each(
    rows: Iterable[sqlite3.Row], bys: tuple[str, ...], since_day: str = ""
) -> tuple[list[dict[str, UsageSums]], UsageSums, dict[str, str]]:
    """Return the sums by each of several groups, of all, and the name of each project's folder.

    Days, weeks and months are in their order, other groups by cost.
    """
    all_groups = [defaultdict[str, UsageSums](UsageSums) for _ in bys]
    keys = [(KEYS[by], groups) for by, groups in zip(bys, all_groups, strict=True)]
    total, names = UsageSums(), {}
    for row in rows:
        project = row["projectPath"] or row["projectName"] or NONE
        for entry in entries(row):
            if since_day and (entry.get("day") or "") < since_day:
                continue
            basis, counts = entry.get("basis"), [_number(entry.get(name)) for name in _COUNTS]
            for key, groups in keys:
                groups[str(key(row, entry))].add_counts(basis, counts)
            total.add_counts(basis, counts)
            names[project] = str(row["projectName"] or project)
    by_time = ("day", "week", "month")
    sorted_groups = [
        dict(sorted(groups.items(), key=lambda pair: pair[0] if by in by_time else -pair[1].cost))
        for by, groups in zip(bys, all_groups, strict=True)
    ]
    return sorted_groups, total, names


def families(rows: Iterable[sqlite3.Row]) -> Iterator[tuple[float, list[float | None]]]:
    """Yield what an agent itself counts for each session, and what that is to be compared with.

    The second is the cost of the session and of every subagent below it; None for one that has
    calls without a price. Sessions of agents that state no total are left out.
    """
    by_parent: defaultdict[str | None, list[sqlite3.Row]] = defaultdict(list)
    roots = []
    for row in rows:
        by_parent[row["parentExternalId"]].append(row)
        roots += [row] if "agentCost" in _extra(row) else []
    for root in roots:
        family, added = [root], [root]
        while added:
            added = [child for row in added for child in by_parent.get(row["externalId"], ())]
            family += added
        costs = [None if _extra(row).get("unpriced") else _number(row["cost"]) for row in family]
        yield _number(_extra(root)["agentCost"]), costs


def _extra(row: sqlite3.Row) -> Json:
    extra: Json = _parsed(row["extra"], {})
    return extra


def _day(milliseconds: Any) -> str | None:
    try:
        return datetime.fromtimestamp(milliseconds / 1000).astimezone().date().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _parsed(text: Any, if_damaged: Any) -> Any:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return if_damaged
    return value if isinstance(value, type(if_damaged)) else if_damaged
