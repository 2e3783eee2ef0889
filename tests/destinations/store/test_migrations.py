"""A store that an earlier version wrote is opened by this one, and no row of it is lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.store.store import Store
from tests.commandline import run

OLD_STORES = sorted((Path(__file__).parents[2] / "data" / "store").glob("version-*.db"))
"""Written by each version's own code from real sessions of all three agents."""
TABLES = ("session", "message")


@pytest.fixture(params=OLD_STORES, ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "ours" / "store.db"
    path.parent.mkdir()
    shutil.copyfile(request.param, path)
    return path


def rows(path: Path, columns: dict[str, list[str]] | None = None) -> dict[str, list[Any]]:
    """Return all rows of the two tables, of the columns named or all."""
    with closing(sqlite3.connect(path)) as db:
        return {
            table: db.execute(
                f"SELECT {', '.join((columns or {}).get(table, ['*']))} FROM {table} ORDER BY id"  # noqa: S608 - our own names
            ).fetchall()
            for table in TABLES
        }


def columns(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT name FROM pragma_table_info(?)"
        return {table: [name for (name,) in db.execute(query, (table,))] for table in TABLES}


def test_no_row_is_lost_or_changed(old: Path) -> None:
    old_columns = columns(old)
    before = rows(old)
    assert len(before["session"]) >= 18
    Store(old).close()
    assert rows(old, old_columns) == before


def test_sums_of_an_old_store_are_those_of_its_rows(old: Path) -> None:
    with closing(sqlite3.connect(old)) as db:
        query = "SELECT sum(promptTokens), sum(completionTokens), sum(cost) FROM session"
        prompt, completion, cost = db.execute(query).fetchone()
    with Store(old) as store:
        assert store.wrong_sums() == 0
        _, total = store.spending("model")
    assert (total.prompt_tokens, total.completion_tokens) == (prompt, completion)
    assert total.cost == pytest.approx(cost)


def test_migrated_store_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    Store(old).close()
    Store(tmp_path / "new.db").close()
    schemas = []
    for path in (old, tmp_path / "new.db"):
        with closing(sqlite3.connect(path)) as db:
            names = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
            schemas.append(db.execute(names).fetchall())
    assert schemas[0] == schemas[1]


def test_commands_work_on_an_old_store(old: Path) -> None:
    status = run("status")
    assert status.returncode == 0
    assert "Connected:         yes" in status.stdout
    with Store(old) as store:
        session_id = store.session_ids()[0]
        before = store.session(session_id)
        assert before
        store.put_session({"externalId": session_id, "title": "New title"}, {})
        after = store.session(session_id)
        assert after
        assert after["messages"] == before["messages"]
        assert after["session"]["title"] == "New title"
