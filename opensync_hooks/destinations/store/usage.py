"""What the sessions of the embedded store cost, from the counts of single API calls.

A session arrives with its calls added up by day, model and basis: forks have their own calls only,
and subagents are sessions of their own, so that each call is counted once. What the totals of a
session have beyond that, or all of them for a session from another program, counts for the day of
its last message. Triggers of the schema keep both in the table `spending`.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from math import isfinite

NONE = "none"
"""The group of what has no project, no branch or no known day."""
_ESTIMATE = "estimate"
_TOTALS = ", ".join(
    f"total(spending.{name})"
    for name in (
        *("inputTokens", "outputTokens", "cacheReadTokens", "cacheWrite5mTokens"),
        *("cacheWrite1hTokens", "reasoningTokens", "calls", "cost"),
    )
)
_BY_TIME = ("day", "week", "month")
_VALID_EXTRA = "CASE WHEN json_valid(extra) THEN extra ELSE '{}' END"
_COLUMNS = dict.fromkeys(_BY_TIME, "day") | {
    "project": "coalesce(nullif(projectPath, ''), projectName)",
    "model": "spending.model",
    "agent": "source",
    "branch": f"json_extract({_VALID_EXTRA}, '$.gitBranch')",
}
GROUPINGS = tuple(_COLUMNS)
"""What `usage --by` accepts."""
_NAMES = f"SELECT {_COLUMNS['project']}, max(projectName) FROM session GROUP BY 1"
FAMILIES = f"""SELECT externalId, parentExternalId, cost,
    CASE WHEN json_type({_VALID_EXTRA}, '$.agentCost') IN ('integer', 'real')
        THEN json_extract(extra, '$.agentCost') END AS agentCost,
    json_array_length({_VALID_EXTRA}, '$.unpriced') AS unpriced FROM session"""


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

    def add(self, basis: str | None, counts: Iterable[float]) -> None:
        """Add what `_TOTALS` selects."""
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

    def as_json(self) -> dict[str, float | None]:
        """Return the sums under the names of OpenSync's fields; null if too large, as there."""
        return {
            _camel_case(name): (int(value) if value % 1 == 0 and name != "cost" else value)
            if isfinite(value)
            else None
            for name, value in vars(self).items()
        }


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def group(
    db: sqlite3.Connection, by: str, since_day: str = ""
) -> tuple[dict[str, UsageSums], UsageSums]:
    """Return the sums by group, and of all groups; a project is shown by its name if that is clear.

    `since_day`: an ISO date; earlier calls of sessions that went on are left out.
    """
    (groups,), total = group_by_each(db, (by,), since_day)
    if by == "project":
        names = {path or NONE: name or path or NONE for path, name in db.execute(_NAMES)}
        counts = defaultdict[str, int](int)
        for path in groups:
            counts[names[path]] += 1
        groups = {
            path if counts[names[path]] > 1 else names[path]: sums for path, sums in groups.items()
        }
    return groups, total


def group_by_each(
    db: sqlite3.Connection, bys: tuple[str, ...], since_day: str = ""
) -> tuple[list[dict[str, UsageSums]], UsageSums]:
    """Return the sums by each of several groups, and of all.

    Days, weeks and months are in their order, other groups by cost.
    """
    all_sums = {by: defaultdict[str, UsageSums](UsageSums) for by in bys}
    # Apart: the first has its order from an index, and the second sorts once for all its groups.
    for part in ([by for by in bys if by in _BY_TIME], [by for by in bys if by not in _BY_TIME]):
        for row in _totals(db, part, since_day) if part else ():
            for by, value in zip(part, row, strict=False):
                all_sums[by][_name(by, value)].add(row["basis"], row[len(part) + 1 :])
    total = UsageSums()
    for sums in all_sums[bys[0]].values():
        total.merge(sums)
    groups = [
        dict(sorted(groups.items(), key=lambda pair: pair[0] if by in _BY_TIME else -pair[1].cost))
        for by, groups in all_sums.items()
    ]
    return groups, total


def _totals(db: sqlite3.Connection, bys: list[str], since_day: str) -> sqlite3.Cursor:
    """Select the totals for each combination of values, after these and the basis."""
    columns = ", ".join(_COLUMNS[by] for by in bys)
    session = "" if bys[0] in _BY_TIME else "JOIN session ON session.arrival = spending.session"
    since = "WHERE day >= :since" if since_day else ""
    query = f"SELECT {columns}, basis, {_TOTALS} FROM spending {session} {since}"
    return db.execute(f"{query} GROUP BY {columns}, basis", {"since": since_day})


def _name(by: str, value: object) -> str:
    if not value:
        return "unknown" if by in ("model", "agent") else NONE
    if by == "week":
        day = date.fromisoformat(str(value))
        return (day - timedelta(days=day.weekday())).isoformat()
    return str(value)[:7] if by == "month" else str(value)


def families(rows: Iterable[sqlite3.Row]) -> Iterator[tuple[float, list[float | None]]]:
    """Yield what an agent itself counts for each session, and what that is to be compared with.

    The second is the cost of the session and of every subagent below it; None for one that has
    calls without a price. Sessions of agents that state no total are left out. `rows`: all of
    `FAMILIES`.
    """
    by_parent: defaultdict[str | None, list[sqlite3.Row]] = defaultdict(list)
    roots = []
    for row in rows:
        by_parent[row["parentExternalId"]].append(row)
        roots += [row] if row["agentCost"] is not None else []
    for root in roots:
        family, added = [root], [root]
        while added:
            added = [child for row in added for child in by_parent.get(row["externalId"], ())]
            family += added
        yield root["agentCost"], [None if row["unpriced"] else row["cost"] for row in family]
