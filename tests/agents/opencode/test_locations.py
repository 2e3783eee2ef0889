"""A session is found wherever a version kept it, and of several copies the newest counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from opensync_hooks.agents.opencode import locations
from opensync_hooks.agents.opencode.source import OpenCodeSource
from opensync_hooks.cli import foreground
from opensync_hooks.model import Trigger
from tests.agents.opencode.recordings import NEW, TOOLS, TRUTH
from tests.opencode_home import RECORDED, TREES, OpenCodeHome, tally
from tests.sessions import dialogue, everything


def test_years_of_use_in_one_folder_are_all_found_once(there: OpenCodeHome) -> None:
    for version in ("0.1.174", "0.5.29", "1.0.162", "1.1.65", "1.15.13"):
        there.put(version)
    found = [one.id for one in everything(there.source())]
    wanted = [
        name for version in (*TREES, "1.15.13") for name in TRUTH[version]
    ]  # fmt: skip
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("older", ["1.1.65", "1.0.162", "0.5.29", "0.1.174"])
def test_of_one_session_in_two_generations_the_newer_counts(
    there: OpenCodeHome, older: str
) -> None:
    there.put("1.18.33").put(older)
    stale = next(iter(TRUTH[older]))
    with there.writing() as db:
        db.execute("UPDATE session SET id = ? WHERE id = ?", (stale, TOOLS))
        db.execute("UPDATE message SET session_id = ? WHERE session_id = ?", (stale, TOOLS))
        db.execute("UPDATE part SET session_id = ? WHERE session_id = ?", (stale, TOOLS))
    (session,) = there.read(stale)
    assert session.agent_version == "1.18.33"
    assert [one.session_id for one in there.source().sessions()].count(stale) == 1


def test_child_that_a_newer_generation_has_is_not_taken_from_an_older_one(
    there: OpenCodeHome,
) -> None:
    there.put("1.0.162").put("1.18.33")
    parent, child = "ses_e045615d2ffeY56bI8EW3NC9Mc", "ses_e0456158bffe454f2MpIoJwXje"
    with there.writing() as db:
        db.execute("UPDATE session SET id = ? WHERE id = ?", (child, TOOLS))
    assert [one.id for one in there.read(parent)] == [parent]
    assert there.read(child)[0].agent_version == "1.18.33"


def test_fresh_file_of_2_x_needs_no_tables_of_1_x(there: OpenCodeHome) -> None:
    with there.put("2.x").writing() as db:
        for table in ("session", "message", "part"):
            db.execute(f"DROP TABLE {table}")
    assert there.read(NEW)[0].id == NEW


def test_table_of_switches_that_1_15_kept_is_no_conversation(there: OpenCodeHome) -> None:
    """It has no `seq`; and a session that was just begun has no messages anywhere."""
    with there.put("1.15.13").writing() as db:
        db.execute("DELETE FROM message")
    source = there.source()
    assert [list(one.messages) for one in everything(source)] == [[], [], []]


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
def test_database_is_found_as_opencode_finds_it(
    there: OpenCodeHome, environ: dict[str, str], names: list[str]
) -> None:
    for name in ("opencode.db", "opencode-dev.db", "opencode-local.db", "mine.db"):
        (there.data / name).touch()
    found = [path.name for path in locations.databases(environ, there.data)]
    assert found[: len(names)] == names
    assert bool(found) == bool(names)


def test_absolute_path_and_data_home_are_heeded(there: OpenCodeHome, tmp_path: Path) -> None:
    there.put("1.18.33", "elsewhere.db").put("1.1.65")
    moved = tmp_path / "moved" / "opencode"
    moved.mkdir(parents=True)
    there.data.joinpath("elsewhere.db").rename(moved / "opencode.db")
    assert there.read(TOOLS, XDG_DATA_HOME=str(tmp_path / "moved"))
    assert there.read(TOOLS, OPENCODE_DB=str(moved / "opencode.db"))
    assert there.source().find(TOOLS) is None


def test_session_is_found_by_its_file_in_a_tree(there: OpenCodeHome) -> None:
    there.put("1.1.65")
    (file,) = there.data.glob("storage/session/*/ses_e0456045dffegAp1T5tNEv5uc8.json")
    source = there.source()
    assert source.find(str(file)) == source.find(file.stem)
    message = next(there.data.glob("storage/message/*/*.json"))
    assert source.find(str(message)) is None


def test_exported_session_is_read_by_its_file_or_from_the_folder_of_the_docs(
    there: OpenCodeHome,
) -> None:
    export = there.path / "some export.json"
    shutil.copy(RECORDED / "export.json", export)
    source = there.source()
    located = source.find(str(export))
    assert located
    (session,) = source.read(located)
    assert (session.id, tally(session)["calls"]) == (TOOLS, 5)
    folder = there.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    export.rename(folder / "any.json")
    assert source.find(TOOLS) == next(iter(source.sessions()))
    assert there.read(TOOLS)[0].messages == session.messages


def test_export_of_a_session_that_opencode_still_has_is_no_second_one(
    recorded: OpenCodeHome,
) -> None:
    folder = recorded.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED / "export.json", folder / "any.json")
    source = recorded.source()
    located = [one for one in source.sessions() if one.session_id == TOOLS]
    assert [one.path.name for one in located] == ["opencode.db"]
    (kept,) = recorded.read(TOOLS)
    by_path = source.find(str(folder / "any.json"))
    assert by_path
    (recorded.data / "opencode.db").unlink()
    (exported,) = source.read(by_path)
    assert [one.id for one in exported.messages] == [one.id for one in kept.messages]


def test_file_named_after_another_session_is_not_that_one(there: OpenCodeHome) -> None:
    folder = there.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED / "export.json", folder / "ses_other.json")
    assert there.source().find("ses_other") is None
    assert there.read(TOOLS)


def test_plain_session_file_with_contents_instead_of_parts_is_understood(
    there: OpenCodeHome,
) -> None:
    folder = there.path / ".opencode" / "sessions"
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
    (session,) = there.read("ses_plain")
    assert dialogue(session) == [("user", "hi"), ("assistant", "hello"), ("user", "thanks")]
    assert [one.id for one in session.messages] == ["message-0", "message-1", "message-2"]
    assert (session.title, session.created_at) == ("T", 5)
    assert next(iter(session.messages)).created_at == 5
    assert session.skipped == {"unreadable message": 1}


@pytest.mark.parametrize("wanted", ["nothing", "ses_", "../../etc/passwd", "ses_a/b", "x.json"])
def test_what_is_no_session_is_not_found(recorded: OpenCodeHome, wanted: str) -> None:
    assert recorded.source().find(wanted) is None


def test_home_without_opencode_has_no_sessions(home: Path) -> None:
    source = OpenCodeSource.from_environ({}, str(home))
    assert list(source.sessions()) == []
    assert source.find(TOOLS) is None


def test_latest_session_by_hand_says_when_there_is_none(
    there: OpenCodeHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert foreground.main("opencode", ["--latest"]) == 2
    assert capsys.readouterr().err == (
        "opencode: no session on this machine.\nhint: Use the agent once.\n"
    )
    there.put("1.18.33")
    assert foreground.main("opencode", ["--latest", "--dry-run"]) == 0
    newest = next(iter(there.source().sessions())).session_id
    assert capsys.readouterr().out.startswith(newest)


def test_payload_names_the_session(there: OpenCodeHome) -> None:
    source = there.source()
    payload = {"session_id": TOOLS, "hook_event_name": "session.idle"}
    assert source.trigger(payload) == Trigger("opencode", TOOLS, "session.idle")
    for senseless in ({}, {"session_id": 7}, {"session_id": "../x"}, {"session_id": ""}):
        assert source.trigger(senseless) is None
