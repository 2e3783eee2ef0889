"""What OpenCode keeps in a form that we do not know is counted by its name, never passed over."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from opensync_hooks.model import Session, ToolResult
from tests.opencode_home import DATABASES, OpenCodeHome

SESSION = "ses_e0455c8c2ffewI5vyFAlvYcbdz"
VERSION = "1.15.13"
Change = Callable[[dict[str, Any]], dict[str, Any]]


def read_changed(opencode: OpenCodeHome, table: str, like: str, change: Change) -> Session:
    """Change the first row of a table whose JSON contains a text, and read the session."""
    with opencode.put(VERSION).writing() as db:
        query = f"SELECT id, data FROM {table} WHERE session_id = ? AND data LIKE ? ORDER BY id"  # noqa: S608
        row_id, data = db.execute(query, (SESSION, f"%{like}%")).fetchone()
        value = json.dumps(change(json.loads(data)))
        db.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (value, row_id))  # noqa: S608
    return opencode.read(SESSION)[0]


def names(session: Session) -> dict[str, int]:
    return {skipped.name: count for skipped, count in session.skipped.items()}


def run(opencode: OpenCodeHome, *statements: str) -> None:
    with opencode.put(VERSION).writing() as db:
        db.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize("version", DATABASES)
def test_nothing_in_the_recordings_is_unknown(opencode: OpenCodeHome, version: str) -> None:
    source = opencode.put(version).source()
    sessions = [session for located in source.sessions() for session in source.read(located)]
    unknown = {name for session in sessions for name in names(session)}
    assert not {name for name in unknown if "table" in name or "column" in name or "count" in name}


def test_rows_of_an_unknown_table_are_counted(opencode: OpenCodeHome) -> None:
    run(
        opencode,
        "CREATE TABLE message_v3 (session_id TEXT, data TEXT)",
        "INSERT INTO message_v3 SELECT id, 'said' FROM session",
        "CREATE TABLE cache (key TEXT)",
        "INSERT INTO cache VALUES ('x')",
    )
    session = opencode.read(SESSION)[0]
    assert names(session) == {"row of table message_v3": 1}
    assert all(skipped.is_loss for skipped in session.skipped)


def test_values_in_an_unknown_column_are_counted(opencode: OpenCodeHome) -> None:
    run(
        opencode,
        "ALTER TABLE message ADD COLUMN body TEXT",
        "ALTER TABLE part ADD COLUMN empty TEXT",
        "UPDATE message SET body = 'said'",
    )
    assert names(opencode.read(SESSION)[0]) == {"column message.body": 7}


def test_parts_without_their_message_are_counted(opencode: OpenCodeHome) -> None:
    run(
        opencode,
        "DELETE FROM message WHERE id IN (SELECT min(id) FROM message GROUP BY session_id)",
    )
    assert names(opencode.read(SESSION)[0]) == {"part without its message": 1}


@pytest.mark.parametrize("text", [7, ["words"], {"words": 1}, True])
def test_text_that_is_none_is_counted(opencode: OpenCodeHome, text: object) -> None:
    session = read_changed(opencode, "part", '"type":"text"', lambda part: {**part, "text": text})
    assert names(session)["unreadable part"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": [1]},
        {"tokens": {"input": "12", "output": 3}},
        {"tokens": {"input": -100}},
        {"tokens": {"input": 5, "cache": {"read": True}}},
        {"tokens": {"input": 5, "cache": [1]}},
        {"tokens": {"input": {"text": 5}}},
        {"cost": "0.5"},
        {"cost": float("nan")},
        {"cost": float("inf")},
    ],
)
def test_count_that_is_none_is_named(opencode: OpenCodeHome, change: dict[str, object]) -> None:
    session = read_changed(opencode, "message", '"role":"assistant"', lambda info: info | change)
    assert names(session) == {"unreadable token count or cost": 1}


def test_count_of_an_unknown_name_is_named(opencode: OpenCodeHome) -> None:
    tokens = {"input": 5, "output": 1, "audio": 3, "cache": {"read": 1, "write_1h": 9}}
    change = {"tokens": tokens}
    session = read_changed(opencode, "message", '"role":"assistant"', lambda info: info | change)
    assert names(session) == {"count tokens.audio": 1, "count tokens.cache.write_1h": 1}
    assert not any(skipped.is_loss for skipped in session.skipped)


def test_call_without_a_state_is_counted(opencode: OpenCodeHome) -> None:
    session = read_changed(opencode, "part", '"type":"tool"', lambda part: {**part, "state": None})
    assert names(session) == {"unreadable part": 1}


@pytest.mark.parametrize("output", [{"a": "deep words"}, [{"type": "text", "text": "deep words"}]])
@pytest.mark.parametrize("status", ["completed", "paused"])
def test_result_of_another_form_arrives_as_json(
    opencode: OpenCodeHome, output: object, status: str
) -> None:
    def change(part: dict[str, Any]) -> dict[str, Any]:
        return {**part, "state": {**part["state"], "status": status, "output": output}}

    session = read_changed(opencode, "part", '"type":"tool"', change)
    results = [
        part.output
        for message in session.messages
        for part in message.parts
        if isinstance(part, ToolResult)
    ]
    assert json.dumps(output) in results
    expected = {} if status == "completed" else {"tool call of status paused": 1}
    assert names(session) == expected


def test_table_whose_name_is_no_word_breaks_nothing(opencode: OpenCodeHome) -> None:
    name = 'x"; DROP TABLE part; --'.replace('"', '""')
    run(opencode, f'CREATE TABLE "{name}" (session_id TEXT)')
    assert names(opencode.read(SESSION)[0]) == {}
    with opencode.writing() as db, pytest.raises(sqlite3.OperationalError, match="exists"):
        db.execute("CREATE TABLE part (id TEXT)")
