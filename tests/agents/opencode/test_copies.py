"""Of several copies of one session, the one with the newest content is read."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.opencode.census import take_census
from opensync_hooks.agents.opencode.source import open_source
from opensync_hooks.model import Skipped
from tests.agents.opencode.recordings import TOOLS
from tests.opencode_home import OpenCodeHome
from tests.sessions import dialogue

SESSION = "ses_d01"
_ROW = (
    "INSERT INTO session (id, project_id, slug, directory, title, version, parent_id, time_created,"
    " time_updated) VALUES (?, 'p', 's', '/d', 't', '1.18.33', ?, 1, 1)"
)


def put(
    opencode: OpenCodeHome,
    name: str,
    texts: dict[int, str],
    session_id: str = SESSION,
    parent_id: str | None = None,
) -> None:
    """Write a copy with a message for each time; messages of equal times are the same."""
    is_new = not (opencode.data / name).exists()
    with opencode.writing(name) as db:
        if is_new:
            db.executescript(schema())
        db.execute(_ROW, (session_id, parent_id))
        for time, text in texts.items():
            say(opencode, db, time, text, session_id)


def say(
    opencode: OpenCodeHome, db: sqlite3.Connection, time: int, text: str, session_id: str = SESSION
) -> None:
    role = "assistant" if time % 2 == 0 else "user"
    info = {"role": role, "time": {"created": time, "completed": time}}
    opencode.say(db, session_id, f"msg_{session_id}_{time:03}", info, text)


def schema() -> str:
    """Return the tables of 1.18, without any row."""
    path = Path(__file__).parents[2] / "data" / "opencode" / "1.18.33.sql"
    statements = path.read_text().split(";\n")
    return ";\n".join(text for text in statements if text.lstrip().startswith("CREATE")) + ";"


def put_tree(opencode: OpenCodeHome, texts: dict[int, str]) -> None:
    files: dict[str, Any] = {f"session/p/{SESSION}": {"id": SESSION, "directory": "/d"}}
    for time, text in texts.items():
        message_id = f"msg_{SESSION}_{time:03}"
        role = "assistant" if time % 2 == 0 else "user"
        files[f"message/{SESSION}/{message_id}"] = {"role": role, "time": {"created": time}}
        files[f"part/{message_id}/prt"] = {"type": "text", "text": text}
    for name, value in files.items():
        path = opencode.data / "storage" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))


def texts(opencode: OpenCodeHome, session_id: str = SESSION) -> list[str]:
    return [text for _, text in dialogue(opencode.read(session_id)[0])]


@pytest.mark.parametrize("newest", ["opencode.db", "opencode-a.db", "opencode-z.db"])
def test_newest_content_wins_whatever_the_names_and_times_of_the_files(
    opencode: OpenCodeHome, newest: str
) -> None:
    for name in ("opencode.db", "opencode-a.db", "opencode-z.db"):
        put(opencode, name, {1: "q", 2: name, 3: "more"} if name == newest else {1: "q", 2: name})
        with opencode.writing(name) as db:
            db.execute("UPDATE session SET time_updated = ?", (1 if name == newest else 99,))
            db.execute("UPDATE message SET time_updated = ?", (1 if name == newest else 99,))
        os.utime(opencode.data / name, (1, 1) if name == newest else (99, 99))
    assert texts(opencode) == ["q", newest, "more"]
    listed = [located.path.name for located in opencode.source().sessions()]
    assert listed == [newest]


def test_change_in_any_copy_changes_the_fingerprint(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a", 3: "more"})
    put(opencode, "opencode-local.db", {1: "q", 2: "a"})
    source = opencode.source()
    for time, name in ((4, "opencode-local.db"), (5, "opencode.db"), (6, "opencode-local.db")):
        before = source.find(SESSION)
        assert before in list(source.sessions())
        with opencode.writing(name) as db:
            say(opencode, db, time, name)
        assert source.find(SESSION) != before
        assert texts(opencode)[-1] == name


def test_what_two_copies_went_on_with_is_united(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a", 3: "here", 4: "answer here"})
    put(opencode, "opencode-local.db", {1: "q", 2: "a", 5: "there", 6: "answer there"})
    assert texts(opencode) == ["q", "a", "here", "answer here", "there", "answer there"]


def test_message_deleted_in_the_newest_copy_does_not_come_back(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "deleted", 3: "next"})
    put(opencode, "opencode-local.db", {1: "q", 3: "next", 4: "a"})
    assert texts(opencode) == ["q", "next", "a"]


def test_copies_without_a_common_message_are_not_mixed(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q"})
    put(opencode, "opencode-local.db", {3: "other", 4: "a"})
    assert texts(opencode) == ["other", "a"]


def test_subagent_that_only_one_copy_has_is_read(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a", 3: "newest"})
    put(opencode, "opencode-local.db", {1: "q", 2: "a"})
    put(opencode, "opencode-local.db", {1: "look"}, "ses_c01", SESSION)
    assert [session.id for session in opencode.read(SESSION)] == [SESSION, "ses_c01"]
    (located,) = opencode.source().sessions()
    assert located == opencode.source().find(SESSION)


def put_v2(opencode: OpenCodeHome, texts: dict[int, str]) -> None:
    """Have 2.x take over the session within its file, with these messages."""
    with opencode.writing() as db:
        db.execute("CREATE TABLE session_v2 AS SELECT *, NULL AS fork_session_id FROM session", ())
        for time, text in texts.items():
            kind = "user" if time % 2 else "assistant"
            content = {"text": text} if time % 2 else {"content": [{"type": "text", "text": text}]}
            db.execute(
                "INSERT INTO session_message (id, session_id, type, seq, time_created,"
                " time_updated, data) VALUES (?, ?, ?, ?, 99, 99, ?)",
                (
                    f"msg_{SESSION}_{time:03}",
                    SESSION,
                    kind,
                    time,
                    json.dumps({**content, "time": {"created": time}}),
                ),
            )


def test_what_2_x_has_undone_and_deleted_is_undone(opencode: OpenCodeHome) -> None:
    """The old tables keep the messages for ever."""
    put(opencode, "opencode.db", {1: "q", 2: "a", 3: "undone", 4: "undone answer"})
    put_v2(opencode, {1: "q", 2: "a", 5: "instead", 6: "next answer"})
    (session,) = opencode.read(SESSION)
    undone = [(message.text, message.undone) for message in session.messages]
    assert undone == [
        *(("q", False), ("a", False), ("undone", True), ("undone answer", True)),
        *(("instead", False), ("next answer", False)),
    ]


def test_what_a_client_of_1_x_says_after_2_x_has_answered_counts(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a", 7: "by 1.x"})
    put_v2(opencode, {1: "q", 2: "a", 5: "by 2.x", 6: "answer"})
    (session,) = opencode.read(SESSION)
    assert [message.text for message in session.messages] == [
        "q",
        "a",
        "by 2.x",
        "answer",
        "by 1.x",
    ]
    assert not any(message.undone for message in session.messages)


@pytest.mark.parametrize("name", ["opencode.db", "opencode-local.db"])
def test_census_counts_what_copies_went_on_with(opencode: OpenCodeHome, name: str) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a", 3: "here", 4: "answer here"})
    put(opencode, "opencode-local.db", {1: "q", 2: "a", 5: "there", 6: "answer there", 7: "more"})
    (census,) = take_census(SESSION, opencode.data / name, {}, str(opencode.path))
    assert (census.counts.utterances, census.counts.responses) == (4, 3)


def test_census_counts_subagents_that_only_an_older_copy_has(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a"})
    put(opencode, "opencode.db", {1: "look"}, "ses_c02", SESSION)
    put(opencode, "opencode-local.db", {1: "q", 2: "a", 3: "newest"})
    put(opencode, "opencode-local.db", {1: "look on"}, "ses_c01", SESSION)
    censuses = take_census(SESSION, opencode.data / "opencode.db", {}, str(opencode.path))
    counts = {census.session_id: census.counts.utterances for census in censuses}
    assert counts == {SESSION: 2, "ses_c01": 1, "ses_c02": 1}
    assert {session.id for session in opencode.read(SESSION)} == counts.keys()


def test_census_does_not_mix_copies_without_a_common_message(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q"})
    put(opencode, "opencode-local.db", {3: "other", 4: "a"})
    (census,) = take_census(SESSION, opencode.data / "opencode.db", {}, str(opencode.path))
    assert (census.counts.utterances, census.counts.responses) == (1, 1)


def test_client_of_1_x_goes_on_after_2_x_has_copied_the_session(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a", 3: "later"})
    put_v2(opencode, {1: "q", 2: "a"})
    assert texts(opencode) == ["q", "a", "later"]
    with opencode.writing() as db:
        db.execute("DELETE FROM message WHERE time_created = 3")
        db.execute("UPDATE part SET data = replace(data, '\"a\"', '\"old\"')")
    assert texts(opencode) == ["q", "a"], "of equal content, that of the newer generation"


@pytest.mark.parametrize("table", ["message", "part"])
def test_half_migrated_session_is_read_where_its_words_are(
    opencode: OpenCodeHome, table: str
) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a"})
    put_tree(opencode, {1: "q", 2: "a"})
    with opencode.writing() as db:
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - one of the two names above
        db.execute("UPDATE message SET data = json_set(data, '$.cost', 1, '$.time.completed', 99)")
    assert texts(opencode) == ["q", "a"]


def test_message_without_parts_gets_them_from_another_copy(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a", 3: "more"})
    put_tree(opencode, {1: "q", 2: "a"})
    with opencode.writing() as db:
        db.execute("DELETE FROM part WHERE time_created = 2")
    assert texts(opencode) == ["q", "a", "more"]
    (census,) = take_census(SESSION, opencode.data / "opencode.db", {}, str(opencode.path))
    assert (census.counts.utterances, census.counts.responses, census.unknown) == (2, 1, {})


@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        ("DELETE FROM part", {Skipped("unreadable", "prompt without its text"): 1}),
        ("DELETE FROM message", {Skipped("unreadable", "session without its words"): 1}),
        (
            "UPDATE session SET title = 'New session - 2026-11-28T21:13:07.512Z'",
            {},
        ),
    ],
    ids=["without parts", "without messages", "never used"],
)
def test_session_that_lost_its_words_everywhere_is_counted(
    opencode: OpenCodeHome, statement: str, counts: dict[Skipped, int]
) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a"} if counts else {})
    with opencode.writing() as db:
        db.execute(statement)
    (session,) = opencode.read(SESSION)
    assert (list(session.messages), session.skipped) == ([], counts)


def test_link_to_a_database_is_followed_with_its_wal(opencode: OpenCodeHome) -> None:
    away = opencode.path / "away.db"
    with opencode.put("1.18.33", "kept.db").writing("kept.db") as db:
        (opencode.data / "kept.db").rename(away)
        for suffix in ("-wal", "-shm"):
            (opencode.data / f"kept.db{suffix}").rename(f"{away}{suffix}")
        (opencode.data / "opencode.db").symlink_to(away)
        db.execute("SELECT 1")
        assert opencode.read(TOOLS)[0].id == TOOLS
        (census,) = take_census(TOOLS, opencode.data / "opencode.db", {}, str(opencode.path))
        assert (census.session_id, census.counts.utterances) == (TOOLS, 3)


@pytest.mark.parametrize("target", ["/nowhere/opencode.db", "/dev/null", "/"])
def test_link_that_leads_elsewhere_hides_only_itself(opencode: OpenCodeHome, target: str) -> None:
    opencode.put("1.18.33", "opencode-work.db")
    (opencode.data / "opencode.db").symlink_to(target)
    source = opencode.source()
    assert opencode.read(TOOLS)[0].id == TOOLS
    assert [located.path.name for located in source.sessions() if not located.fingerprint] == [
        "opencode.db"
    ]


@pytest.mark.parametrize("other", ["opencode-work.db", None])
def test_garbage_hides_no_other_copy(opencode: OpenCodeHome, other: str | None) -> None:
    if other:
        put(opencode, other, {1: "q"})
    else:
        put_tree(opencode, {1: "q"})
    (opencode.data / "opencode.db").write_bytes(b"no database" * 100)
    assert texts(opencode) == ["q"]


def test_bad_session_file_of_a_tree_affects_only_its_session(
    opencode: OpenCodeHome, tmp_path: Path
) -> None:
    opencode.put("1.1.65")
    put_tree(opencode, {1: "q"})
    file = opencode.data / "storage" / "session" / "p" / f"{SESSION}.json"
    file.rename(tmp_path / "elsewhere.json")
    file.symlink_to(tmp_path / "elsewhere.json")
    assert len(list(opencode.source().sessions())) == 3
    (session,) = opencode.read(SESSION)
    assert dialogue(session) == [("user", "q")], "the messages need no file of the session"
    assert session.skipped == {Skipped("unreadable", "unreadable session file"): 1}


def test_doctor_names_the_copies_and_which_is_read(opencode: OpenCodeHome) -> None:
    put(opencode, "opencode.db", {1: "q", 2: "a"})
    put(opencode, "opencode-local.db", {1: "q", 2: "a", 3: "more"})
    (remark,) = open_source({}, str(opencode.path)).remarks()
    first, second = (
        f"{opencode.data}/opencode{name}.db (tables of 1.x)" for name in ("-local", "")
    )
    assert remark.fact == (
        f"1 in several places: {first}, {second}; read where the content is newest: {first} for 1"
    )
    assert not remark.cure


@pytest.mark.parametrize("is_link", [False, True])
def test_doctor_names_a_file_that_cannot_be_read(opencode: OpenCodeHome, is_link: bool) -> None:
    opencode.put("1.1.65")
    path = opencode.data / "opencode.db"
    if is_link:
        path.symlink_to("/nowhere/opencode.db")
    else:
        path.write_bytes(b"no database" * 99)
    (remark,) = open_source({}, str(opencode.path)).remarks()
    assert str(path) in remark.fact
    assert remark.cure


def test_doctor_has_nothing_to_tell_of_the_row_of_an_api_session(recorded: OpenCodeHome) -> None:
    assert list(open_source({}, str(recorded.path)).remarks()) == []


def test_two_subagents_of_one_parent_and_one_of_their_own_are_read_once_each(
    opencode: OpenCodeHome,
) -> None:
    put(opencode, "opencode.db", {1: "look around"})
    put(opencode, "opencode.db", {2: "north seen"}, "ses_c03", SESSION)
    put(opencode, "opencode.db", {3: "look south"}, "ses_c02", SESSION)
    put(opencode, "opencode.db", {4: "deep seen"}, "ses_c01", "ses_c02")
    family = opencode.read(SESSION)
    assert [(session.id, session.parent_id) for session in family] == [
        *((SESSION, None), ("ses_c03", SESSION), ("ses_c02", SESSION), ("ses_c01", "ses_c02"))
    ]
    (located,) = opencode.source().sessions()
    assert located.session_id == SESSION
