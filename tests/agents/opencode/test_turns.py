"""A session in mid turn is unfinished until its turn has ended, or was killed long ago."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.opencode.source import OpenCodeSource
from opensync_hooks.model import Session, Skipped
from opensync_hooks.queue import events
from opensync_hooks.queue.backoff import BEGIN_WAIT, Attempts
from tests.agents.opencode.recordings import REVERTED, TOOLS
from tests.agents.opencode.test_copies import SESSION, put, put_tree
from tests.opencode_home import OpenCodeHome

MINUTE = 60
HOUR = 3600


def read(opencode: OpenCodeHome, now: float, session_id: str = SESSION) -> Session:
    layouts = opencode.source()._layouts
    source = OpenCodeSource(layouts, now=lambda: now)
    located = source.find(session_id)
    assert located
    return next(source.read(located))


def change_last(opencode: OpenCodeHome, **info: Any) -> None:
    with opencode.writing() as db:
        query = "SELECT id, data FROM message ORDER BY time_created DESC LIMIT 1"
        message_id, data = db.execute(query).fetchone()
        changed = json.dumps(json.loads(data) | info)
        db.execute("UPDATE message SET data = ? WHERE id = ?", (changed, message_id))


@pytest.mark.parametrize(
    ("last", "is_partial"),
    [
        ({"time": {"created": 2}}, True),
        ({"finish": "tool-calls"}, True),
        ({"role": "user"}, True),
        ({}, False),
        ({"time": {"created": 2}, "error": {"name": "MessageAbortedError"}}, False),
    ],
)
def test_session_is_unfinished_while_its_last_message_is(
    opencode: OpenCodeHome, last: dict[str, Any], is_partial: bool
) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a"})
    change_last(opencode, **last)
    assert read(opencode, MINUTE).is_partial == is_partial
    assert not read(opencode, HOUR + MINUTE).is_partial, "it was killed"


def test_prompt_alone_is_delivered_as_unfinished(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "work for long"})
    session = read(opencode, MINUTE)
    assert [message.text for message in session.messages] == ["work for long"]
    assert session.is_partial


@pytest.mark.parametrize(
    ("name", "wait"), [("turn.begin", BEGIN_WAIT), ("session.idle", 0), ("dispose", 0)]
)
def test_beginning_of_a_turn_waits_for_its_end(tmp_path: Path, name: str, wait: int) -> None:
    """Most turns end within this wait, and the job of the end takes the place of this one."""
    path = tmp_path / f"{7 * 10**15}-1.opencode.event"
    payload = json.dumps({"session_id": SESSION, "hook_event_name": name})
    path.write_text(f"OPENCODE_DB=mine.db\n{payload}")
    job = events.read_job(path, events.parse)
    assert job
    assert job.attempts.not_before == (job.received_at + wait if wait else 0)
    end = replace(job, received_at=job.received_at + 1, attempts=Attempts())
    assert job.merged(end).attempts.not_before == 0


def test_ids_of_a_session_are_those_of_all_messages_that_are_left(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read(TOOLS)
    assert session.stored_ids
    assert {message.id for message in session.messages} <= session.stored_ids
    with recorded.writing() as db:
        (gone,) = db.execute(
            "SELECT max(id) FROM message WHERE session_id = ?", (TOOLS,)
        ).fetchone()
        db.execute("DELETE FROM message WHERE id = ?", (gone,))
    (shorter,) = recorded.read(TOOLS)
    assert shorter.stored_ids
    assert session.stored_ids - shorter.stored_ids == {gone, f"{gone}:injected"}


def test_hidden_message_is_still_there(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read(REVERTED)
    assert session.stored_ids
    undone = {message.id for message in session.messages if message.undone}
    assert undone
    assert undone <= session.stored_ids


def test_unreadable_message_is_still_there(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a"})
    with opencode.writing() as db:
        db.execute("UPDATE message SET data = 'torn' WHERE time_created = 2")
    session = read(opencode, MINUTE)
    assert session.skipped == {Skipped("unreadable", "unreadable message"): 1}
    assert session.stored_ids
    assert f"msg_{SESSION}_002" in session.stored_ids


@pytest.mark.parametrize("fault", ["half migrated", "another file unreadable"])
def test_what_is_missing_is_uncertain(opencode: OpenCodeHome, fault: str) -> None:
    if fault == "half migrated":
        put(opencode, "opencode.db", {1: "q", 2: "a"})
        with opencode.writing() as db:
            db.execute("DELETE FROM part")
    else:
        put_tree(opencode, {1: "q", 2: "a"})
        (opencode.data / "opencode.db").write_bytes(b"no database" * 99)
    session = read(opencode, MINUTE)
    assert session.unread_copy == (None if fault == "half migrated" else "damaged")
    assert session.unread_copy or session.stored_ids is None
