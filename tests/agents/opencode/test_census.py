"""The census of OpenCode's sessions, against the counts by hand of every recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.census import UNITS, Census, Counts
from opensync_hooks.agents.opencode.census import take_census
from opensync_hooks.errors import SourceError
from tests.agents.opencode.recordings import (
    CHILD,
    DELEGATE,
    FORK,
    MIGRATED,
    NEW,
    OF_API,
    REVERTED,
    TOOLS,
    TRUTH,
    changing,
)
from tests.opencode_home import RECORDED, OpenCodeHome

OPTIONAL = {
    "ses_e04558e25ffe7EuBs70o6E6RZ4": Counts(responses=1),  # failed at once
    "ses_e04542bb1ffeZcfkmF6H6qhBz5": Counts(responses=1),  # killed at once
    "ses_ee23ccccc3feConstructedNoTtl": Counts(responses=1),
    "ses_e04557a58ffedNZB6cwvgy6oTV": Counts(tool_calls=1, tool_results=1),  # an attached file
    "ses_e04546e0bffeJQOFHK8EL2fjnQ": Counts(utterances=1),  # a shell command of the user's
    NEW: Counts(utterances=1),
}
"""What is delivered in another form, or comes to nothing."""


def count(opencode: OpenCodeHome, session_id: str, **environ: str) -> list[Census]:
    database = opencode.data / "opencode.db"
    return list(take_census(session_id, database, environ, str(opencode.path)))


def count_main(opencode: OpenCodeHome, session_id: str, **environ: str) -> Census:
    main = count(opencode, session_id, **environ)[0]
    assert main.session_id == session_id
    return main


@pytest.mark.parametrize(
    ("version", "session_id"), [(version, name) for version in TRUTH for name in TRUTH[version]]
)
def test_recorded_session_has_the_counts_of_a_count_by_hand(
    opencode: OpenCodeHome, version: str, session_id: str
) -> None:
    census = count_main(opencode.put(version), session_id)
    optional = OPTIONAL.get(session_id, Counts())
    by_hand = Counts(*map(int, TRUTH[version][session_id][: len(UNITS)]))
    lenient = Counts(tool_calls=optional.tool_calls, tool_results=optional.tool_results)
    assert (census.counts, census.optional) == (by_hand - lenient, optional)
    written_by = {"2.x": "1.15.13" if session_id == MIGRATED else "2.0.26"}
    assert census.agent_version == written_by.get(version, version)
    assert not census.unknown
    assert not census.unreadable


def test_subagents_follow_their_session(recorded: OpenCodeHome) -> None:
    main, child = count(recorded, DELEGATE)
    assert (main.subagents, child.session_id, child.subagents) == (1, CHILD, 0)
    assert len(count(recorded, FORK)) == 1


def test_undone_turn_counts_like_any_other(recorded: OpenCodeHome) -> None:
    assert count_main(recorded, REVERTED).counts.utterances == 2


# ---- several copies ------------------------------------------------------------------------------


def add_turn(opencode: OpenCodeHome, name: str, at: int) -> None:
    times = {"created": at, "completed": at + 1}
    with opencode.writing(name) as db:
        opencode.say(db, TOOLS, f"msg_{at}", {"role": "user", "time": times}, "and then?")
        answer = {"role": "assistant", "time": times, "tokens": {"input": 7, "output": 2}}
        opencode.say(db, TOOLS, f"msg_{at + 1}", answer, "nothing")


def test_copy_with_the_newest_content_counts(recorded: OpenCodeHome) -> None:
    before = count_main(recorded, TOOLS).counts
    recorded.put("1.18.33", "opencode-local.db").put("1.18.33", "opencode-a.db")
    add_turn(recorded, "opencode-local.db", 1_795_300_000_000)
    assert count_main(recorded, TOOLS).counts == before + Counts(1, 1, 0, 0, 7, 2)
    assert count_main(recorded, TOOLS, OPENCODE_DISABLE_CHANNEL_DB="1").counts == before
    assert count_main(recorded, TOOLS, OPENCODE_DB="opencode-a.db").counts == before


def test_tables_of_1x_count_where_1x_went_on_beside_2x(opencode: OpenCodeHome) -> None:
    opencode.put("2.x")
    assert count_main(opencode, MIGRATED).counts.utterances == 2
    times = {"created": 1_791_600_000_000}
    with opencode.writing() as db:
        opencode.say(db, MIGRATED, "msg_1", {"role": "user", "time": times}, "still in 1.x")
        opencode.say(db, MIGRATED, "msg_2", {"role": "user", "time": times}, "and again")
    (session,) = opencode.read(MIGRATED)
    assert sum(message.role == "user" for message in session.messages) == 4, "of both generations"
    assert count_main(opencode, MIGRATED).counts.utterances == 4


LOSSES = {
    "no messages": changing("DELETE FROM message"),
    "no parts": changing("DELETE FROM part"),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_words_of_a_half_migrated_session_are_counted_in_the_json_tree(
    opencode: OpenCodeHome, lose: Callable[[OpenCodeHome], None]
) -> None:
    session_id = next(iter(TRUTH["1.1.65"]))
    migrated = next(iter(TRUTH["1.2.1"]))
    opencode.put("1.1.65").put("1.2.1")
    for table, column in (("session", "id"), ("message", "session_id"), ("part", "session_id")):
        statement = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608
        changing(statement, session_id, migrated)(opencode)
    lose(opencode)
    assert count_main(opencode, session_id).counts == Counts(2, 5, 4, 4, 12_000, 205)


def test_messages_without_parts_anywhere_are_not_understood(opencode: OpenCodeHome) -> None:
    session_id = next(iter(TRUTH["1.2.1"]))
    opencode.put("1.2.1")
    changing("DELETE FROM part")(opencode)
    changing("UPDATE message SET data = json_set(data, '$.tokens', json('{}'))")(opencode)
    census = count_main(opencode, session_id)
    assert census.unknown == {"message without parts": 7}
    assert not census.is_understood


def test_session_without_a_prompt_is_understood(opencode: OpenCodeHome) -> None:
    session_id = next(iter(TRUTH["1.2.1"]))
    opencode.put("1.2.1")
    changing("DELETE FROM part")(opencode)
    changing("DELETE FROM message")(opencode)
    assert count_main(opencode, session_id).is_understood


def test_exported_file_is_counted(opencode: OpenCodeHome) -> None:
    path = RECORDED / "export.json"
    session_id = json.loads(path.read_text())["info"]["id"]
    (census,) = take_census(session_id, path, {}, str(opencode.path))
    assert census.counts == Counts(*map(int, TRUTH["1.18.33"][session_id][: len(UNITS)]))


def test_broken_database_hides_no_session_of_another_one(recorded: OpenCodeHome) -> None:
    (recorded.data / "opencode-work.db").write_bytes(b"no database" * 400)
    assert count_main(recorded, TOOLS).counts.utterances == 3
    (recorded.data / "opencode.db").write_bytes(b"no database" * 400)
    for suffix in ("-wal", "-shm"):
        (recorded.data / f"opencode.db{suffix}").unlink(missing_ok=True)
    with pytest.raises(SourceError, match=r"opencode\.db"):
        count(recorded, TOOLS)


# ---- odd content ---------------------------------------------------------------------------------


TOKENS: tuple[tuple[Any, tuple[int, int]], ...] = (
    ({"total": 83_777, "input": -423, "output": 20, "cache": {"read": 84_160}}, (84_160, 20)),
    ({"total": 1_100, "input": 1_000, "output": -50, "reasoning": 150}, (1_000, 100)),
    ({"input": 100, "output": 200, "reasoning": 50, "cache": {"read": 5, "write": 3}}, (108, 250)),
    ({"input": "many", "output": None}, (0, 0)),
    ([], (0, 0)),
)


@pytest.mark.parametrize(("tokens", "read_and_written"), TOKENS)
def test_total_of_tokens_is_right_where_single_counts_are_not(
    recorded: OpenCodeHome, tokens: Any, read_and_written: tuple[int, int]
) -> None:
    before = count_main(recorded, TOOLS).counts
    info = {"role": "assistant", "time": {"created": 1}, "tokens": tokens}
    with recorded.writing() as db:
        recorded.say(db, TOOLS, "msg_1", info, "aye")
    assert count_main(recorded, TOOLS).counts == before + Counts(0, 1, 0, 0, *read_and_written)


def test_unknown_and_damaged_rows_are_counted_by_name(recorded: OpenCodeHome) -> None:
    with recorded.writing() as db:
        part = {"type": "hologram", "text": "?"}
        recorded.say(db, TOOLS, "msg_1", {"role": "user", "time": {"created": 1}}, "aye")
        db.execute("UPDATE part SET data = ? WHERE message_id = 'msg_1'", (json.dumps(part),))
        recorded.say(db, TOOLS, "msg_2", {"role": "oracle", "time": {"created": 1}}, "aye")
        db.execute("UPDATE part SET data = '{\"type\": \"te' WHERE message_id = 'msg_2'")
        db.execute("INSERT INTO message VALUES ('m3', ?, 1, 1, 'not json')", (TOOLS,))
        row = (OF_API, json.dumps({"text": "aye"}))
        db.execute("INSERT INTO session_message VALUES ('m4', ?, 'dream', 99, 1, 1, ?)", row)
    census = count_main(recorded, TOOLS)
    assert census.unknown == {"part hologram": 1, "message oracle": 1}
    assert census.unreadable == 2
    assert census.counts.utterances == 3
    assert count_main(recorded, OF_API).unknown == {"row dream": 1}


def test_unknown_counts_are_named_however_deep(recorded: OpenCodeHome) -> None:
    cache = {"read": 5, "write": 3, "write_1h": 9, "moon": {"rise": 1}}
    tokens = {"input": 1, "output": 1, "cache": cache, "audio": {"input": 4}}
    info = {"role": "assistant", "time": {"created": 1}, "tokens": tokens}
    with recorded.writing() as db:
        recorded.say(db, TOOLS, "msg_1", info, "aye")
    names = ("tokens.cache.write_1h", "tokens.cache.moon", "tokens.audio")
    assert count_main(recorded, TOOLS).unknown == dict.fromkeys(names, 1)


def test_session_that_is_nowhere_has_no_census(opencode: OpenCodeHome, tmp_path: Path) -> None:
    assert count(opencode, "ses_nowhere") == []
    assert list(take_census("ses_nowhere", tmp_path / "x.json", {}, str(opencode.path))) == []
