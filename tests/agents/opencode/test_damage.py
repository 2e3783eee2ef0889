"""A half-written, unknown or foreign file affects only itself."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.opencode.census import take_census
from opensync_hooks.agents.opencode.json_file import read_object
from opensync_hooks.errors import DamagedSourceError, SourceError
from opensync_hooks.model import Skipped, Trigger
from tests.agents.opencode.recordings import TOOLS, changing
from tests.agents.opencode.test_copies import put, put_tree
from tests.opencode_home import OpenCodeHome
from tests.sessions import dialogue, everything


def test_half_written_file_is_read_again(
    opencode: OpenCodeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = opencode.path / "half.json"
    path.write_text('{"a": ')
    monkeypatch.setattr(time, "sleep", lambda _: path.write_text('{"a": 1}'))
    assert read_object(path) == {"a": 1}


def test_damaged_files_are_counted_and_the_rest_is_read(opencode: OpenCodeHome) -> None:
    opencode.put("1.1.65")
    session_id = "ses_e0456045dffegAp1T5tNEv5uc8"
    message = max(opencode.data.glob(f"storage/message/{session_id}/*.json"))
    part = min(opencode.data.glob("storage/part/msg_1fba9fbe2001U8qq34Ftm7szEW/*.json"))
    for broken in (message, part):
        broken.write_text("{")
        os.utime(broken, (0, 0))
    (session,) = opencode.read(session_id)
    assert session.skipped == {
        Skipped("unreadable", "unreadable message"): 1,
        Skipped("unreadable", "unreadable part"): 1,
    }
    assert dialogue(session)[0][0] == "user"


def test_link_in_place_of_a_message_is_not_followed(opencode: OpenCodeHome, tmp_path: Path) -> None:
    opencode.put("1.1.65")
    session_id = "ses_e0456045dffegAp1T5tNEv5uc8"
    message = max(opencode.data.glob(f"storage/message/{session_id}/*.json"))
    message.rename(tmp_path / "elsewhere.json")
    message.symlink_to(tmp_path / "elsewhere.json")
    (session,) = opencode.read(session_id)
    assert session.skipped == {Skipped("unreadable", "unreadable message"): 1}


@pytest.mark.parametrize(
    ("folder", "loss"),
    [("message/ses_d01", "unreadable message"), ("part/msg_ses_d01_002", "unreadable part")],
)
def test_link_in_place_of_a_folder_is_counted_and_not_followed(
    opencode: OpenCodeHome, tmp_path: Path, folder: str, loss: str
) -> None:
    put_tree(opencode, {1: "q", 2: "a"})
    replace_by_link(opencode.data / "storage" / folder, tmp_path / "elsewhere")
    (session,) = opencode.read("ses_d01")
    assert session.skipped == {Skipped("unreadable", loss): 1}
    (census,) = take_census("ses_d01", opencode.data, {}, str(opencode.path))
    assert census.unreadable == 1


@pytest.mark.parametrize("folder", ["", "session", "message", "part"])
def test_tree_behind_a_link_is_named_and_hides_no_database(
    opencode: OpenCodeHome, tmp_path: Path, folder: str
) -> None:
    put_tree(opencode, {1: "q"})
    opencode.put("1.18.33")
    replace_by_link(opencode.data / "storage" / folder, tmp_path / "elsewhere")
    (remark,) = opencode.source().remarks()
    assert "behind a link" in remark.fact
    assert remark.cure
    assert opencode.read(TOOLS)
    with pytest.raises(SourceError, match="behind a link"):
        opencode.source().find("ses_d01")


def replace_by_link(folder: Path, elsewhere: Path) -> None:
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "content", [b"", b"no database at all", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_file_that_is_not_a_database_is_reported_and_hides_nothing(
    opencode: OpenCodeHome, content: bytes
) -> None:
    """It is listed in place of its sessions, so that it is not mistaken for an empty one."""
    opencode.put("1.1.65")
    (opencode.data / "opencode.db").write_bytes(content)
    source = opencode.source()
    listed = list(source.sessions())
    unreadable = [located for located in listed if located.path.name == "opencode.db"]
    assert len(listed) - len(unreadable) == 2
    for located in unreadable:
        written_at = int(located.path.stat().st_mtime * 1000)
        assert located.changed_at == written_at, "it is among the newest"
        with pytest.raises(SourceError, match=r"opencode\.db"):
            list(source.read(located))
    assert unreadable or content == b""


@pytest.mark.parametrize("table", ["message", "part"])
def test_damaged_page_hides_only_its_session(opencode: OpenCodeHome, table: str) -> None:
    """Each row fills a page, so that damage to one of them concerns one session."""
    names = ["ses_d01", "ses_d02", "ses_d03", "ses_d04"]
    lost, copied = names[1:3]
    for name in names:
        put(opencode, "opencode.db", {}, name)
        words = f"{table} of {name} {'x' * 3000}"
        info = {"role": "user", "time": {"created": 1}, "note": words * (table == "message")}
        with opencode.writing() as db:
            opencode.say(db, name, f"msg_{name}", info, words if table == "part" else name)
    put(opencode, "opencode-b.db", {1: "kept"}, copied)
    put(opencode, "opencode-b.db", {1: "elsewhere"}, "ses_e01")
    for name in (lost, copied):
        damage_page(opencode.data / "opencode.db", f"{table} of {name}")
    source = opencode.source()
    listed = {located.session_id: located for located in source.sessions()}
    assert listed.keys() == {*names, "ses_e01", "opencode.db"} - {lost}
    for name in listed.keys() - {"opencode.db"}:
        assert source.find(name) == listed[name]
        (session,) = source.read(listed[name])
        assert dialogue(session)
        assert session.unread_copy == ("damaged" if name == copied else None)
    with pytest.raises(DamagedSourceError, match="malformed"):
        source.find(lost)
    with pytest.raises(DamagedSourceError, match="malformed"):
        list(source.read(listed["opencode.db"]))


def damage_page(path: Path, text: str) -> None:
    """Overwrite the page of a database that has this text."""
    content = path.read_bytes()
    page_size = int.from_bytes(content[16:18], "big")
    start = content.index(text.encode()) // page_size * page_size
    path.write_bytes(content[:start] + b"\xff" * page_size + content[start + page_size :])


def test_locked_database_is_an_error_and_not_empty(
    opencode: OpenCodeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_snapshot, "LOCK_TIMEOUT_S", 0.05)
    opencode.put("1.2.1")
    db = sqlite3.connect(opencode.data / "opencode.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("BEGIN EXCLUSIVE")
    source = opencode.source()
    with pytest.raises(SourceError):
        source.find("ses_e0455ed23ffeEtIjW6fob3GFcK")
    assert not source.is_settled(Trigger("opencode", "ses_e0455ed23ffeEtIjW6fob3GFcK"))
    db.close()


def test_session_deleted_before_it_is_read_is_an_error(recorded: OpenCodeHome) -> None:
    source = recorded.source()
    located = source.find(TOOLS)
    assert located
    changing("DELETE FROM session WHERE id = ?", TOOLS)(recorded)
    with pytest.raises(SourceError, match="no longer there"):
        list(source.read(located))


def test_unknown_types_tables_and_columns_are_counted_and_not_fatal(recorded: OpenCodeHome) -> None:
    unknown = {"type": "hologram", "text": "?"}
    with recorded.writing() as db:
        db.execute("ALTER TABLE session ADD COLUMN mood TEXT")
        db.execute("CREATE TABLE dreams (id TEXT)")
        (part,) = db.execute("SELECT min(id) FROM part WHERE session_id = ?", (TOOLS,)).fetchone()
        db.execute("UPDATE part SET data = ? WHERE id = ?", (json.dumps(unknown), part))
        db.execute("INSERT INTO message VALUES ('m1', ?, 1, 1, '{\"role\": \"oracle\"}')", (TOOLS,))
        db.execute("INSERT INTO message VALUES ('m2', ?, 1, 1, 'not json')", (TOOLS,))
        db.execute("INSERT INTO part VALUES ('p2', 'm1', ?, 1, 1, x'ff')", (TOOLS,))
    (session,) = recorded.read(TOOLS)
    assert session.skipped == {
        Skipped("unreadable", "part of type hologram"): 1,
        Skipped("unreadable", "message of type oracle"): 1,
        Skipped("unreadable", "unreadable message"): 1,
        Skipped("unreadable", "unreadable part"): 1,
    }


def test_columns_that_older_files_lack_are_not_selected(opencode: OpenCodeHome) -> None:
    with opencode.put("1.2.1").writing() as db:
        for column in ("revert", "version", "time_archived"):
            db.execute(f"ALTER TABLE session DROP COLUMN {column}")
    assert opencode.read("ses_e0455ed23ffeEtIjW6fob3GFcK")[0].agent_version is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    (
        *("role", "time", "tokens", "cost", "error", "summary", "path", "parentID", "modelID"),
        *("finish", "revert", "type", "text", "tool", "state", "callID", "content", "files"),
        *("agents", "url", "mime", "prompt", "retry", "model", "status", "input", "output"),
        *("metadata", "messageID"),
    )
)
OBJECTS = st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=4), max_size=6)


@pytest.mark.parametrize("table", ["message", "part", "session_message"])
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=OBJECTS)
def test_any_json_is_survived(
    tmp_path_factory: pytest.TempPathFactory, table: str, value: dict[str, Any]
) -> None:
    opencode = OpenCodeHome(tmp_path_factory.mktemp("h") / "home")
    opencode.put("1.18.33" if table != "session_message" else "2.x")
    with opencode.writing() as db:
        role = {} if table == "session_message" else {"role": value.get("role", "assistant")}
        kind = {"type": value["type"]} if "type" in value else {"type": "tool"}
        data = json.dumps({**value, **(kind if table == "part" else role)})
        db.execute(f"UPDATE {table} SET data = ?", (data,))  # noqa: S608 - one of the three names above
    for session in everything(opencode.source()):
        for message in session.messages:
            assert isinstance(message.text, str)
