"""What each version of OpenCode stored is read turn by turn, nothing lost and nothing doubled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensync_hooks import config
from opensync_hooks.agents.opencode.layouts import StoredMessage
from opensync_hooks.agents.opencode.usage import charge_of, usage_of
from opensync_hooks.delivery import payloads
from opensync_hooks.model import (
    Attachment,
    Message,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
)
from opensync_hooks.privacy.cleaning import clean_message
from tests.agents.opencode.recordings import (
    CHILD,
    CONTINUE,
    DELEGATE,
    FORK,
    NEW,
    REVERTED,
    TOOLS,
    TRUTH,
    changing,
)
from tests.opencode_home import DATABASES, TREES, OpenCodeHome, tally
from tests.sessions import dialogue, everything, outputs


def tool_results(session: Session) -> list[ToolResult]:
    parts = (part for message in session.messages for part in message.parts)
    return [part for part in parts if isinstance(part, ToolResult)]


@pytest.mark.parametrize("version", TRUTH)
def test_recording_matches_the_count_by_hand(opencode: OpenCodeHome, version: str) -> None:
    sessions = everything(opencode.put(version).source())
    counts = {session.id: tuple(tally(session).values()) for session in sessions}
    assert counts == TRUTH[version]


@pytest.mark.parametrize("version", [*TREES, *DATABASES])
def test_recording_is_read_completely(opencode: OpenCodeHome, version: str) -> None:
    sessions = list(everything(opencode.put(version).source()))
    assert len(sessions) == len(TRUTH[version])
    for session in sessions:
        assert session.skipped == {}
        assert session.project_path == "/home/dev/proj"
        assert (session.model, session.provider) == ("fake-model", "fake")
        assert session.created_at
        assert session.updated_at
        assert session.created_at <= session.updated_at


def test_turn_with_tools_keeps_its_order(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read(TOOLS)
    assert session.title == 'Fake title: "please write a notes file'
    assert session.agent_version == "1.18.33"
    assert dialogue(session) == [
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
    durations = [message.duration_ms for message in session.messages if message.duration_ms]
    assert (len(durations), session.duration_ms) == (7, sum(durations))


def test_tool_call_has_the_title_that_opencode_shows(recorded: OpenCodeHome) -> None:
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


def test_title_of_a_tool_call_is_sent_without_secrets_and_file_contents() -> None:
    secret = "ghp_" + "a1B2c3D4e5F6" * 3
    call = ToolCall("c1", "bash", {}, title=f"echo {secret}")
    written = ToolCall("c2", "write", {}, title="alpha\nbeta")
    message = clean_message(Message("m", "assistant", (call, written)), config.load())
    parts = [part["content"] for part in payloads.message_body(message, None)[0]["parts"]]
    assert [part.get("title") for part in parts] == ["echo [redacted:github-token]", None]


def test_reasoning_is_a_part_of_its_own(recorded: OpenCodeHome) -> None:
    first = list(recorded.read(TOOLS)[0].messages)[1]
    assert first.parts[0] == Reasoning("First write a file, then list.")
    assert first.text == "I will create a file."


def test_reasoning_counts_as_output_in_every_version() -> None:
    """1.3 includes it in `output`, 1.15 counts it separately; the total is the same."""
    before = {"input": 1500, "output": 60, "reasoning": 11, "cache": {"read": 200, "write": 0}}
    since = {**before, "output": 49, "total": 1760}
    assert usage_of(before) == usage_of(since)
    assert usage_of(since).completion_tokens == 60
    assert usage_of(since).prompt_tokens == 1700
    assert usage_of(since).reasoning_tokens == 11


def test_cache_writes_are_not_output() -> None:
    counted = usage_of({"input": 10, "output": 7, "cache": {"read": 3, "write": 2}, "total": 25})
    assert (counted.prompt_tokens, counted.completion_tokens) == (15, 10)


@pytest.mark.parametrize("total", [None, 0, 5, "many", -3])
def test_impossible_total_is_ignored(total: object) -> None:
    counted = usage_of({"input": 10, "output": 7, "cache": {"read": 3, "write": 2}, "total": total})
    assert (counted.prompt_tokens, counted.completion_tokens) == (15, 7)


def test_failed_tools_are_marked_and_give_the_reason(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read("ses_e04558521ffeT593dgM1Qdg10m")
    results = tool_results(session)
    assert [(result.name, result.is_error) for result in results] == [
        ("read", True),
        ("bash", True),
        ("invalid", True),
    ]
    assert results[0].output == "File not found: /home/dev/proj/does-not-exist.txt"


def test_text_that_opencode_injects_is_not_part_of_the_prompt(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read("ses_e04546e0bffeJQOFHK8EL2fjnQ")
    prompt, injected, answer, shell, ran = session.messages
    assert prompt.parts == (
        Text("see image play:hello"),
        Attachment("image/png", 70, "dot.png"),
        Text("@general"),
    )
    assert injected.id == f"{prompt.id}:injected"
    assert [message.role for message in (injected, answer, shell, ran)] == [
        *("system", "assistant", "system", "system")
    ]
    assert "ignored bit" in injected.text
    assert ran.charge is None


def test_attached_file_is_a_path_and_its_contents_are_a_tool_result(
    recorded: OpenCodeHome,
) -> None:
    """Settings that withhold what tools read must withhold attached files, too."""
    (session,) = recorded.read("ses_e04557a58ffedNZB6cwvgy6oTV")
    prompt, injected, _ = session.messages
    assert prompt.parts[0] == Attachment("text/plain", None, "/home/dev/proj/README.md")
    call, result = injected.parts
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.name, call.arguments) == ("read", {"filePath": "/home/dev/proj/README.md"})
    assert result.call_id == call.id
    assert "# fake project" in result.output


def test_agent_named_in_the_prompt_is_not_named_twice(recorded: OpenCodeHome) -> None:
    part = json.dumps({"type": "text", "text": "ask @general"})
    with recorded.writing() as db:
        db.execute("UPDATE part SET data = ? WHERE data LIKE '%see image%'", (part,))
    prompt = next(iter(recorded.read("ses_e04546e0bffeJQOFHK8EL2fjnQ")[0].messages))
    assert prompt.text == "ask @general"


def test_only_the_text_right_after_a_call_is_its_result(recorded: OpenCodeHome) -> None:
    more = json.dumps({"type": "text", "synthetic": True, "text": "by the way"})
    session_id = "ses_e04557a58ffedNZB6cwvgy6oTV"
    with recorded.writing() as db:
        db.execute(
            "INSERT INTO part SELECT 'prt_z', message_id, session_id, 1, 1, ? FROM part"
            " WHERE data LIKE '%Called the Read tool%'",
            (more,),
        )
    injected = list(recorded.read(session_id)[0].messages)[1]
    assert [type(part) for part in injected.parts] == [ToolCall, ToolResult, Text]


def test_command_that_runs_as_a_subtask_is_a_prompt_of_the_user(recorded: OpenCodeHome) -> None:
    parent, child = recorded.read("ses_e0454697cffee7LfmyQ4gmQHqa")
    assert dialogue(parent)[0] == ("user", "/sub @general\nDo a sub job now play:sub")
    assert dialogue(parent)[2][0] == "system"
    assert child.title == "x (@general subagent of ses_e0454697cffe)"


def test_compaction_is_neither_the_users_nor_the_models(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read("ses_e04546791ffegNBOqPB7cto6kY")
    assert dialogue(session)[2:5] == [
        ("system", "[conversation compacted automatically]"),
        ("system", "## Goal\nFake compaction summary.\n\n## Next\nCarry on."),
        ("system", CONTINUE),
    ]
    summary = list(session.messages)[3]
    assert summary.charge
    assert summary.charge.usage.prompt_tokens == 1200


def test_reverted_messages_are_undone_and_still_charged(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read(REVERTED)
    assert session.title == "Renamed, reverted and archived"
    assert [message.undone for message in session.messages] == [False, False, True, True]
    assert len(session.charges) == 2


def test_revert_within_a_message_undoes_only_what_follows_the_message(
    recorded: OpenCodeHome,
) -> None:
    """OpenCode 1.18 deletes everything after the message with the next prompt."""
    first = next(iter(recorded.read(REVERTED)[0].messages))
    revert = {"messageID": first.id, "partID": "prt_x"}
    with recorded.writing() as db:
        db.execute("UPDATE session SET revert = ? WHERE id = ?", (json.dumps(revert), REVERTED))
    undone = [message.undone for message in recorded.read(REVERTED)[0].messages]
    assert undone == [False, True, True, True]


def test_aborted_answer_is_kept_as_far_as_it_got(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read("ses_e04545d1cffe1ZjVqne9kHy747")
    assert dialogue(session)[1] == ("assistant", "One two three four five \n\n[aborted]")


def test_api_error_is_reported_without_headers_or_body(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read("ses_e04558e25ffe7EuBs70o6E6RZ4")
    assert dialogue(session)[1] == ("system", "[APIError 400: fake bad request]")
    assert "fakellm" not in repr(session)


def test_prompt_without_an_answer_is_kept(recorded: OpenCodeHome) -> None:
    (session,) = recorded.read("ses_e04542bb1ffeZcfkmF6H6qhBz5")
    assert dialogue(session) == [("user", '"killed play:slow"')]


def test_children_follow_their_parent(recorded: OpenCodeHome) -> None:
    parent, child = recorded.read(DELEGATE)
    assert (parent.id, child.id) == (DELEGATE, CHILD)
    assert child.parent_id == DELEGATE
    assert child.title == "Count the files (@general subagent of ses_e04559947ffe)"
    assert [session.id for session in recorded.read(CHILD)] == [CHILD]


def test_grandchildren_follow_and_a_circle_of_parents_ends(recorded: OpenCodeHome) -> None:
    with recorded.writing() as db:
        db.execute("UPDATE session SET parent_id = ? WHERE id = ?", (CHILD, TOOLS))
        db.execute("UPDATE session SET parent_id = ? WHERE id = ?", (TOOLS, DELEGATE))
    assert [session.id for session in recorded.read(DELEGATE)] == [DELEGATE, CHILD, TOOLS]


def test_fork_shares_the_calls_of_its_original(recorded: OpenCodeHome) -> None:
    """They have the same ids, so that each call is charged once."""
    (first,), (fork,) = recorded.read(TOOLS), recorded.read(FORK)
    call_ids = [charge.id for charge in first.charges]
    assert [charge.id for charge in fork.charges][: len(call_ids)] == call_ids
    assert len(set(call_ids)) == len(call_ids)


@pytest.mark.parametrize(
    "title",
    [
        "New session - 2026-11-21T01:13:25.167Z",
        "New Session - 2025-06-21T01:13:25.167Z",
        "Child session - 2026-11-21T01:13:25.167Z",
        "",
    ],
)
def test_session_without_a_title_is_named_after_its_first_prompt(
    recorded: OpenCodeHome, title: str
) -> None:
    with recorded.writing() as db:
        db.execute("UPDATE session SET title = ? WHERE id = ?", (title, TOOLS))
    assert recorded.read(TOOLS)[0].title == '"please write a notes file play:tools"'


def test_text_that_0_1_stored_in_pieces_is_joined(opencode: OpenCodeHome) -> None:
    (session,) = opencode.put("0.1.174").read("ses_e0456db59ffeTbijX5BnpR7wLR")
    assert dialogue(session) == [
        ("user", "please write a notes file play:tools"),
        (
            "assistant",
            "I will create a file.\n\nDone: notes.txt now holds alpha and gamma.",
        ),
        ("user", "again play:reason"),
        ("assistant", "Reasoned hello."),
    ]


@pytest.mark.parametrize("version", ["0.5.29", "1.1.65"])
def test_messages_of_a_json_tree_are_ordered_by_time(opencode: OpenCodeHome, version: str) -> None:
    """A clock that was set back gives later messages lower ids."""
    session_id = next(iter(TRUTH[version]))
    opencode.put(version)
    first = min(opencode.data.glob(f"**/message/{session_id}/*.json"))
    value = json.loads(first.read_text())
    value["time"]["created"] += 10**9
    first.write_text(json.dumps(value))
    assert dialogue(opencode.read(session_id)[0])[-1][1].startswith(("please", '"please'))


def test_call_without_a_name_and_an_id_is_read_all_the_same(recorded: OpenCodeHome) -> None:
    tool = {"type": "tool", "state": {"status": "error", "output": "as far as it came"}}
    with recorded.writing() as db:
        db.execute("UPDATE part SET data = ? WHERE session_id = ?", (json.dumps(tool), CHILD))
    messages = recorded.read(CHILD)[0].messages
    answer = next(message for message in messages if message.role != "user")
    call, result = answer.parts[:2]
    assert isinstance(call, ToolCall)
    assert (call.name, call.id[:4]) == ("unknown", "prt_")
    assert result == ToolResult(call.id, "unknown", "as far as it came", is_error=True)


def test_empty_child_without_a_title_still_names_its_parent(
    recorded: OpenCodeHome,
) -> None:
    with recorded.writing() as db:
        db.execute("DELETE FROM message WHERE session_id = ?", (CHILD,))
        db.execute("UPDATE session SET title = '' WHERE id = ?", (CHILD,))
    assert recorded.read(CHILD)[0].title == "Subagent (subagent of ses_e04559947ffe)"


def test_answer_with_a_cost_and_no_tokens_is_charged(recorded: OpenCodeHome) -> None:
    with recorded.writing() as db:
        db.execute("UPDATE message SET data = json_remove(data, '$.tokens')")
    (session,) = recorded.read(TOOLS)
    assert tally(session)["cost"] == TRUTH["1.18.33"][TOOLS][-1]
    assert tally(session)["read"] == 0


@pytest.mark.parametrize("version", ["1.18.33", "2.x"])
def test_message_that_starts_subagents_keeps_its_own_cost(
    opencode: OpenCodeHome, version: str
) -> None:
    """Neither 1.x with a call that was cut off nor 2.x has a cost for the step."""
    session_id = TOOLS if version == "1.18.33" else NEW
    state = {"status": "completed", "metadata": {"sessionId": "ses_child"}, "content": []}
    task = {"type": "tool", "tool": "task", "name": "task", "callID": "c", "state": state}
    info = {"role": "assistant", "cost": 0.25, "tokens": {}, "time": {"created": 9**15}}
    data = json.dumps({**info, "content": [task, task]})
    with opencode.put(version).writing() as db:
        if version == "2.x":
            row = ("msg_z", session_id, "assistant", 999, 1, 1, data)
            db.execute(
                "INSERT INTO session_message (id, session_id, type, seq, time_created,"
                " time_updated, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        else:
            db.execute("INSERT INTO message VALUES ('msg_z', ?, 1, 1, ?)", (session_id, data))
            part = (session_id, json.dumps(task))
            db.execute("INSERT INTO part VALUES ('prt_z', 'msg_z', ?, 1, 1, ?)", part)
    assert 0.25 in [charge.cost for charge in opencode.read(session_id)[0].charges]


def test_free_model_stays_free(recorded: OpenCodeHome) -> None:
    """OpenCode states the cost of 0, so no price table is asked."""
    with recorded.writing() as db:
        db.execute("UPDATE message SET data = json_set(data, '$.cost', 0)")
    costs = [charge.cost for charge in recorded.read(TOOLS)[0].charges]
    assert costs == [0] * 7


@pytest.mark.parametrize("details", [{"error": True, "message": "No."}, {"error": True}, {}])
def test_failed_tool_of_0_1_gives_the_reason(
    opencode: OpenCodeHome, details: dict[str, Any]
) -> None:
    session_id = "ses_e0456db59ffeTbijX5BnpR7wLR"
    opencode.put("0.1.174")
    before = outputs(opencode.read(session_id)[0])
    (file,) = (
        path
        for path in opencode.data.glob(f"**/message/{session_id}/*.json")
        if "tool-invocation" in path.read_text()
    )
    value = json.loads(file.read_text())
    value["metadata"]["tool"] = dict.fromkeys(value["metadata"]["tool"], details)
    file.write_text(json.dumps(value))
    (session,) = opencode.read(session_id)
    assert [result.is_error for result in tool_results(session)] == [bool(details)] * 4
    assert outputs(session) == (["No."] * 4 if "message" in details else before)


def test_project_without_a_directory_is_its_worktree(opencode: OpenCodeHome) -> None:
    with opencode.put("1.18.33").writing() as db:
        db.execute("UPDATE session SET directory = '' WHERE id = ?", (TOOLS,))
        db.execute("UPDATE message SET data = json_remove(data, '$.path')")
        db.execute("CREATE TABLE project AS SELECT project_id AS id, '/' AS worktree FROM session")
        db.execute("UPDATE project SET worktree = '/srv/orchard'")
    (session,) = opencode.read(TOOLS)
    assert session.project_path == "/srv/orchard"


def test_project_of_a_json_tree_is_its_worktree(opencode: OpenCodeHome) -> None:
    opencode.put("1.1.65")
    session_id = "ses_e0456045dffegAp1T5tNEv5uc8"
    (file,) = opencode.data.glob(f"storage/session/*/{session_id}.json")
    value = json.loads(file.read_text())
    del value["directory"]
    file.write_text(json.dumps(value))
    for message in opencode.data.glob(f"storage/message/{session_id}/*.json"):
        value = json.loads(message.read_text())
        value.pop("path", None)
        message.write_text(json.dumps(value))
    project = opencode.data / "storage" / "project" / f"{file.parent.name}.json"
    project.parent.mkdir(exist_ok=True)
    project.write_text(json.dumps({"id": file.parent.name, "worktree": "/srv/meadow"}))
    (session,) = opencode.read(session_id)
    assert session.project_path == "/srv/meadow"


def test_fork_of_an_untitled_session_is_titled_by_its_prompt(recorded: OpenCodeHome) -> None:
    title = "New session - 2026-11-28T21:13:07.512Z (fork #2)"
    changing("UPDATE session SET title = ? WHERE id = ?", title, TOOLS)(recorded)
    (session,) = recorded.read(TOOLS)
    first = next(message.text for message in session.messages if message.role == "user")
    assert session.title == f"{' '.join(first.split())} (fork #2)"


@pytest.mark.parametrize(
    ("version", "total", "output"),
    [
        ("1.18.33", None, 250),
        ("0.0.0-dev-1", None, 250),
        ("1.3.2", None, 200),
        ("1.18.33", 990, 90),
    ],
)
def test_reasoning_is_counted_once_with_or_without_a_total(
    version: str, total: int | None, output: int
) -> None:
    tokens = {"input": 900, "output": 200, "reasoning": 50, "total": total}
    if total:
        tokens |= {"output": 40}
    stored = StoredMessage("m", {"tokens": tokens, "cost": 1})
    charge = charge_of(stored, version)
    assert charge
    assert charge.usage.output_tokens == output
