"""The sums that reports and pages read are those of the rows, after any change of the store."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json

DAY_MS = 86_400_000
NOON = int(datetime(2026, 3, 5, 12).timestamp() * 1000)  # noqa: DTZ001 - the user's own noon


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as opened:
        yield opened


def put(store: Store, key: str, *spending: Any, **fields: Any) -> None:
    extra = {"spending": list(spending)} if spending else {}
    store.put_session({"externalId": key, "createdAt": NOON, **fields}, extra)


def call(day: str, cost: float = 1, **fields: Any) -> Json:
    return {"day": day, "model": "opus", "basis": "list", "calls": 1, "cost": cost, **fields}


def message(store: Store, key: str, number: int, at: int) -> None:
    ids = {"sessionExternalId": key, "externalId": f"{key}:{number}"}
    store.put_message({**ids, "role": "user", "createdAt": at}, {}, replaces=False)


def days(store: Store) -> dict[str, float]:
    return {day: sums.cost for day, sums in store.spending("day")[0].items()}


def test_sums_follow_each_change_of_a_session(store: Store) -> None:
    put(store, "a", call("2026-03-01", 1), cost=1, title="before")
    assert days(store) == {"2026-03-01": 1}
    put(store, "a", title="after")
    assert days(store) == {"2026-03-01": 1}
    put(store, "a", call("2026-03-01", 2), call("2026-03-02", 4), cost=6)
    assert days(store) == {"2026-03-01": 2, "2026-03-02": 4}
    put(store, "b", call("2026-03-02", 8), cost=8)
    assert days(store) == {"2026-03-01": 2, "2026-03-02": 12}
    store.delete_session("a")
    assert days(store) == {"2026-03-02": 8}
    assert store.wrong_sums() == 0


def test_cost_beyond_the_calls_moves_with_the_last_message(store: Store) -> None:
    put(store, "a", call("2026-03-01", 1), cost=3)
    assert days(store) == {"2026-03-01": 1, "2026-03-05": 2}
    message(store, "a", 0, NOON + 1)
    message(store, "a", 1, NOON + 2 * DAY_MS)
    assert days(store) == {"2026-03-01": 1, "2026-03-07": 2}
    put(store, "a", cost=1)
    assert days(store) == {"2026-03-01": 1}
    assert store.wrong_sums() == 0


def test_group_of_a_session_is_that_of_its_newest_row(store: Store) -> None:
    put(store, "a", call("2026-03-01"), projectPath="/home/ada/attic", cost=1)
    put(store, "a", projectPath="/home/ada/kitchen", source="opencode")
    assert [*store.spending("project")[0]] == ["/home/ada/kitchen"]
    assert [*store.spending("agent")[0]] == ["opencode"]


def test_refused_and_interrupted_writes_leave_the_sums(store: Store) -> None:
    put(store, "a", call("2026-03-01"), cost=1)
    with suppress(RejectedError):
        put(store, "a", call("2026-03-02"), cost="much")
    with suppress(KeyboardInterrupt), store.transaction():
        put(store, "a", call("2026-03-03", 5), cost=5)
        raise KeyboardInterrupt
    assert days(store) == {"2026-03-01": 1}


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_writes_adds_up(store: Store, seed: int) -> None:
    """The expected sums are counted beside the store, from what was written."""
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    costs: dict[str, int] = {}
    for number in range(150):
        key = f"s{chance.randrange(12)}"
        match chance.randrange(5):
            case 0:
                message(store, key, number, NOON + chance.randrange(9) * DAY_MS)
                costs.setdefault(key, 0)
            case 1:
                costs[key] = chance.randrange(50)
                put(store, key, call("2026-02-28", costs[key]), cost=costs[key])
            case 2:
                parts = [call(f"2026-02-{day:02}", day) for day in chance.sample(range(1, 29), 3)]
                spent = sum(part["cost"] for part in parts)
                costs[key] = spent + chance.randrange(3)
                put(store, key, *parts, cost=costs[key], model=chance.choice("ab"))
            case 3 if key in costs:
                put(store, key, title=str(number))
            case _:
                store.delete_session(key)
                costs.pop(key, None)
    assert store.wrong_sums() == 0
    _, total = store.spending("model")
    assert total.cost == sum(costs.values())
    assert store.session_counts(0)[0] == len(costs)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE spending SET cost = cost + 1 WHERE rowid = 1",
        "UPDATE spending SET outputTokens = 5 WHERE rowid = 1",
        "UPDATE spending SET day = '2026-03-02' WHERE rowid = 1",
        "UPDATE spending SET day = NULL WHERE rowid = 1",
        "UPDATE spending SET model = 'haiku' WHERE rowid = 1",
        "UPDATE spending SET basis = NULL WHERE rowid = 1",
        "DELETE FROM spending WHERE rowid = 1",
        "INSERT INTO spending SELECT * FROM spending WHERE rowid = 1",
        "UPDATE session SET messageCount = 7 WHERE externalId = 'a'",
    ],
)
def test_full_check_notices_wrong_sums_and_makes_them_again(store: Store, damage: str) -> None:
    put(store, "a", call("2026-03-01"), cost=1)
    put(store, "b", call("2026-03-01"), cost=5, provider="cursor (tokens estimated)")
    message(store, "a", 0, NOON)
    assert store.wrong_sums() == 0
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute(damage)
    assert store.wrong_sums() == 1
    store.rebuild_sums()
    assert store.wrong_sums() == 0
    assert days(store) == {"2026-03-01": 2, "2026-03-05": 0}
