"""The numbers in `status` of sessions that the destination lacks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from opensync_hooks import config
from opensync_hooks.cli import status_data
from opensync_hooks.cli.bulk.backlog import Backlog, by_agent
from opensync_hooks.cli.bulk.bulk_sync import Selection, sync_sessions
from opensync_hooks.cli.commands.status import render
from opensync_hooks.delivery import factory
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.privacy.exclusion import Exclusions
from tests.opencode_home import OpenCodeHome

SESSION = "ses_e0455ed23ffeEtIjW6fob3GFcK"


@pytest.fixture
def opencode(home: Path) -> OpenCodeHome:
    """Two sessions, and a child of one of them."""
    return OpenCodeHome(home).put("1.2.1")


def sync(*names: str) -> None:
    settings = config.load()
    selection = Selection(names)
    with Ledger(settings.folders.ledger) as ledger, factory.open_syncer(settings, ledger) as syncer:
        list(sync_sessions(selection, selection.find(), syncer))


def backlog() -> Backlog:
    settings = config.load()
    with Ledger(settings.folders.ledger) as ledger:
        return by_agent(settings, ledger)["opencode"]


@pytest.mark.usefixtures("opencode")
def test_child_is_counted_with_its_parent() -> None:
    assert backlog() == Backlog(on_disk=2, unsynced=2)


@pytest.mark.usefixtures("opencode")
def test_delivered_sessions_are_no_longer_unsynced() -> None:
    sync(SESSION)
    assert backlog() == Backlog(2, 1)
    sync()
    assert backlog() == Backlog(2, 0)


def test_late_title_that_fires_no_hook_is_counted_and_synced(opencode: OpenCodeHome) -> None:
    sync()
    with opencode.writing() as db:
        db.execute("UPDATE session SET title = 'late' WHERE id = ?", (SESSION,))
    assert backlog() == Backlog(2, 1)
    sync()
    assert backlog() == Backlog(2, 0)


@pytest.mark.usefixtures("opencode")
def test_excluded_session_is_not_unsynced() -> None:
    Exclusions.from_config(config.load()).keep_private("opencode", SESSION)
    assert backlog() == Backlog(2, 1)


def test_unreadable_database_stays_unsynced(opencode: OpenCodeHome) -> None:
    (opencode.data / "opencode.db").write_bytes(b"nonsense" * 100)
    assert backlog() == Backlog(1, 1)


@pytest.mark.usefixtures("opencode")
def test_status_shows_the_command_that_syncs_them() -> None:
    status = status_data.gather()
    agent = next(agent for agent in status.agents if agent.agent == "opencode")
    assert (agent.on_disk, agent.unsynced) == (2, 2)
    text = "\n".join(render(status, config.load().folders))
    assert "2 of 2 sessions not synced yet: opensync-hooks sync --agent opencode" in text


def test_time_grows_linearly_with_the_number_of_sessions(opencode: OpenCodeHome) -> None:
    few = _cpu_time(opencode, 500)
    many = _cpu_time(opencode, 5000)
    assert many < 20 * few


def _cpu_time(opencode: OpenCodeHome, count: int) -> float:
    with opencode.writing() as db:
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT OR IGNORE INTO session (id, project_id, slug, directory, title, version,"
            " time_created, time_updated)"
            " SELECT 'ses_' || i, 'p', 's', '/d', 't', '1', i, i FROM n",
            (count,),
        )
    times = []
    for _ in range(3):
        start = time.process_time()
        assert backlog().on_disk == count + 2
        times.append(time.process_time() - start)
    return min(times)
