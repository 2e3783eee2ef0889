"""What `status` says of sessions that lie on the disk and nowhere else yet."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from opensync_hooks import config
from opensync_hooks.cli import status_data
from opensync_hooks.cli.bulk import bulk_sync
from opensync_hooks.cli.bulk.backlog import Backlog, of_agents
from opensync_hooks.cli.commands.status import render
from opensync_hooks.delivery import factory
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.privacy.exclusion import Exclusions
from tests.opencode_home import OpenCodeHome

TOOLS = "ses_e0455ed23ffeEtIjW6fob3GFcK"


@pytest.fixture
def there(home: Path) -> OpenCodeHome:
    """Two sessions and a child of one of them."""
    return OpenCodeHome(home).put("1.2.1")


def sync(*sessions: str) -> None:
    loaded = config.load()
    wish = bulk_sync.Wish(sessions=sessions)
    with Ledger(loaded.folders.ledger) as ledger, factory.syncer(loaded, ledger) as syncer:
        list(bulk_sync.run(wish, bulk_sync.select(wish), syncer))


def backlog() -> Backlog:
    loaded = config.load()
    with Ledger(loaded.folders.ledger) as ledger:
        return of_agents(loaded, ledger)["opencode"]


@pytest.mark.usefixtures("there")
def test_child_is_counted_with_its_parent() -> None:
    assert backlog() == Backlog(on_disk=2, unsynced=2)


@pytest.mark.usefixtures("there")
def test_what_was_delivered_is_not_due_any_more() -> None:
    sync(TOOLS)
    assert backlog() == Backlog(2, 1)
    sync()
    assert backlog() == Backlog(2, 0)


def test_late_title_which_fires_nothing_is_due_again_and_found_by_sync(there: OpenCodeHome) -> None:
    sync()
    with there.writing() as db:
        db.execute("UPDATE session SET title = 'late' WHERE id = ?", (TOOLS,))
    assert backlog() == Backlog(2, 1)
    sync()
    assert backlog() == Backlog(2, 0)


@pytest.mark.usefixtures("there")
def test_what_the_user_excluded_is_not_held_out_to_him() -> None:
    Exclusions.from_config(config.load()).keep_private("opencode", TOOLS)
    assert backlog() == Backlog(2, 1)


def test_file_that_cannot_be_read_is_due_for_as_long_as_it_is_there(there: OpenCodeHome) -> None:
    (there.data / "opencode.db").write_bytes(b"nonsense" * 100)
    assert backlog() == Backlog(1, 1)


@pytest.mark.usefixtures("there")
def test_status_names_the_command_that_brings_them() -> None:
    hooks = next(one for one in status_data.gather().agents if one.agent == "opencode")
    assert (hooks.on_disk, hooks.unsynced) == (2, 2)
    said = "\n".join(render(status_data.gather(), config.load().folders))
    assert "2 of 2 sessions not synced yet: opensync-hooks sync --agent opencode" in said


def test_looking_through_ten_times_as_many_sessions_takes_ten_times_as_long(
    there: OpenCodeHome,
) -> None:
    few = _cost(there, 500)
    many = _cost(there, 5000)
    assert many < 20 * few


def _cost(there: OpenCodeHome, count: int) -> float:
    with there.writing() as db:
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT OR IGNORE INTO session (id, project_id, slug, directory, title, version,"
            " time_created, time_updated)"
            " SELECT 'ses_' || i, 'p', 's', '/d', 't', '1', i, i FROM n",
            (count,),
        )
    times = []
    for _ in range(3):
        began = time.process_time()
        assert backlog().on_disk == count + 2
        times.append(time.process_time() - began)
    return min(times)
