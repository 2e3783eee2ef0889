"""Spending is added up from single calls; what is estimated or has no price is shown apart."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.store import usage
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Json

OLD_STORE = Path(__file__).parents[2] / "data" / "store" / "version-1.db"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as opened:
        yield opened


def calls(day: str, model: str, cost: float | None, **tokens: int) -> Json:
    entry: Json = {"day": day, "model": model, "calls": 2, **tokens}
    return entry if cost is None else {**entry, "basis": "list", "cost": cost}


def put(store: Store, key: str, *spending: Json, **fields: Any) -> None:
    def total(*names: str) -> Any:
        return sum(entry.get(name, 0) for entry in spending for name in names)

    body = {
        "externalId": key, "source": "claude-code", "model": "opus", "cost": total("cost"),
        "projectPath": "/home/ada/attic", "projectName": "attic",
        "promptTokens": total(
            *("inputTokens", "cacheReadTokens", "cacheWrite5mTokens", "cacheWrite1hTokens")
        ),
        "completionTokens": total("outputTokens"), **fields,
    }  # fmt: skip
    branch = body.pop("branch", "main")
    store.put_session(body, {"gitBranch": branch, "spending": list(spending)})


def costs(store: Store, by: str, since_day: str = "") -> dict[str, float]:
    groups, _ = store.spending(by, since_day)
    return {name: round(sums.cost, 6) for name, sums in groups.items()}


@pytest.fixture
def three_days(store: Store) -> Store:
    put(
        store, "s1",
        calls("2026-03-01", "opus", 1.0, inputTokens=10, outputTokens=3, cacheReadTokens=100),
        calls("2026-03-02", "haiku", 0.25, inputTokens=5, cacheWrite5mTokens=7),
    )  # fmt: skip
    put(
        store,
        "s2",
        calls("2026-03-09", "opus", 2.0, inputTokens=1),
        branch="fix",
        source="opencode",
    )
    put(
        store, "s3", calls("2026-04-01", "opus", 4.0, inputTokens=1, cacheWrite1hTokens=3),
        projectPath="/home/ada/kitchen", projectName="kitchen",
    )  # fmt: skip
    return store


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("day", {"2026-03-01": 1.0, "2026-03-02": 0.25, "2026-03-09": 2.0, "2026-04-01": 4.0}),
        ("week", {"2026-02-23": 1.0, "2026-03-02": 0.25, "2026-03-09": 2.0, "2026-03-30": 4.0}),
        ("month", {"2026-03": 3.25, "2026-04": 4.0}),
        ("project", {"kitchen": 4.0, "attic": 3.25}),
        ("model", {"opus": 7.0, "haiku": 0.25}),
        ("agent", {"claude-code": 5.25, "opencode": 2.0}),
        ("branch", {"main": 5.25, "fix": 2.0}),
    ],
)
def test_costs_are_grouped(three_days: Store, by: str, expected: dict[str, float]) -> None:
    groups = costs(three_days, by)
    assert groups == expected
    assert list(groups) == list(expected)


def test_tokens_of_all_kinds_are_apart(three_days: Store) -> None:
    _, total = three_days.spending("day")
    assert total.as_json() == {
        "calls": 8, "promptTokens": 127, "completionTokens": 3, "inputTokens": 17,
        "cacheReadTokens": 100, "cacheWriteTokens": 10, "reasoningTokens": 0, "cost": 7.25,
        "unpricedTokens": 0, "estimatedTokens": 0, "estimatedCost": 0,
    }  # fmt: skip


def test_earlier_calls_of_a_session_that_went_on_are_left_out(three_days: Store) -> None:
    assert costs(three_days, "model", "2026-03-02") == {"opus": 6.0, "haiku": 0.25}


def test_calls_without_a_price_are_counted_and_named(store: Store) -> None:
    put(store, "s", calls("2026-03-01", "new", None, inputTokens=5, outputTokens=2))
    _, total = store.spending("day")
    assert (total.prompt_tokens, total.unpriced_tokens, total.cost) == (5, 7, 0)


def test_estimated_tokens_are_in_no_other_count(store: Store) -> None:
    estimate = {**calls("2026-03-01", "opus", 0.5, inputTokens=40), "basis": "estimate"}
    put(store, "s", estimate, calls("2026-03-01", "opus", 0.25, inputTokens=2), cost=0.75)
    groups, total = store.spending("model")
    assert (total.prompt_tokens, total.cost) == (2, 0.25)
    assert (total.estimated_tokens, total.estimated_cost) == (40, 0.5)
    assert list(groups) == ["opus"]


def test_session_of_another_program_counts_for_the_day_of_its_last_message(store: Store) -> None:
    body: Json = {"externalId": "npm", "model": "opus", "promptTokens": 7, "completionTokens": 1}
    store.put_session({**body, "cost": 0.5, "createdAt": 1_772_000_000_000}, {})
    groups, total = store.spending("day")
    assert [*groups] == ["2026-02-25"]
    assert (total.prompt_tokens, total.completion_tokens, total.cost) == (7, 1, 0.5)
    assert (total.unpriced_tokens, total.calls) == (0, 0)


def test_totals_beyond_the_calls_are_not_lost(store: Store) -> None:
    put(store, "s", calls("2026-03-01", "opus", 1.0, inputTokens=5), promptTokens=9, cost=1.5)
    _, total = store.spending("day")
    assert (total.prompt_tokens, total.cost) == (9, 1.5)


def test_projects_of_the_same_name_are_told_apart(store: Store) -> None:
    put(store, "a", calls("2026-03-01", "m", 1.0), projectPath="/a/site", projectName="site")
    put(store, "b", calls("2026-03-01", "m", 2.0), projectPath="/b/site", projectName="site")
    assert costs(store, "project") == {"/b/site": 2.0, "/a/site": 1.0}


@pytest.mark.parametrize(
    "spending", ["x", 5, [5, None, "x"], [{"day": 5}], [{"inputTokens": "many", "calls": None}]]
)
def test_damaged_spending_stops_no_report(store: Store, spending: Any) -> None:
    body = {"externalId": "s", "promptTokens": 7, "source": "claude-code"}
    store.put_session(body, {"spending": spending})
    put(store, "t", calls("2026-03-01", "opus", 1.0, inputTokens=5))
    for by in usage.GROUPINGS:
        _, total = store.spending(by)
        assert (total.prompt_tokens, total.cost) == (12, 1.0)


def test_old_store_has_the_sums_of_its_messages(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copyfile(OLD_STORE, path)
    with closing(sqlite3.connect(path)) as db:
        sums = "SELECT sum(promptTokens), sum(completionTokens), sum(cost) FROM session"
        prompt, completion, cost = db.execute(sums).fetchone()
        calls = "SELECT count(*) FROM message WHERE promptTokens > 0 OR completionTokens > 0"
        (call_count,) = db.execute(calls).fetchone()
    with Store(path) as store:
        groups, total = store.spending("model")
    assert (total.prompt_tokens, total.completion_tokens) == (prompt, completion)
    assert total.calls == call_count == 47
    assert total.cost == pytest.approx(cost)
    assert total.cache_read_tokens == 182_700
    assert set(groups) == {"claude-opus-5-5", "fake-model"}


def test_families_compare_the_agents_count_with_the_session_and_all_its_subagents(
    store: Store,
) -> None:
    for key, parent, extra in (
        ("s1", None, {"agentCost": 5.5}),
        ("s1:a", "s1", {}),
        ("s1:b", "s1:a", {"unpriced": ["m"]}),
        ("s2", None, {"agentCost": 1}),
        ("s3", None, {}),
    ):
        parents = {"parentExternalId": parent} if parent else {}
        store.put_session({"externalId": key, "cost": 1.25}, {**extra, **parents})
    families = store.agent_costs()
    assert families == [(5.5, [1.25, 1.25, None]), (1, [1.25])]


def test_sum_that_is_too_large_for_a_number_is_null(store: Store) -> None:
    for key in ("a", "b"):  # a program may send any number as the cost of its session
        put(store, key, cost=1.7e308, promptTokens=1.7e308)
    groups, total = store.spending("agent")
    for sums in (total, groups["claude-code"]):
        assert (sums.as_json()["cost"], sums.as_json()["promptTokens"]) == (None, None)
        assert sums.as_json()["completionTokens"] == 0
