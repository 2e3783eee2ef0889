"""A session is found in every storage layout, and the newest of several copies wins."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from opensync_hooks.agents.opencode import locations
from opensync_hooks.agents.opencode.source import open_source as open_opencode_source
from opensync_hooks.cli import foreground
from opensync_hooks.model import HookEvent, Skipped, Trigger
from tests.agents.opencode.recordings import NEW, TOOLS, TRUTH
from tests.opencode_home import RECORDED, TREES, OpenCodeHome, tally
from tests.sessions import dialogue, everything


def test_all_generations_in_one_folder_are_found_once(opencode: OpenCodeHome) -> None:
    for version in ("0.1.174", "0.5.29", "1.0.162", "1.1.65", "1.15.13"):
        opencode.put(version)
    session_ids = [session.id for session in everything(opencode.source())]
    expected = [
        name for version in (*TREES, "1.15.13") for name in TRUTH[version]
    ]  # fmt: skip
    assert sorted(session_ids) == sorted(expected)


@pytest.mark.parametrize("older", ["1.1.65", "1.0.162", "0.5.29", "0.1.174"])
def test_newer_generation_of_a_session_wins(opencode: OpenCodeHome, older: str) -> None:
    opencode.put("1.18.33").put(older)
    stale = next(iter(TRUTH[older]))
    with opencode.writing() as db:
        db.execute("UPDATE session SET id = ? WHERE id = ?", (stale, TOOLS))
        db.execute("UPDATE message SET session_id = ? WHERE session_id = ?", (stale, TOOLS))
        db.execute("UPDATE part SET session_id = ? WHERE session_id = ?", (stale, TOOLS))
    (session,) = opencode.read(stale)
    assert session.agent_version == "1.18.33"
    assert [located.session_id for located in opencode.source().sessions()].count(stale) == 1


def test_child_in_a_newer_generation_is_not_read_from_an_older_one(
    opencode: OpenCodeHome,
) -> None:
    opencode.put("1.0.162").put("1.18.33")
    parent, child = "ses_e045615d2ffeY56bI8EW3NC9Mc", "ses_e0456158bffe454f2MpIoJwXje"
    with opencode.writing() as db:
        db.execute("UPDATE session SET id = ? WHERE id = ?", (child, TOOLS))
        for table in ("message", "part"):
            db.execute(f"UPDATE {table} SET session_id = ? WHERE session_id = ?", (child, TOOLS))  # noqa: S608
    assert [session.id for session in opencode.read(parent)] == [parent]
    assert opencode.read(child)[0].agent_version == "1.18.33"


def test_new_file_of_2_x_needs_no_tables_of_1_x(opencode: OpenCodeHome) -> None:
    with opencode.put("2.x").writing() as db:
        for table in ("session", "message", "part"):
            db.execute(f"DROP TABLE {table}")
    assert opencode.read(NEW)[0].id == NEW


def test_table_of_switches_in_1_15_is_not_a_conversation(opencode: OpenCodeHome) -> None:
    """It has no `seq`; a session that has just begun has no messages in any table."""
    with opencode.put("1.15.13").writing() as db:
        db.execute("DELETE FROM message")
    source = opencode.source()
    assert [list(session.messages) for session in everything(source)] == [[], [], []]


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ["opencode.db", "opencode-dev.db", "opencode-local.db"]),
        ({"OPENCODE_DISABLE_CHANNEL_DB": "1"}, ["opencode.db"]),
        ({"OPENCODE_DISABLE_CHANNEL_DB": "0"}, ["opencode.db", "opencode-dev.db"]),
        ({"OPENCODE_DB": "mine.db"}, ["mine.db"]),
        ({"OPENCODE_DB": ":memory:"}, []),
        ({"OPENCODE_DB": "gone.db"}, []),
    ],
)
def test_database_is_found_by_opencodes_own_rules(
    opencode: OpenCodeHome, environ: dict[str, str], names: list[str]
) -> None:
    for name in ("opencode.db", "opencode-dev.db", "opencode-local.db", "mine.db"):
        (opencode.data / name).touch()
    databases = [path.name for path in locations.databases(environ, opencode.data)]
    assert databases[: len(names)] == names
    assert bool(databases) == bool(names)


def test_absolute_path_and_xdg_data_home_are_respected(
    opencode: OpenCodeHome, tmp_path: Path
) -> None:
    opencode.put("1.18.33", "elsewhere.db").put("1.1.65")
    moved = tmp_path / "moved" / "opencode"
    moved.mkdir(parents=True)
    opencode.data.joinpath("elsewhere.db").rename(moved / "opencode.db")
    assert opencode.read(TOOLS, XDG_DATA_HOME=str(tmp_path / "moved"))
    assert opencode.read(TOOLS, OPENCODE_DB=str(moved / "opencode.db"))
    assert opencode.source().find(TOOLS) is None


def test_session_is_found_by_its_file_in_a_json_tree(opencode: OpenCodeHome) -> None:
    opencode.put("1.1.65")
    (file,) = opencode.data.glob("storage/session/*/ses_e0456045dffegAp1T5tNEv5uc8.json")
    source = opencode.source()
    assert source.find(str(file)) == source.find(file.stem)
    message = next(opencode.data.glob("storage/message/*/*.json"))
    assert source.find(str(message)) is None


def test_exported_session_is_read_by_its_path_or_from_the_export_folder(
    opencode: OpenCodeHome,
) -> None:
    export = opencode.path / "some export.json"
    shutil.copy(RECORDED / "export.json", export)
    source = opencode.source()
    located = source.find(str(export))
    assert located
    (session,) = source.read(located)
    assert (session.id, tally(session)["calls"]) == (TOOLS, 5)
    folder = opencode.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    export.rename(folder / "any.json")
    assert source.find(TOOLS) == next(iter(source.sessions()))
    assert opencode.read(TOOLS)[0].messages == session.messages


def test_export_of_a_stored_session_is_not_a_second_session(
    recorded: OpenCodeHome,
) -> None:
    folder = recorded.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED / "export.json", folder / "any.json")
    source = recorded.source()
    paths = [located.path for located in source.sessions() if located.session_id == TOOLS]
    assert [path.name for path in paths] == ["opencode.db"]
    (stored,) = recorded.read(TOOLS)
    by_path = source.find(str(folder / "any.json"))
    assert by_path
    (recorded.data / "opencode.db").unlink()
    (exported,) = source.read(by_path)
    assert dialogue(exported) == dialogue(stored)
    assert [message.id for message in exported.messages] == [
        message.id for message in stored.messages
    ]


def test_export_named_after_another_session_is_not_that_session(opencode: OpenCodeHome) -> None:
    folder = opencode.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED / "export.json", folder / "ses_other.json")
    assert opencode.source().find("ses_other") is None
    assert opencode.read(TOOLS)


def test_export_of_another_tool_with_contents_instead_of_parts_is_read(
    opencode: OpenCodeHome,
) -> None:
    folder = opencode.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    messages = [
        {"role": "user", "content": "hi", "createdAt": 5},
        {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
        {"role": "user", "text": "thanks"},
        {"nonsense": True},
        "nonsense",
    ]
    file = folder / "ses_plain.json"
    file.write_text(json.dumps({"id": "ses_plain", "title": "T", "messages": messages}))
    (session,) = opencode.read("ses_plain")
    assert dialogue(session) == [("user", "hi"), ("assistant", "hello"), ("user", "thanks")]
    assert [message.id for message in session.messages] == ["message-0", "message-1", "message-2"]
    assert (session.title, session.created_at) == ("T", 5)
    assert next(iter(session.messages)).created_at == 5
    assert session.skipped == {Skipped("unreadable", "unreadable message"): 1}


@pytest.mark.parametrize("name", ["nothing", "ses_", "../../etc/passwd", "ses_a/b", "x.json"])
def test_what_is_not_a_session_is_not_found(recorded: OpenCodeHome, name: str) -> None:
    assert recorded.source().find(name) is None


def test_home_without_opencode_has_no_sessions(home: Path) -> None:
    source = open_opencode_source({}, str(home))
    assert list(source.sessions()) == []
    assert source.find(TOOLS) is None


def test_latest_session_by_hand_reports_that_there_is_none(
    opencode: OpenCodeHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert foreground.main("opencode", ["--latest"]) == 2
    assert capsys.readouterr().err == (
        "opencode: no session on this machine.\nhint: Use the agent once.\n"
    )
    opencode.put("1.18.33")
    assert foreground.main("opencode", ["--latest", "--dry-run"]) == 0
    newest = next(iter(opencode.source().sessions())).session_id
    assert capsys.readouterr().out.startswith(newest)


def test_payload_names_the_session(opencode: OpenCodeHome) -> None:
    source = opencode.source()
    payload = {"session_id": TOOLS, "hook_event_name": "session.idle"}
    assert source.parse_event(payload) == HookEvent(Trigger("opencode", TOOLS, "session.idle"))
    for invalid in ({}, {"session_id": 7}, {"session_id": "../x"}, {"session_id": ""}):
        assert source.parse_event(invalid) is None
