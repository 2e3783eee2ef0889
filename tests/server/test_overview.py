"""The overview shows the numbers of `usage`, as text and as SVG."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.html import compact, cost
from opensync_hooks.server.overview import overview
from tests.page_reader import Page

TODAY = date.today()  # noqa: DTZ011 - the page shows the user's own days


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as opened:
        yield opened


def put(store: Store, key: str, days_ago: int, dollars: float, **fields: str) -> None:
    day = TODAY - timedelta(days_ago)
    counts = {
        "inputTokens": 1_000, "outputTokens": 50, "cacheReadTokens": 70_000,
        "cacheWrite5mTokens": 3_000, "cacheWrite1hTokens": 200,
    }  # fmt: skip
    model = fields.setdefault("model", "opus")
    entry = {"day": day.isoformat(), "model": model, "basis": "list", "calls": 2, "cost": dollars}
    body = {
        "externalId": key, "promptTokens": 74_200, "completionTokens": 50, "cost": dollars,
        "createdAt": datetime.combine(day, time(12)).timestamp() * 1_000, **fields,
    }  # fmt: skip
    store.put_session(body, {"spending": [{**entry, **counts}], "gitBranch": "main"})


def read(store: Store, **fields: str) -> Page:
    return Page(overview(store, fields).body.decode())


def cells(page_html: bytes) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", page_html.decode())
    return [re.findall(r"<td>(.*?)</td>", row) for row in rows]


def test_tables_have_the_numbers_of_usage(store: Store) -> None:
    put(store, "a", 0, 1.5, projectPath="/home/x/one", projectName="one", source="claude-code")
    put(store, "b", 3, 2.25, projectPath="/home/x/two", projectName="two", source="opencode")
    put(store, "c", 3, 0.5, model="haiku", projectPath="/home/x/one", source="opencode")
    response = overview(store, {"period": "all"})
    page = Page(response.body.decode())
    rows = cells(response.body)
    for by in ("day", "model", "agent"):
        groups, total = store.spending(by)
        for sums in groups.values():
            assert [
                cost(sums.cost), f"{sums.calls:,}", compact(sums.input_tokens),
                compact(sums.cache_write_tokens), compact(sums.cache_read_tokens),
                compact(sums.completion_tokens),
            ] in rows  # fmt: skip
    assert (
        f"Cost{cost(total.cost)}Sessions3Messages0Calls6New input3.0kWritten to cache9.6k"
        in page.text
    )
    assert "Read from cache210kOutput150" in page.text
    assert "Claude Code" in page.text
    assert {"./?model=haiku", "./?project=%2Fhome%2Fx%2Fone", "./?agent=opencode"} <= {*page.links}


def test_period_leaves_out_earlier_calls(store: Store) -> None:
    put(store, "new", 2, 1.0)
    put(store, "old", 10, 8.0)
    put(store, "older", 200, 32.0)
    for period, dollars in {"7": 1, "30": 9, "90": 9, "365": 41, "all": 41, "x": 9, "": 9}.items():
        assert f"Cost${dollars}.00" in read(store, period=period).text


def test_every_day_has_a_column(store: Store) -> None:
    put(store, "a", 0, 1.0)
    put(store, "b", 29, 1.0)
    html = overview(store, {}).body.decode()
    assert html.count("<title>") == 1 + 2 * 30
    assert f"<title>{TODAY.isoformat()}: $1.00</title>" in html
    quiet = (TODAY - timedelta(1)).isoformat()
    assert f"<title>{quiet}: $0.00</title>" in html


def test_long_time_is_shown_by_month(store: Store) -> None:
    for days_ago in (0, 150, 300):
        put(store, str(days_ago), days_ago, 1.0)
    page = read(store, period="365")
    assert "Cost by month" in page.headings
    assert page.tags.count("svg") > 2


def test_nothing_spent_is_said(store: Store) -> None:
    assert "Nothing was spent in this time." in read(store).text
    store.put_session({"externalId": "x"}, {})
    assert "Nothing was spent in this time." in read(store, period="all").text


def test_new_session_is_in_the_next_view(store: Store) -> None:
    put(store, "a", 0, 1.0)
    assert "Cost$1.00" in read(store).text
    put(store, "b", 0, 1.0)
    assert "Cost$2.00" in read(store).text
    store.delete_session("a")
    assert "Cost$1.00" in read(store).text


def test_unpriced_and_estimated_tokens_are_apart(store: Store) -> None:
    entries = [
        {"day": TODAY.isoformat(), "model": "m", "calls": 1, "inputTokens": 5_000},
        {"day": TODAY.isoformat(), "model": "m", "basis": "estimate", "inputTokens": 9_000},
    ]
    store.put_session({"externalId": "x", "promptTokens": 14_000}, {"spending": entries})
    page = read(store)
    assert "Without a price5.0k tokens" in page.text
    assert "Estimated, in no other number9.0k tokens" in page.text


@pytest.mark.parametrize("day", ["", "never", "9999-12-31", "0001-01-01", None, 5])
def test_strange_days_break_no_page(store: Store, day: object) -> None:
    entry = {"day": day, "model": "<b>", "basis": "list", "calls": 1, "cost": 1, "inputTokens": 1}
    body = {"externalId": "x", "promptTokens": 1, "cost": 1, "projectPath": "<i>", "source": "<u>"}
    store.put_session(body, {"spending": [json.loads(json.dumps(entry))]})
    for period in ("all", "30"):
        assert read(store, period=period).text
