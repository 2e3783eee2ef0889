"""Compares the sums that the store keeps for its pages and reports with the rows they are made of.

It counts anew, in Python, what the triggers of the schema count in SQL, so that a mistake in one
of them shows.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain
from math import isclose
from typing import Any

from opensync_hooks.destinations.store.reader import parsed
from opensync_hooks.model import Json
from opensync_hooks.pricing.estimate import MARK

_PROMPT = ("inputTokens", "cacheReadTokens", "cacheWrite5mTokens", "cacheWrite1hTokens")
_COUNTS = (*_PROMPT, "outputTokens", "reasoningTokens", "calls", "cost")
_ROUNDING = 0.000_001
_SESSIONS = """SELECT arrival, model, provider, promptTokens, completionTokens, cost, extra,
    messageSpending, messageCount, (SELECT count(*) FROM message
        WHERE message.session = session.id) AS messages FROM session"""
_SAMPLED = f"""{_SESSIONS} WHERE arrival IN (
    SELECT arrival FROM (SELECT arrival FROM session ORDER BY arrival DESC LIMIT ?)
    UNION SELECT (SELECT min(arrival) FROM session WHERE arrival >= value) FROM json_each(?))"""
_SAMPLE = 20
"""How many of the newest sessions, and how many others at random."""
_SPENDING = "SELECT * FROM spending WHERE session = ?"

_Sums = dict[tuple[str, str, str], list[float]]
"""The numbers of `_COUNTS` by day, model and basis."""


def count_wrong_sessions(db: sqlite3.Connection) -> int:
    """Return how many sessions have sums that differ from their messages or calls."""
    return sum(_is_wrong(db, row) for row in db.execute(_SESSIONS))


def count_wrong_in_sample(db: sqlite3.Connection) -> int:
    """Return the same for some of the sessions, in the same time for any number of them."""
    last = db.execute("SELECT max(arrival) FROM session").fetchone()[0] or 1
    arrivals = [secrets.randbelow(last) + 1 for _ in range(_SAMPLE)]
    return sum(_is_wrong(db, row) for row in db.execute(_SAMPLED, (_SAMPLE, str(arrivals))))


def _is_wrong(db: sqlite3.Connection, row: sqlite3.Row) -> bool:
    kept, counted = db.execute(_SPENDING, (row["arrival"],)), _spending(row)
    has_messages = row["messages"] == row["messageCount"]
    return not (has_messages and _are_equal(_sums(kept), _sums(counted)))


def _spending(row: sqlite3.Row) -> Iterator[Json]:
    """Yield the calls of a session by day, model and basis, then what its totals have beyond."""
    arrived = parsed(row["extra"], {}).get("spending")
    is_list = isinstance(arrived, list) and arrived
    entries = arrived if is_list else parsed(row["messageSpending"], [])
    prompt, completion, cost = row["promptTokens"], row["completionTokens"], row["cost"]
    for entry in entries:
        if isinstance(entry, dict):
            prompt -= sum(_number(entry.get(name)) for name in _PROMPT)
            completion -= _number(entry.get("outputTokens"))
            cost -= _number(entry.get("cost"))
            model = entry.get("model")
            yield entry | {"model": model if isinstance(model, str) else row["model"]}
    if prompt > 0 or completion > 0 or cost > _ROUNDING:
        yield {
            "model": row["model"],
            "basis": "estimate" if MARK in (row["provider"] or "") else "session",
            "inputTokens": max(0, prompt),
            "outputTokens": max(0, completion),
            "cost": cost if cost > _ROUNDING else 0,
        }


def _sums(entries: Iterable[Json | sqlite3.Row]) -> _Sums:
    sums: defaultdict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0] * len(_COUNTS))
    for entry in map(dict, entries):
        numbers = [_number(entry.get(name)) for name in _COUNTS]
        # What has no calls has the day of the last message, and that depends on the time zone.
        day = _valid_day(entry.get("day")) if entry.get("calls") else ""
        key = (day, entry.get("model") or "", _text(entry.get("basis")))
        sums[key] = [first + second for first, second in zip(sums[key], numbers, strict=True)]
    return sums


def _are_equal(first: _Sums, second: _Sums) -> bool:
    if first.keys() != second.keys():
        return False
    numbers = chain.from_iterable(zip(first[key], second[key], strict=True) for key in first)
    return all(isclose(a, b, rel_tol=1e-9, abs_tol=_ROUNDING) for a, b in numbers)


def _valid_day(day: Any) -> str:
    try:
        return day if date.fromisoformat(day).isoformat() == day else ""
    except (TypeError, ValueError):
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
