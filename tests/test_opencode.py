"""OpenCode's data, as its versions wrote it, becomes sessions without a word lost or doubled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks import by_hand, config, wire
from opensync_hooks.errors import SourceError
from opensync_hooks.model import (
    Attachment,
    Message,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
    Trigger,
)
from opensync_hooks.privacy import permitted
from opensync_hooks.sources import Located, snapshot
from opensync_hooks.sources.opencode import OpenCode, places, values
from opensync_hooks.sources.opencode.charges import usage
from opensync_hooks.sources.opencode.database import Database
from opensync_hooks.sources.opencode.record import Pulse
from tests.opencode_home import DATABASES, RECORDED, TREES, Home, tally, told

# What a hand count of the recordings finds, and the sums of what the scripted model had charged:
# prompts, answers, tool calls, their results, tokens read, tokens written, USD. Children follow
# their parents. Until 0.1 only the last step of a turn was noted, and no cost.
TRUTH: dict[str, dict[str, tuple[float, ...]]] = {
    "0.1.174": {
        "ses_e0456db59ffeTbijX5BnpR7wLR": (2, 2, 4, 4, 4_800, 55, 0),
        "ses_e045665fdffeHpE2lALNJZPj0b": (1, 1, 1, 1, 1_400, 44, 0),
    },
    "0.5.29": {
        "ses_e04562569ffer5Wpii9KOGUGrm": (2, 2, 4, 4, 15_700, 205, 0.040185),
        "ses_e04562279ffePrdPi6L24WG3t1": (1, 1, 1, 1, 3_200, 59, 0.010485),
        "ses_e04562208ffeOWR7NNWpny4voG": (1, 1, 1, 1, 1_500, 30, 0.00495),
    },
    "1.0.162": {
        "ses_e04561d80ffeNmGxzTC28wypLd": (2, 5, 4, 4, 12_000, 205, 0.029385),
        "ses_e045615d2ffeY56bI8EW3NC9Mc": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0456158bffe454f2MpIoJwXje": (1, 2, 1, 1, 1_500, 30, 0.00495),
    },
    "1.1.65": {
        "ses_e0456045dffegAp1T5tNEv5uc8": (2, 5, 4, 4, 12_000, 205, 0.029385),
        "ses_e0455fd83ffeLulGX5xZsd28JW": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0455fd0dffeQCeb0UssO1FTUH": (1, 2, 1, 1, 1_500, 30, 0.00495),
    },
    "1.2.1": {
        "ses_e0455ed23ffeEtIjW6fob3GFcK": (2, 5, 4, 4, 12_000, 205, 0.029385),
        "ses_e0455ce3bffeQWVWqAuPuqHcb3": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0455cdb8ffedzdX0xf616V6fh": (1, 2, 1, 1, 1_500, 30, 0.00495),
    },
    "1.15.13": {
        "ses_e0455c8c2ffewI5vyFAlvYcbdz": (2, 5, 4, 4, 12_000, 205, 0.029085),
        "ses_e0455bb70ffeC8J9qakTxgVIqk": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0455ba01ffeWEBwyUSZDVgk6G": (1, 2, 1, 1, 1_500, 30, 0.00495),
    },
    "1.18.33": {
        "ses_e0455b051ffelTfTKepUayusYv": (3, 7, 5, 5, 14_400, 273, 0.037305),
        "ses_e04559947ffes6pn5qXANQq0k1": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0455944affe4yx5HHxQUr70Og": (1, 2, 1, 1, 1_500, 30, 0.00495),
        "ses_e04558e25ffe7EuBs70o6E6RZ4": (1, 0, 0, 0, 0, 0, 0),
        "ses_e04558521ffeT593dgM1Qdg10m": (1, 4, 3, 3, 4_800, 136, 0.01644),
        "ses_e04557a58ffedNZB6cwvgy6oTV": (1, 1, 1, 1, 1_000, 12, 0.00318),
        "ses_e0455626effeZeGF3BErQmJCPI": (4, 8, 5, 5, 15_400, 285, 0.040485),
        "ses_e04546e0bffeJQOFHK8EL2fjnQ": (1, 1, 1, 1, 1_000, 12, 0.00318),
        "ses_e0454697cffee7LfmyQ4gmQHqa": (1, 2, 1, 1, 1_000, 12, 0.00318),
        "ses_e04546966ffeBKYK71lTOiHoaW": (1, 2, 1, 1, 1_500, 30, 0.00495),
        "ses_e04546791ffegNBOqPB7cto6kY": (1, 2, 1, 1, 32_200, 346, 0.10179),
        "ses_e04545e8dffeCj7XE8Y9OxqDLV": (2, 2, 0, 0, 2_500, 42, 0.00705),
        "ses_e04545d1cffe1ZjVqne9kHy747": (1, 1, 0, 0, 0, 0, 0),
        "ses_e0454496dffedcs0g0NGpWjug3": (2, 4, 2, 2, 4_900, 138, 0),
        "ses_e04542bb1ffeZcfkmF6H6qhBz5": (1, 0, 0, 0, 0, 0, 0),
    },
    "2.x": {
        "ses_ee24bbbbbffeConstructedMigr1": (2, 2, 1, 1, 2_000, 24, 0.004),
        "ses_ee23aaaaaffeConstructedParnt": (1, 3, 4, 4, 4_200, 192, 0.0115),
        "ses_ee23aaaa9ffeConstructedChild": (1, 1, 0, 0, 800, 30, 0.002),
        "ses_ee23ccccc3feConstructedNoTtl": (1, 0, 0, 0, 0, 0, 0),
    },
}
TOOLS = "ses_e0455b051ffelTfTKepUayusYv"
FORK = "ses_e0455626effeZeGF3BErQmJCPI"
DELEGATE = "ses_e04559947ffes6pn5qXANQq0k1"
CHILD = "ses_e0455944affe4yx5HHxQUr70Og"
REVERTED = "ses_e04545e8dffeCj7XE8Y9OxqDLV"
OF_API = "ses_e0454496dffedcs0g0NGpWjug3"
CONTINUE = (
    "Continue if you have next steps, or stop and ask for clarification if you are unsure how to "
    "proceed."
)
NEW, MIGRATED = "ses_ee23aaaaaffeConstructedParnt", "ses_ee24bbbbbffeConstructedMigr1"


@pytest.fixture
def there(home: Path) -> Home:
    return Home(home)


@pytest.fixture
def recorded(there: Home) -> Home:
    """The recording of 1.18.33, which has most in it."""
    return there.put("1.18.33")


def all_of(source: OpenCode) -> Iterator[Session]:
    for located in reversed(list(source.sessions())):
        yield from source.read(located)


@pytest.mark.parametrize("version", TRUTH)
def test_recording_holds_what_a_count_by_hand_finds(there: Home, version: str) -> None:
    found = {one.id: tuple(tally(one).values()) for one in all_of(there.put(version).source())}
    assert found == TRUTH[version]


@pytest.mark.parametrize("version", [*TREES, *DATABASES])
def test_recording_is_read_without_a_gap(there: Home, version: str) -> None:
    for session in all_of(there.put(version).source()):
        assert session.skipped == {}
        assert session.project_path == "/home/dev/proj"
        assert (session.model, session.provider) == ("fake-model", "fake")
        assert session.created_at
        assert session.updated_at
        assert session.created_at <= session.updated_at


def test_turn_with_tools_is_told_in_order(recorded: Home) -> None:
    (session,) = recorded.read(TOOLS)
    assert session.title == 'Fake title: "please write a notes file'
    assert session.agent_version == "1.18.33"
    assert told(session) == [
        ("user", '"please write a notes file play:tools"'),
        ("assistant", "I will create a file."),
        ("assistant", ""),
        ("assistant", ""),
        ("assistant", "Done: notes.txt now holds alpha and gamma."),
        ("user", '"again play:reason"'),
        ("assistant", "Reasoned hello."),
        ("user", '"write todos play:todo"'),
        ("assistant", ""),
        ("assistant", "Todo list written."),
    ]
    listing = list(session.messages)[2]
    assert [type(part) for part in listing.parts] == [ToolCall, ToolResult] * 2
    call, result, *_ = listing.parts
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments["command"]) == ("bash", "ls -1 && echo done")
    assert result == ToolResult(call.id, "bash", "README.md\nnotes.txt\ndone\n")
    assert listing.duration_ms == 210


def test_tool_goes_by_the_title_that_opencode_shows(recorded: Home) -> None:
    titles = {
        part.name: part.title
        for message in recorded.read(TOOLS)[0].messages
        for part in message.parts
        if isinstance(part, ToolCall)
    }
    assert titles == {
        "write": "notes.txt",
        "bash": "ls -1 && echo done",
        "read": "notes.txt",
        "edit": "notes.txt",
        "todowrite": "2 todos",
    }


def test_title_of_a_tool_goes_along_without_secrets_and_contents() -> None:
    secret = "ghp_" + "a1B2c3D4e5F6" * 3
    call = ToolCall("c1", "bash", {}, title=f"echo {secret}")
    written = ToolCall("c2", "write", {}, title="alpha\nbeta")
    message = permitted(Message("m", "assistant", (call, written)), config.load())
    parts = [part["content"] for part in wire.message_body(message, None)["parts"]]
    assert [one.get("title") for one in parts] == ["echo [redacted:github-token]", None]


def test_reasoning_is_kept_apart_from_what_was_said(recorded: Home) -> None:
    first = list(recorded.read(TOOLS)[0].messages)[1]
    assert first.parts[0] == Reasoning("First write a file, then list.")
    assert first.text == "I will create a file."


def test_reasoning_counts_as_output_in_every_version() -> None:
    """1.3 counts it within `output`, 1.15 beside it; the total is the same."""
    before = {"input": 1500, "output": 60, "reasoning": 11, "cache": {"read": 200, "write": 0}}
    since = {**before, "output": 49, "total": 1760}
    assert usage(before) == usage(since)
    assert usage(since).completion_tokens == 60
    assert usage(since).prompt_tokens == 1700


@pytest.mark.parametrize("total", [None, 0, 5, "many", -3])
def test_total_that_cannot_be_takes_nothing_away(total: object) -> None:
    counted = usage({"input": 10, "output": 7, "cache": {"read": 3, "write": 2}, "total": total})
    assert (counted.prompt_tokens, counted.completion_tokens) == (15, 7)


def test_failed_tools_are_marked_and_say_why(recorded: Home) -> None:
    (session,) = recorded.read("ses_e04558521ffeT593dgM1Qdg10m")
    results = [
        part for one in session.messages for part in one.parts if isinstance(part, ToolResult)
    ]
    assert [(one.name, one.is_error) for one in results] == [
        ("read", True),
        ("bash", True),
        ("invalid", False),
    ]
    assert results[0].output == "File not found: /home/dev/proj/does-not-exist.txt"


def test_what_opencode_put_beside_a_prompt_is_nobodys_prompt(recorded: Home) -> None:
    (session,) = recorded.read("ses_e04546e0bffeJQOFHK8EL2fjnQ")
    prompt, injected, answer, shell, ran = session.messages
    assert prompt.parts == (
        Text("see image play:hello"),
        Attachment("image/png", 70, "dot.png"),
        Text("@general"),
    )
    assert injected.id == f"{prompt.id}:injected"
    assert [one.role for one in (injected, answer, shell, ran)] == [
        *("system", "assistant", "system", "system")
    ]
    assert "ignored bit" in injected.text
    assert ran.charge is None


def test_attached_file_goes_by_its_path_and_its_contents_as_the_reading_tool_s(
    recorded: Home,
) -> None:
    """So that whoever withholds what tools read withholds this as well."""
    (session,) = recorded.read("ses_e04557a58ffedNZB6cwvgy6oTV")
    prompt, beside, _ = session.messages
    assert prompt.parts[0] == Attachment("text/plain", None, "/home/dev/proj/README.md")
    call, result = beside.parts
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.name, call.arguments) == ("read", {"filePath": "/home/dev/proj/README.md"})
    assert result.call_id == call.id
    assert "# fake project" in result.output


def test_agent_that_the_prompt_names_already_is_not_named_again(recorded: Home) -> None:
    said = json.dumps({"type": "text", "text": "ask @general"})
    with recorded.writing() as db:
        db.execute("UPDATE part SET data = ? WHERE data LIKE '%see image%'", (said,))
    prompt = next(iter(recorded.read("ses_e04546e0bffeJQOFHK8EL2fjnQ")[0].messages))
    assert prompt.text == "ask @general"


def test_only_the_text_behind_a_call_is_its_result(recorded: Home) -> None:
    more = json.dumps({"type": "text", "synthetic": True, "text": "by the way"})
    session_id = "ses_e04557a58ffedNZB6cwvgy6oTV"
    with recorded.writing() as db:
        db.execute(
            "INSERT INTO part SELECT 'prt_z', message_id, session_id, 1, 1, ? FROM part"
            " WHERE data LIKE '%Called the Read tool%'",
            (more,),
        )
    beside = list(recorded.read(session_id)[0].messages)[1]
    assert [type(part) for part in beside.parts] == [ToolCall, ToolResult, Text]


def test_command_that_runs_as_a_subtask_is_the_users_prompt(recorded: Home) -> None:
    parent, child = recorded.read("ses_e0454697cffee7LfmyQ4gmQHqa")
    assert told(parent)[0] == ("user", "/sub @general\nDo a sub job now play:sub")
    assert told(parent)[2][0] == "system"
    assert child.title == "x (@general subagent of ses_e0454697cffe)"


def test_compaction_is_told_by_no_one(recorded: Home) -> None:
    (session,) = recorded.read("ses_e04546791ffegNBOqPB7cto6kY")
    assert told(session)[2:5] == [
        ("system", "[conversation compacted automatically]"),
        ("system", "## Goal\nFake compaction summary.\n\n## Next\nCarry on."),
        ("system", CONTINUE),
    ]
    summary = list(session.messages)[3]
    assert summary.charge
    assert summary.charge.usage.prompt_tokens == 1200


def test_reverted_messages_are_undone_and_still_paid_for(recorded: Home) -> None:
    (session,) = recorded.read(REVERTED)
    assert session.title == "Renamed, reverted and archived"
    assert [one.undone for one in session.messages] == [False, False, True, True]
    assert len(session.charges) == 2


def test_revert_within_a_message_undoes_all_that_follows_and_not_the_message(
    recorded: Home,
) -> None:
    """As OpenCode 1.18 does: the next prompt deletes what stands behind the message."""
    first = next(iter(recorded.read(REVERTED)[0].messages))
    revert = {"messageID": first.id, "partID": "prt_x"}
    with recorded.writing() as db:
        db.execute("UPDATE session SET revert = ? WHERE id = ?", (json.dumps(revert), REVERTED))
    undone = [one.undone for one in recorded.read(REVERTED)[0].messages]
    assert undone == [False, True, True, True]


def test_aborted_answer_is_kept_as_far_as_it_came(recorded: Home) -> None:
    (session,) = recorded.read("ses_e04545d1cffe1ZjVqne9kHy747")
    assert told(session)[1] == ("assistant", "One two three four five \n\n[aborted]")


def test_api_error_is_told_without_headers_or_body(recorded: Home) -> None:
    (session,) = recorded.read("ses_e04558e25ffe7EuBs70o6E6RZ4")
    assert told(session)[1] == ("system", "[APIError 400: fake bad request]")
    assert "fakellm" not in repr(session)


def test_answer_that_never_came_leaves_its_prompt(recorded: Home) -> None:
    (session,) = recorded.read("ses_e04542bb1ffeZcfkmF6H6qhBz5")
    assert told(session) == [("user", '"killed play:slow"')]


def test_children_follow_their_parent_also_when_nobody_named_them(recorded: Home) -> None:
    parent, child = recorded.read(DELEGATE)
    assert (parent.id, child.id) == (DELEGATE, CHILD)
    assert child.parent_id == DELEGATE
    assert child.title == "Count the files (@general subagent of ses_e04559947ffe)"
    assert [one.id for one in recorded.read(CHILD)] == [CHILD]


def test_children_of_children_come_with_the_first_and_a_circle_ends(recorded: Home) -> None:
    with recorded.writing() as db:
        db.execute("UPDATE session SET parent_id = ? WHERE id = ?", (CHILD, TOOLS))
        db.execute("UPDATE session SET parent_id = ? WHERE id = ?", (TOOLS, DELEGATE))
    assert [one.id for one in recorded.read(DELEGATE)] == [DELEGATE, CHILD, TOOLS]


def test_fork_has_the_calls_of_the_session_it_came_from(recorded: Home) -> None:
    """By the same ids, so that they are paid once."""
    (first,), (fork,) = recorded.read(TOOLS), recorded.read(FORK)
    theirs = [charge.id for charge in first.charges]
    assert [charge.id for charge in fork.charges][: len(theirs)] == theirs
    assert len(set(theirs)) == len(theirs)


@pytest.mark.parametrize(
    "title",
    [
        "New session - 2026-11-21T01:13:25.167Z",
        "New Session - 2025-06-21T01:13:25.167Z",
        "Child session - 2026-11-21T01:13:25.167Z",
        "",
    ],
)
def test_session_without_a_title_goes_by_its_first_prompt(recorded: Home, title: str) -> None:
    with recorded.writing() as db:
        db.execute("UPDATE session SET title = ? WHERE id = ?", (title, TOOLS))
    assert recorded.read(TOOLS)[0].title == '"please write a notes file play:tools"'


def test_text_that_0_1_kept_in_pieces_is_whole_again(there: Home) -> None:
    (session,) = there.put("0.1.174").read("ses_e0456db59ffeTbijX5BnpR7wLR")
    assert told(session) == [
        ("user", "please write a notes file play:tools"),
        (
            "assistant",
            "I will create a file.\n\nDone: notes.txt now holds alpha and gamma.",
        ),
        ("user", "again play:reason"),
        ("assistant", "Reasoned hello."),
    ]


@pytest.mark.parametrize("version", ["0.5.29", "1.1.65"])
def test_messages_of_a_tree_are_in_the_order_of_their_times(there: Home, version: str) -> None:
    """A clock that was set back gives later messages lower ids."""
    session_id = next(iter(TRUTH[version]))
    there.put(version)
    first = min(there.data.glob(f"**/message/{session_id}/*.json"))
    value = json.loads(first.read_text())
    value["time"]["created"] += 10**9
    first.write_text(json.dumps(value))
    assert told(there.read(session_id)[0])[-1][1].startswith(("please", '"please'))


# ---- what 2.x, and the /api/session of 1.18, made of it ------------------------------------------


def test_session_of_2_x_reads_like_one_of_1_x(there: Home) -> None:
    parent, child = there.put("2.x").read(NEW)
    assert told(parent)[:2] == [
        ("user", "How many files are here? Use a subagent."),
        ("assistant", "I will ask a subagent."),
    ]
    failed = [part for part in list(parent.messages)[2].parts if isinstance(part, ToolResult)]
    assert failed[0] == ToolResult("call_2", "read", "File not found: missing.txt", is_error=True)
    assert failed[1].output == "3\n"
    assert told(parent)[4:] == [("system", ""), ("system", "## Goal\nCount files. Done.")]
    assert (child.parent_id, child.title) == (NEW, "Count files (subagent of ses_ee23aaaaaffe)")


def test_failed_answer_of_2_x_says_so_and_null_title_is_no_title(there: Home) -> None:
    (session,) = there.put("2.x").read("ses_ee23ccccc3feConstructedNoTtl")
    assert session.title == "This will fail"
    assert told(session)[1] == ("system", "[provider: made up failure]")


def test_rows_that_2_x_left_behind_are_not_mixed_in(there: Home) -> None:
    (session,) = there.put("2.x").read(MIGRATED)
    assert session.title == "Old session, continued in 2.x"
    assert [role for role, _ in told(session)] == [
        *("user", "assistant", "system", "user", "system", "assistant")
    ]


def test_prompt_of_2_x_names_its_files_and_agents(there: Home) -> None:
    data = {
        "text": "see",
        "files": [
            {"uri": "file:///a/b%20c.txt", "mime": "text/plain"},
            {"uri": "data:image/png;base64,AAAA", "mime": "image/png", "name": "x.png"},
        ],
        "agents": [{"name": "plan"}],
    }
    with there.put("2.x").writing() as db:
        db.execute(
            "UPDATE session_message SET data = ? WHERE type = 'user' AND session_id = ?",
            (json.dumps(data), NEW),
        )
    prompt = next(iter(there.read(NEW)[0].messages))
    assert prompt.parts == (
        Text("see"),
        Attachment("text/plain", None, "/a/b c.txt"),
        Attachment("image/png", 3, "x.png"),
        Text("@plan"),
    )
    assert prompt.created_at == 1791500000010


def test_cost_that_1_18_did_not_count_yet_is_left_to_the_price_table(recorded: Home) -> None:
    (session,) = recorded.read(OF_API)
    assert [charge.cost for charge in session.charges] == [None] * 4
    assert session.title == "hello play:v2tools"


# ---- generations side by side --------------------------------------------------------------------


def test_years_of_use_in_one_folder_are_all_found_once(there: Home) -> None:
    for version in ("0.1.174", "0.5.29", "1.0.162", "1.1.65", "1.15.13"):
        there.put(version)
    found = [one.id for one in all_of(there.source())]
    wanted = [
        name for version in (*TREES, "1.15.13") for name in TRUTH[version]
    ]  # fmt: skip
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("older", ["1.1.65", "1.0.162", "0.5.29", "0.1.174"])
def test_of_one_session_in_two_generations_the_newer_counts(there: Home, older: str) -> None:
    there.put("1.18.33").put(older)
    stale = next(iter(TRUTH[older]))
    with there.writing() as db:
        db.execute("UPDATE session SET id = ? WHERE id = ?", (stale, TOOLS))
        db.execute("UPDATE message SET session_id = ? WHERE session_id = ?", (stale, TOOLS))
        db.execute("UPDATE part SET session_id = ? WHERE session_id = ?", (stale, TOOLS))
    (session,) = there.read(stale)
    assert session.agent_version == "1.18.33"
    assert [one.session_id for one in there.source().sessions()].count(stale) == 1


def test_child_that_a_newer_generation_has_is_not_taken_from_an_older_one(there: Home) -> None:
    there.put("1.0.162").put("1.18.33")
    parent, child = "ses_e045615d2ffeY56bI8EW3NC9Mc", "ses_e0456158bffe454f2MpIoJwXje"
    with there.writing() as db:
        db.execute("UPDATE session SET id = ? WHERE id = ?", (child, TOOLS))
    assert [one.id for one in there.read(parent)] == [parent]
    assert there.read(child)[0].agent_version == "1.18.33"


def test_fresh_file_of_2_x_needs_no_tables_of_1_x(there: Home) -> None:
    with there.put("2.x").writing() as db:
        for table in ("session", "message", "part"):
            db.execute(f"DROP TABLE {table}")
    assert there.read(NEW)[0].id == NEW


def test_table_of_switches_that_1_15_kept_is_no_conversation(there: Home) -> None:
    """It has no `seq`; and a session that was just begun has no messages anywhere."""
    with there.put("1.15.13").writing() as db:
        db.execute("DELETE FROM message")
    source = there.source()
    assert [list(one.messages) for one in all_of(source)] == [[], [], []]


# ---- where it lies -------------------------------------------------------------------------------


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
    there: Home, environ: dict[str, str], names: list[str]
) -> None:
    for name in ("opencode.db", "opencode-dev.db", "opencode-local.db", "mine.db"):
        (there.data / name).touch()
    found = [path.name for path in places.databases(environ, there.data)]
    assert found[: len(names)] == names
    assert bool(found) == bool(names)


def test_absolute_path_and_data_home_are_heeded(there: Home, tmp_path: Path) -> None:
    there.put("1.18.33", "elsewhere.db").put("1.1.65")
    moved = tmp_path / "moved" / "opencode"
    moved.mkdir(parents=True)
    there.data.joinpath("elsewhere.db").rename(moved / "opencode.db")
    assert there.read(TOOLS, XDG_DATA_HOME=str(tmp_path / "moved"))
    assert there.read(TOOLS, OPENCODE_DB=str(moved / "opencode.db"))
    assert there.source().find(TOOLS) is None


def test_session_is_found_by_its_file_in_a_tree(there: Home) -> None:
    there.put("1.1.65")
    (file,) = there.data.glob("storage/session/*/ses_e0456045dffegAp1T5tNEv5uc8.json")
    source = there.source()
    assert source.find(str(file)) == source.find(file.stem)
    message = next(there.data.glob("storage/message/*/*.json"))
    assert source.find(str(message)) is None


def test_exported_session_is_read_by_its_file_or_from_the_folder_of_the_docs(there: Home) -> None:
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


def test_file_named_after_another_session_is_not_that_one(there: Home) -> None:
    folder = there.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED / "export.json", folder / "ses_other.json")
    assert there.source().find("ses_other") is None
    assert there.read(TOOLS)


def test_plain_session_file_with_contents_instead_of_parts_is_understood(there: Home) -> None:
    folder = there.path / ".opencode" / "sessions"
    folder.mkdir(parents=True)
    messages = [
        {"role": "user", "content": "hi", "createdAt": 5},
        {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
        {"nonsense": True},
        "nonsense",
    ]
    file = folder / "ses_plain.json"
    file.write_text(json.dumps({"id": "ses_plain", "title": "T", "messages": messages}))
    (session,) = there.read("ses_plain")
    assert told(session) == [("user", "hi"), ("assistant", "hello")]
    assert next(iter(session.messages)).created_at == 5
    assert session.skipped == {"unreadable message": 1}


@pytest.mark.parametrize("wanted", ["nothing", "ses_", "../../etc/passwd", "ses_a/b", "x.json"])
def test_what_is_no_session_is_not_found(recorded: Home, wanted: str) -> None:
    assert recorded.source().find(wanted) is None


def test_home_without_opencode_has_no_sessions(home: Path) -> None:
    source = OpenCode.from_environ({}, str(home))
    assert list(source.sessions()) == []
    assert source.find(TOOLS) is None


def test_latest_session_by_hand_says_when_there_is_none(
    there: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert by_hand.main("opencode", ["--latest"]) == 2
    assert capsys.readouterr().err == (
        "opencode: no session on this machine.\nhint: Use the agent once.\n"
    )
    there.put("1.18.33")
    assert by_hand.main("opencode", ["--latest", "--dry-run"]) == 0
    newest = next(iter(there.source().sessions())).session_id
    assert capsys.readouterr().out.startswith(newest)


def test_payload_names_the_session(there: Home) -> None:
    source = there.source()
    payload = {"session_id": TOOLS, "hook_event_name": "session.idle"}
    assert source.trigger(payload) == Trigger("opencode", TOOLS, "session.idle")
    for senseless in ({}, {"session_id": 7}, {"session_id": "../x"}, {"session_id": ""}):
        assert source.trigger(senseless) is None


# ---- what tells that something changed -----------------------------------------------------------


def _run(statement: str, *values: object) -> Callable[[Home], None]:
    def change(there: Home) -> None:
        with there.writing() as db:
            db.execute(statement, values)

    return change


_LAST_PART = "(SELECT id FROM part WHERE session_id = ? ORDER BY id DESC LIMIT 1)"
CHANGES: dict[str, Callable[[Home], None]] = {
    "late title": _run("UPDATE session SET title = 'late' WHERE id = ?", DELEGATE),
    "archive": _run("UPDATE session SET time_archived = 1 WHERE id = ?", DELEGATE),
    "undo": _run('UPDATE session SET revert = \'{"messageID":"m"}\' WHERE id = ?', DELEGATE),
    "end of a text": _run(
        f"UPDATE part SET time_updated = time_updated + 1 WHERE id = {_LAST_PART}",  # noqa: S608
        DELEGATE,
    ),
    "one message less": _run(
        "DELETE FROM message WHERE id = (SELECT max(id) FROM message WHERE session_id = ?)",
        DELEGATE,
    ),
    "a child's message": _run(
        "UPDATE message SET time_updated = time_updated + 1 WHERE session_id = ?", CHILD
    ),
    "a child less": _run("DELETE FROM session WHERE id = ?", CHILD),
}


@pytest.mark.parametrize("counted", [False, True], ids=["times", "counted events"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_is_written_of_a_session_changes_its_mark(
    recorded: Home, change: Callable[[Home], None], counted: bool
) -> None:
    bump = "UPDATE event_sequence SET seq = seq + 1"
    with recorded.writing() as db:
        if not counted:
            db.execute("DELETE FROM event_sequence")
        before = _marks(recorded)
        change(recorded)
        db.execute(bump)  # as OpenCode does with every change, where it counts them
    after = _marks(recorded)
    assert before[DELEGATE] != after[DELEGATE]
    others = before.keys() & after.keys() - {DELEGATE, CHILD}
    assert counted or all(before[name] == after[name] for name in others)


def _marks(there: Home) -> dict[str, Located]:
    source = there.source()
    found = {located.session_id: located for located in source.sessions()}
    for located in found.values():
        assert source.find(located.session_id) == located, "the same mark by either way"
    return found


def test_event_that_changed_no_time_changes_the_mark(recorded: Home) -> None:
    before = _marks(recorded)
    _run("UPDATE event_sequence SET seq = seq + 1 WHERE aggregate_id = ?", CHILD)(recorded)
    after = _marks(recorded)
    assert [name for name in before if before[name] != after[name]] == [DELEGATE]


def test_new_rows_of_2_x_change_the_mark(there: Home) -> None:
    before = _marks(there.put("2.x"))
    insert = "INSERT INTO session_message VALUES ('m', ?, 'idle', 99, 1, 1, '{}')"
    with there.writing() as db:
        db.execute(insert, (MIGRATED,))
    after = _marks(there)
    assert [name for name in before if before[name] != after[name]] == [MIGRATED]


@pytest.mark.parametrize("version", TREES)
def test_file_that_was_written_in_a_tree_changes_the_mark(there: Home, version: str) -> None:
    before = _marks(there.put(version))
    newest = next(iter(TRUTH[version]))
    names = ("part", "message")
    file = max(path for name in names for path in there.data.rglob(f"{name}/*{newest}*/**/*.json"))
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 10**9))
    after = _marks(there)
    assert [name for name in before if before[name] != after[name]] == [newest]


def test_file_of_another_size_changes_the_mark_also_with_an_old_time(there: Home) -> None:
    before = _marks(there.put("1.1.65"))
    file = min(there.data.glob("storage/part/*/*.json"))
    stamp = file.stat().st_mtime_ns
    file.write_text(file.read_text() + " ")
    os.utime(file, ns=(stamp, stamp))
    after = _marks(there)
    assert len([name for name in before if before[name] != after[name]]) == 1


# ---- against a live writer -----------------------------------------------------------------------


def test_settled_is_a_session_whose_last_message_is_whole_and_old(recorded: Home) -> None:
    source = recorded.source()
    assert source.settled(Trigger("opencode", TOOLS))
    assert not source.settled(Trigger("opencode", "ses_e04542bb1ffeZcfkmF6H6qhBz5"))
    assert source.settled(Trigger("opencode", "ses_e04545d1cffe1ZjVqne9kHy747")), "aborted"
    assert source.settled(Trigger("opencode", OF_API))


@pytest.mark.parametrize("version", [*TREES, "2.x"])
def test_every_generation_says_when_it_is_settled(there: Home, version: str) -> None:
    source = OpenCode(there.put(version).source()._layouts, now=lambda: time.time() + 60)
    assert all(source.settled(Trigger("opencode", name)) for name in TRUTH[version])


@pytest.mark.parametrize(
    ("info", "is_final"),
    [
        (None, False),
        ({"role": "user", "time": {"created": 1}}, False),
        ({"role": "assistant", "time": {"created": 1}}, False),
        ({"role": "assistant", "time": {"created": 1, "completed": 2}}, True),
        ({"role": "assistant", "time": {"created": 1}, "error": {"name": "UnknownError"}}, True),
        ({"role": "assistant", "time": {"completed": 2}, "finish": "tool-calls"}, False),
        ({"role": "assistant", "time": {}, "finish": "tool-calls", "error": {"name": "E"}}, True),
    ],
    ids=["none", "prompt", "begun", "done", "failed", "has called a tool", "failed at a tool"],
)
def test_last_message_says_whether_the_turn_is_over(
    info: dict[str, Any] | None, is_final: bool
) -> None:
    assert Pulse.of_info(info, 0).is_final == is_final


def test_step_that_called_a_tool_is_followed_by_another(recorded: Home) -> None:
    with recorded.writing() as db:
        (last,) = db.execute(
            "SELECT max(id) FROM message WHERE session_id = ?", (TOOLS,)
        ).fetchone()
        db.execute(
            "UPDATE message SET data = json_set(data, '$.finish', 'tool-calls') WHERE id = ?",
            (last,),
        )
    assert not recorded.source().settled(Trigger("opencode", TOOLS))


NOW = 1_800_000_000_000


def at(there: Home, now: int) -> OpenCode:
    """The source, for which it is always the same time."""
    return OpenCode(there.source()._layouts, now=lambda: now / 1000)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, which in truth pass at once."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


@pytest.mark.parametrize(
    ("ago", "waited"), [(100, [0.4]), (500, []), (60_000, []), (-(10**9), [0.5])]
)
def test_moment_after_the_last_write_is_waited_out(
    recorded: Home, waits: list[float], ago: int, waited: list[float]
) -> None:
    """What OpenCode adds when it is idle: the end of an abort, a summary of a prompt.

    A clock that was set back holds nobody up for longer.
    """
    written = NOW - ago
    _run("UPDATE part SET time_updated = ? WHERE session_id = ?", written, TOOLS)(recorded)
    assert at(recorded, NOW).settled(Trigger("opencode", TOOLS))
    assert waits == pytest.approx(waited)


def test_what_comes_within_the_moment_is_waited_for_as_well(
    recorded: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child's end, a title, the counts that follow a compaction: none is of the last message."""
    _run("UPDATE session SET time_updated = ? WHERE id = ?", NOW, DELEGATE)(recorded)
    _run("DELETE FROM event_sequence")(recorded)
    changes = [CHANGES["a child's message"]]
    monkeypatch.setattr(time, "sleep", lambda _: [changes.pop()(recorded) for _ in changes[:]])
    source = at(recorded, NOW)
    assert not source.settled(Trigger("opencode", DELEGATE))
    assert source.settled(Trigger("opencode", DELEGATE))


def test_session_is_never_torn_while_opencode_writes_it(recorded: Home) -> None:
    """A message and its three parts are written together, a hundred times a second."""
    row = "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, "
    _run(f"{row} time_updated) VALUES ('ses_live', 'p', 's', '/d', 't', '1', 1, 1)")(recorded)
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(recorded, stop))
    writer.start()
    try:
        seen = set()
        end = time.monotonic() + 2
        while time.monotonic() < end:
            (session,) = recorded.read("ses_live")
            for message in session.messages:
                assert len(message.parts) == 3
                assert len({part.text for part in message.parts if isinstance(part, Text)}) == 1
            seen.add(len(list(session.messages)))
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 5


def _write(there: Home, stop: threading.Event) -> None:
    db = there.database()
    number = 0
    while not stop.is_set():
        number += 1
        db.execute("BEGIN")
        info = json.dumps({"role": "assistant", "time": {"created": number}})
        values = (f"msg_{number:06}", number, info)
        db.execute("INSERT INTO message VALUES (?, 'ses_live', ?, 0, ?)", values)
        for place in range(3):
            part = json.dumps({"type": "text", "text": f"of {number}"})
            key = f"prt_{number:06}_{place}"
            db.execute(
                "INSERT INTO part VALUES (?, ?, 'ses_live', 0, 0, ?)", (key, values[0], part)
            )
        db.execute("COMMIT")
        time.sleep(0.01)
    db.close()


def _state(there: Home) -> dict[str, tuple[str, int]]:
    found = {}
    for path in sorted(there.data.iterdir()):
        if path.suffix != ".db-shm":  # the readers' own marks, in memory that all of them share
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[path.name] = (digest, path.stat().st_mtime_ns)
        else:
            found[path.name] = ("", 0)
    return found


@pytest.mark.parametrize("is_open", [True, False], ids=["while OpenCode runs", "afterwards"])
def test_reading_changes_no_byte_and_leaves_no_file(recorded: Home, is_open: bool) -> None:
    db = recorded.database()
    db.execute("UPDATE session SET time_archived = 7")
    if not is_open:
        db.close()
    assert (recorded.data / "opencode.db-wal").exists() == is_open
    before = _state(recorded)
    source = recorded.source()
    assert len(list(all_of(source))) == len(TRUTH["1.18.33"])
    assert source.settled(Trigger("opencode", TOOLS))
    assert _state(recorded) == before
    db.close()


def test_what_lies_in_the_log_alone_is_read(there: Home) -> None:
    """`opencode run` leaves nearly all of its data there when it ends."""
    db = there.database()
    db.executescript((RECORDED / "1.18.33.sql").read_text())
    assert (there.data / "opencode.db").stat().st_size < 10_000
    assert there.read(TOOLS)[0].id == TOOLS
    db.close()


def test_logins_in_the_same_file_cannot_be_read(recorded: Home) -> None:
    with recorded.writing() as db:
        db.execute("INSERT INTO credential VALUES ('c', 'i', 'l', 'canary', '', '', 1, 1, 1)")
    assert "canary" not in repr(list(all_of(recorded.source())))
    database = Database(recorded.data / "opencode.db")
    with pytest.raises(SourceError):
        database._read(lambda view: view.run("SELECT value FROM credential"))


# ---- half a file, or another one -----------------------------------------------------------------


def test_file_that_is_half_written_is_read_again(
    there: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = there.path / "half.json"
    path.write_text('{"a": ')
    monkeypatch.setattr(time, "sleep", lambda _: path.write_text('{"a": 1}'))
    assert values.load(path) == {"a": 1}


def test_files_that_stay_broken_are_counted_and_the_rest_goes_on(there: Home) -> None:
    there.put("1.1.65")
    session_id = "ses_e0456045dffegAp1T5tNEv5uc8"
    message = max(there.data.glob(f"storage/message/{session_id}/*.json"))
    part = min(there.data.glob("storage/part/msg_1fba9fbe2001U8qq34Ftm7szEW/*.json"))
    for broken in (message, part):
        broken.write_text("{")
        os.utime(broken, (0, 0))
    (session,) = there.read(session_id)
    assert session.skipped == {"unreadable message": 1, "unreadable part": 1}
    assert told(session)[0][0] == "user"


def test_link_in_place_of_a_message_is_not_followed(there: Home, tmp_path: Path) -> None:
    there.put("1.1.65")
    session_id = "ses_e0456045dffegAp1T5tNEv5uc8"
    message = max(there.data.glob(f"storage/message/{session_id}/*.json"))
    message.rename(tmp_path / "elsewhere.json")
    message.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(SourceError):
        there.read(session_id)


@pytest.mark.parametrize(
    "content", [b"", b"no database at all", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_file_that_is_no_database_says_so_and_hides_nothing(there: Home, content: bytes) -> None:
    """In the list it stands for whatever was in it, so that nobody takes it for empty."""
    there.put("1.1.65")
    (there.data / "opencode.db").write_bytes(content)
    source = there.source()
    listed = list(source.sessions())
    unreadable = [one for one in listed if one.path.name == "opencode.db"]
    assert len(listed) - len(unreadable) == 2
    for one in unreadable:
        with pytest.raises(SourceError, match=r"opencode\.db"):
            list(source.read(one))
    assert unreadable or content == b""


def test_database_that_lets_nobody_read_is_an_error_and_not_empty(
    there: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PATIENCE_S", 0.05)
    there.put("1.2.1")
    db = sqlite3.connect(there.data / "opencode.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("BEGIN EXCLUSIVE")
    source = there.source()
    with pytest.raises(SourceError):
        source.find("ses_e0455ed23ffeEtIjW6fob3GFcK")
    assert not source.settled(Trigger("opencode", "ses_e0455ed23ffeEtIjW6fob3GFcK"))
    db.close()


def test_session_that_is_gone_by_now_is_an_error(recorded: Home) -> None:
    source = recorded.source()
    located = source.find(TOOLS)
    assert located
    _run("DELETE FROM session WHERE id = ?", TOOLS)(recorded)
    with pytest.raises(SourceError, match="no longer there"):
        list(source.read(located))


def test_what_no_version_had_yet_is_counted_and_not_fatal(recorded: Home) -> None:
    odd = {"type": "hologram", "text": "?"}
    with recorded.writing() as db:
        db.execute("ALTER TABLE session ADD COLUMN mood TEXT")
        db.execute("CREATE TABLE dreams (id TEXT)")
        (part,) = db.execute("SELECT min(id) FROM part WHERE session_id = ?", (TOOLS,)).fetchone()
        db.execute("UPDATE part SET data = ? WHERE id = ?", (json.dumps(odd), part))
        db.execute("INSERT INTO message VALUES ('m1', ?, 1, 1, '{\"role\": \"oracle\"}')", (TOOLS,))
        db.execute("INSERT INTO message VALUES ('m2', ?, 1, 1, 'not json')", (TOOLS,))
        db.execute("INSERT INTO part VALUES ('p2', 'm1', ?, 1, 1, x'ff')", (TOOLS,))
    (session,) = recorded.read(TOOLS)
    assert session.skipped == {
        "part of type hologram": 1,
        "message of type oracle": 1,
        "unreadable message": 1,
        "unreadable part": 1,
    }


def test_columns_of_1_18_that_older_files_lack_are_not_asked_for(there: Home) -> None:
    with there.put("1.2.1").writing() as db:
        for column in ("revert", "version", "time_archived"):
            db.execute(f"ALTER TABLE session DROP COLUMN {column}")
    assert there.read("ses_e0455ed23ffeEtIjW6fob3GFcK")[0].agent_version is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
_KEYS = (
    *(
        "role",
        "time",
        "tokens",
        "cost",
        "error",
        "summary",
        "path",
        "parentID",
        "modelID",
        "finish",
    ),
    *("revert", "type", "text", "tool", "state", "callID", "content", "files", "agents", "url"),
    *("mime", "prompt", "retry", "model", "status", "input", "output", "metadata", "messageID"),
)
KEYS = st.sampled_from(_KEYS)
OBJECTS = st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=4), max_size=6)


@pytest.mark.parametrize("table", ["message", "part", "session_message"])
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=OBJECTS)
def test_any_json_at_all_is_survived(
    tmp_path_factory: pytest.TempPathFactory, table: str, value: dict[str, Any]
) -> None:
    there = Home(tmp_path_factory.mktemp("h") / "home")
    there.put("1.18.33" if table != "session_message" else "2.x")
    with there.writing() as db:
        role = {} if table == "session_message" else {"role": value.get("role", "assistant")}
        kind = {"type": value["type"]} if "type" in value else {"type": "tool"}
        data = json.dumps({**value, **(kind if table == "part" else role)})
        db.execute(f"UPDATE {table} SET data = ?", (data,))  # noqa: S608 - a name from above
    for session in all_of(there.source()):
        for message in session.messages:
            assert isinstance(message.text, str)


# ---- one out of many -----------------------------------------------------------------------------


def _many(there: Home, count: int, name: str) -> Database:
    there.put("1.18.33", name)
    with there.writing(name) as db:
        db.execute("BEGIN")
        for number in range(count):
            for table, key, change in (
                ("session", "id", {"id": f"ses_{number}", "parent_id": None}),
                ("message", "session_id", {"id": f"m{number}_", "session_id": f"ses_{number}"}),
                (
                    "part",
                    "session_id",
                    {"id": f"p{number}_", "session_id": f"ses_{number}", "message_id": "m_"},
                ),
            ):
                _copy(db, table, key, change)
        db.execute("COMMIT")
    return Database(there.data / name)


def _copy(db: sqlite3.Connection, table: str, key: str, change: Mapping[str, str | None]) -> None:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    made = [
        ("? || id" if name == "id" and table != "session" else "?") if name in change else name
        for name in columns
    ]
    given = [change[name] for name in columns if name in change]
    names = ", ".join(made)
    db.execute(
        f"INSERT INTO {table} SELECT {names} FROM {table} WHERE {key} = ?",  # noqa: S608
        [*given, DELEGATE],
    )


def test_one_session_is_found_by_index_alone(
    recorded: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []

    def traced(path: Path, work: Callable[[sqlite3.Connection], Any], **_: object) -> Any:
        db = sqlite3.connect(path)
        db.text_factory = bytes
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        found = work(db)
        db.set_trace_callback(None)
        for query in asked:
            if query.startswith("SELECT"):
                rows = db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
                plans.extend(row[3].decode() for row in rows)
        db.close()
        return found

    monkeypatch.setattr(snapshot, "read", traced)
    assert len(recorded.read(DELEGATE)) == 2
    assert recorded.source().settled(Trigger("opencode", DELEGATE))
    assert len(plans) > 10
    assert [plan for plan in plans if "SCAN" in plan or "TEMP B-TREE" in plan] == []


def test_one_session_out_of_5000_costs_what_one_out_of_50_does(there: Home) -> None:
    few, many = _many(there, 50, "few.db"), _many(there, 5000, "many.db")
    ratios = []
    for _ in range(6):
        ratios.append(_cpu(many) / _cpu(few))
        if ratios[-1] <= 1.2:  # the machine is shared: one quiet round of six is the truth
            break
    assert min(ratios) <= 1.2, ratios


def _cpu(database: Database) -> float:
    times = []
    for _ in range(40):
        began = time.process_time()
        family = database.family("ses_7")
        list(database.records([one.session_id for one in family]))
        times.append(time.process_time() - began)
    return statistics.median(times)
