"""`usage` shows what the stored sessions cost: as a table, as JSON, as CSV, and in one line."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.overview import overview
from opensync_hooks.system.formatting import money
from tests.commandline import DATA, run

FOLDERS = ("01-print-tools-resume", "02-subagents", "05-fork")


@pytest.fixture
def ours(home: Path, tmp_path: Path) -> Path:
    for name in FOLDERS:
        shutil.copytree(DATA / name, home / ".claude" / "projects" / f"-home-mira-{name}")
    assert run("sync").returncode == 0
    return tmp_path / "ours"


@pytest.mark.parametrize("by", ["day", "week", "month", "project", "model", "agent", "branch"])
def test_groups_add_up_to_the_rows_of_the_store(ours: Path, by: str) -> None:
    with Store(ours / "store.db") as store:
        sessions = store.sessions(1_000)
    report = json.loads(run("usage", "--by", by, "--json").stdout)
    assert report["groups"]
    for name in ("promptTokens", "completionTokens", "cost"):
        expected = pytest.approx(sum(session[name] for session in sessions))
        assert sum(group[name] for group in report["groups"]) == expected
        assert report["total"][name] == expected
    assert all(group[by] for group in report["groups"])


@pytest.mark.usefixtures("ours")
def test_fork_and_original_are_counted_once() -> None:
    """Independent of our reader: one call for each response id in the transcripts."""
    responses = set()
    for folder in FOLDERS:
        for path in (DATA / folder).rglob("*.jsonl"):
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                message = row.get("message") or {}
                if row.get("type") == "assistant" and message.get("model") != "<synthetic>":
                    responses.add(message["id"])
    total = json.loads(run("usage", "--json").stdout)["total"]
    assert total["calls"] == len(responses) > 20


@pytest.mark.usefixtures("ours")
def test_table_ends_with_the_total() -> None:
    lines = run("usage", "--by", "model").stdout.splitlines()
    assert lines[0].split() == ["Model", "Calls", "Input", "Cache", "read", "Cache", "write",
                                "Output", "Cost"]  # fmt: skip
    assert lines[-1].startswith("Total")
    assert lines[-1].endswith("$0.10")


def test_what_the_agent_counts_beside_the_calls_is_shown_apart(home: Path) -> None:
    """A recording with a title and a compaction, whose calls are in no line."""
    name = "03-interactive-title-bash-rename-compact"
    shutil.copytree(DATA / name, home / ".claude" / "projects" / f"-home-mira-{name}")
    run("sync")
    report = json.loads(run("usage", "--json").stdout)
    stated = max(
        json.loads(line)["totalCostUSD"]
        for path in (DATA / name).glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
        if '"cost-state"' in line
    )
    others = report["otherCallsCost"]
    assert others == pytest.approx(stated - report["total"]["cost"])
    assert others > 0
    assert f"by the agents' own count: {money(others)}" in run("usage").stdout


@pytest.mark.usefixtures("ours")
def test_csv_has_a_row_for_each_group() -> None:
    head, *rows = csv.reader(run("usage", "--by", "model", "--csv").stdout.splitlines())
    assert head[:3] == ["model", "calls", "promptTokens"]
    assert [row[0] for row in rows] == ["claude-opus-5-5"]


@pytest.mark.usefixtures("ours")
def test_since_leaves_older_days_out() -> None:
    assert json.loads(run("usage", "--since", "2099-01-01", "--json").stdout)["groups"] == []
    refused = run("usage", "--since", "soon")
    assert refused.returncode == 2
    assert refused.stderr.startswith("--since: neither a span such as 7d nor a date")


def test_statusline_shows_today_and_the_week(tmp_path: Path) -> None:
    today = datetime.now().astimezone().date().isoformat()
    with Store(tmp_path / "ours" / "store.db") as store:
        spending = [
            {"day": today, "basis": "list", "cost": 1.5, "inputTokens": 1_200, "outputTokens": 34},
            {"day": "2020-01-01", "basis": "list", "cost": 9},
        ]
        body = {"externalId": "s", "cost": 10.5, "promptTokens": 1_200, "completionTokens": 34}
        store.put_session(body, {"spending": spending})
    completed = run("usage", "--statusline")
    assert completed.stdout == "$1.50 today (1,234 tokens), $1.50 in 7 days\n"


def test_statusline_without_a_store_creates_none(tmp_path: Path) -> None:
    completed = run("usage", "--statusline")
    assert (completed.returncode, completed.stdout) == (0, "no spending known yet\n")
    assert not (tmp_path / "ours" / "store.db").exists()


def test_amounts_below_a_cent_are_the_same_everywhere(tmp_path: Path) -> None:
    today = datetime.now().astimezone().date().isoformat()
    with Store(tmp_path / "ours" / "store.db") as store:
        spending = [{"day": today, "model": "small", "basis": "list", "calls": 1, "cost": 0.0013}]
        store.put_session({"externalId": "s", "cost": 0.0013}, {"spending": spending})
        page = overview(store, {}).body.decode()
    assert page.count("$0.0013") > 2
    table = run("usage").stdout.splitlines()
    assert [line.rpartition(" ")[2] for line in table[1:]] == ["$0.0013", "$0.0013"]
    assert run("usage", "--statusline").stdout.count("$0.0013") == 2
