"""The editor's rows of a session, in any version, become turns in order."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks.agents.cursor import messages, state_db, tools
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.model import HookFacts, Skipped, ToolCall, ToolResult, Trigger, TurnUsage, Usage
from tests.agents.cursor.conversations import add_turn_of_every_kind
from tests.cursor_home import BEGAN, Draft, Editor
from tests.sessions import dialogue, kinds, only

DATA = Path(__file__).parents[2] / "data" / "cursor"
VERSIONS = (1, 2, 3, 9, 10, 13, 16, 17, 18)


@pytest.mark.parametrize("version", VERSIONS)
def test_turn_of_every_version_is_a_prompt_and_one_answer(
    editor: Editor, source: CursorSource, version: int
) -> None:
    draft = editor.draft(version=version, name="The title")
    ids = add_turn_of_every_kind(draft)
    draft.save()
    session = only(source, "s1")
    prompt, answer = session.messages
    assert (prompt.role, prompt.text) == ("user", "Fix the parser, please. 日本語 🚀")
    assert kinds(answer) == ["Reasoning", "ToolCall", "ToolResult", "Text"]
    name = "read_file_v2" if version >= 13 else "read_file"
    assert answer.parts[1:3] == (
        ToolCall("call_2\nfc_2", name, {"target_file": "/work/a.py"}, "Read"),
        ToolResult("call_2\nfc_2", name, "x = 1"),
    )
    assert [answer.id, *answer.aliases][:3] == ids[1:]
    assert (session.title, session.created_at, session.agent) == ("The title", BEGAN, "cursor")
    if version >= 9:
        assert (prompt.created_at, answer.created_at) == (BEGAN + 1_000, BEGAN + 2_000)


def test_bubbles_follow_the_order_of_the_headers_each_once(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    for number in range(6):
        draft.add_turn(number)
    draft.headers = [*draft.headers[::-1], *draft.headers]
    draft.save()
    texts = [text for _, text in dialogue(only(source, "s1"))]
    assert texts == [f"{kind} {n}" for n in range(5, -1, -1) for kind in ("answer", "prompt")]


def test_missing_and_empty_rows_lose_only_themselves(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft()
    gone, empty = draft.add_prompt("one"), draft.add_answer("two")
    draft.add_answer("three")
    draft.add_turn(4)
    draft.save()
    editor.db.execute("DELETE FROM cursorDiskKV WHERE key = ?", (draft.key(gone),))
    editor.put(draft.key(empty), None)
    editor.put(None, None)
    session = only(source, "s1")
    assert dialogue(session) == [
        ("assistant", "three"),
        ("user", "prompt 4"),
        ("assistant", "answer 4"),
    ]
    assert session.skipped == {Skipped("unreadable", "bubble missing"): 2}


UNSETTLED: dict[str, tuple[str, dict[str, Any]]] = {
    "generating": ("answered", {"status": "generating"}),
    "a bubble being written": ("answered", {"generatingBubbleIds": ["b"]}),
    "prompt without an answer": ("asked", {}),
    "header without its row": ("missing", {}),
    "empty row": ("null", {}),
    "tool that runs": ("loading", {}),
}


def write_turns(draft: Draft, state: str) -> None:
    draft.add_turn(1)
    draft.add_prompt("prompt 2")
    if state == "asked":
        return
    if state == "loading":
        draft.add_tool_call("run_terminal_command_v2", status="loading")
        return
    answer = draft.add_answer("answer 2")
    if state in ("missing", "null"):
        draft.editor.put(draft.key(answer), None)
    if state == "missing":
        draft.editor.db.execute("DELETE FROM cursorDiskKV WHERE key = ?", (draft.key(answer),))


@pytest.mark.parametrize(("state", "document"), UNSETTLED.values(), ids=UNSETTLED.keys())
def test_turn_that_is_being_written_is_not_settled(
    editor: Editor, source: CursorSource, state: str, document: dict[str, Any]
) -> None:
    draft = editor.draft()
    write_turns(draft, state)
    draft.save(**document, lastUpdatedAt=int(time.time() * 1000))
    assert not source.is_settled(Trigger("cursor", "s1"))
    assert only(source, "s1").is_partial


@pytest.mark.parametrize(
    ("state", "document"), [("answered", {}), ("asked", {"status": "aborted"})]
)
def test_complete_or_aborted_turn_is_settled(
    editor: Editor, source: CursorSource, state: str, document: dict[str, Any]
) -> None:
    draft = editor.draft()
    write_turns(draft, state)
    draft.save(**document, lastUpdatedAt=int(time.time() * 1000))
    assert source.is_settled(Trigger("cursor", "s1"))
    assert not only(source, "s1").is_partial


def test_turn_abandoned_long_ago_is_not_partial(editor: Editor, source: CursorSource) -> None:
    """A crash leaves it incomplete, and nobody will ever complete it."""
    draft = editor.draft()
    write_turns(draft, "loading")
    draft.save(status="generating", lastUpdatedAt=int(time.time() * 1000) - 2 * 3_600_000)
    assert not source.is_settled(Trigger("cursor", "s1"))
    assert not only(source, "s1").is_partial


def test_nothing_tells_whether_the_turn_is_there_where_bubbles_bear_no_turn_ids(
    editor: Editor, source: CursorSource, notes: HookNotes
) -> None:
    """Before 2026 bubbles bore no turn ids, so the turn that the hook reports would never come."""
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    notes.add("s1", HookFacts((TurnUsage("named-elsewhere", None, Usage(output_tokens=1)),)))
    assert source.is_settled(Trigger("cursor", "s1", awaits="named-elsewhere-too")) is None


def test_missing_row_of_an_earlier_turn_is_not_awaited(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_prompt("go")
    editor.put(draft.key(draft.add_answer("lost")), None)
    draft.add_turn(2)
    draft.save()
    assert source.is_settled(Trigger("cursor", "s1"))


def test_reported_turn_is_awaited_where_bubbles_bear_turn_ids(
    editor: Editor, source: CursorSource, notes: HookNotes
) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    notes.add("s1", HookFacts((TurnUsage("request-1", None, Usage(output_tokens=1)),)))
    assert source.is_settled(Trigger("cursor", "s1", awaits="request-1"))
    assert not source.is_settled(Trigger("cursor", "s1", awaits="request-2"))


def test_sessions_with_a_common_id_prefix_keep_their_rows_apart(editor: Editor) -> None:
    for session_id in ("s1", "s1a", "s10", "s1;x", "s1-x", "S1"):
        draft = editor.draft(session_id)
        draft.add_turn(1)
        draft.save()
    rows = state_db.read_rows(editor.path, "s1")
    assert rows
    assert set(rows.bubbles) == {"s1-b1", "s1-b2"}


def test_answer_keeps_its_id_when_its_first_row_arrives_late(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_prompt("go")
    first = draft.add_answer("first")
    draft.add_answer("second")
    draft.save()
    row = editor.get(draft.key(first))
    editor.put(draft.key(first), None)
    before = list(only(source, "s1").messages)[1]
    editor.put(draft.key(first), row)
    after = list(only(source, "s1").messages)[1]
    assert (before.text, after.text) == ("second", "first\n\nsecond")
    assert before.id == after.id == first


def test_bubbles_without_a_header_are_undone_and_keep_their_position(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.add_turn(2)
    draft.rewind(2)
    draft.add_turn(3)
    draft.save()
    messages = [(message.text, message.undone) for message in only(source, "s1").messages]
    assert messages == [
        *(("prompt 1", False), ("answer 1", False)),
        *(("prompt 2", True), ("answer 2", True)),
        *(("prompt 3", False), ("answer 3", False)),
    ]


def test_undone_bubbles_without_times_come_last(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft(version=3)
    draft.add_turn(1)
    draft.add_turn(2)
    draft.rewind(2)
    draft.add_turn(3)
    draft.save()
    messages = [(message.text, message.undone) for message in only(source, "s1").messages]
    texts = [f"{kind} {n}" for n in (1, 3) for kind in ("prompt", "answer")]
    assert messages[:4] == [(text, False) for text in texts]
    assert messages[4:] == [("prompt 2", True), ("answer 2", True)]


def test_very_long_answer_continues_in_a_second_message(
    editor: Editor, source: CursorSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message with too many parts or characters would be cut."""
    draft = editor.draft()
    draft.add_prompt("go")
    for number in range(7):
        draft.add_answer(f"step {number}")
    draft.save()
    for limit, most in (("_MAX_PARTS", 3), ("_MAX_LENGTH", 18)):
        with monkeypatch.context() as small:
            small.setattr(messages, limit, most)
            part_counts = [len(message.parts) for message in only(source, "s1").messages]
            assert part_counts == [1, 3, 3, 1]


def test_lost_headers_are_replaced_by_the_order_of_times(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft(status="aborted")
    draft.add_turn(1)
    draft.add_turn(2)
    draft.headers.clear()
    draft.save()
    session = only(source, "s1")
    assert [text for _, text in dialogue(session)] == [
        "prompt 1",
        "answer 1",
        "prompt 2",
        "answer 2",
    ]
    assert session.skipped == {Skipped("left out", "order lost"): 1}
    assert not any(message.undone for message in session.messages)


HOSTILE_DOCUMENTS: tuple[Any, ...] = (
    *(None, "", "{", [], "[1]", 7, b"\xff\xfe", b"\x00" * 40),
    {"fullConversationHeadersOnly": None},
    {"fullConversationHeadersOnly": {"a": 1}, "conversation": 3, "conversationMap": []},
    {"fullConversationHeadersOnly": [None, "x", 3, {"type": 2}, {"bubbleId": 4}, {"bubbleId": ""}]},
    {
        "fullConversationHeadersOnly": [{"bubbleId": "nowhere"}],
        "capabilities": [None, {"type": 15}],
    },
    {"workspaceIdentifier": [], "trackedGitRepos": [None, {"branches": "x"}], "usageData": [1]},
    {"subagentInfo": "x", "subComposerIds": [None, 4, ""], "createdAt": {"a": 1}, "name": ["x"]},
    {"conversationState": "~!!!", "modelConfig": {"modelName": 4}, "lastUpdatedAt": 1e300},
)


@pytest.mark.parametrize("document", HOSTILE_DOCUMENTS, ids=lambda document: str(document)[:30])
def test_malformed_document_is_neither_a_session_nor_an_error(
    editor: Editor, source: CursorSource, document: Any
) -> None:
    editor.put("composerData:s1", document)
    editor.draft("s2").save()
    located = source.find("s1")
    assert not located or not any(list(session.messages) for session in source.read(located))


@pytest.mark.parametrize(
    "session_id",
    ["task-call_ab\nfc_cd", "a/../b", "..", "x" * 900, "%'; DROP TABLE x", "empty-state-draft"],
)
def test_session_id_may_be_any_text(editor: Editor, source: CursorSource, session_id: str) -> None:
    draft = editor.draft(session_id)
    draft.add_turn(1)
    draft.save()
    editor.draft(session_id + "x").save()
    assert len(list(only(source, session_id).messages)) == 2


def test_text_blobs_and_invalid_utf8_are_read_alike(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft()
    as_blob, broken = draft.add_prompt("as blob"), draft.add_answer("as it is")
    draft.save()
    editor.put(draft.key(as_blob), json.dumps(editor.get(draft.key(as_blob))).encode())
    raw = json.dumps(editor.get(draft.key(broken))).encode().replace(b"as it is", b"cut \xe6\x96")
    editor.db.execute(
        "INSERT INTO cursorDiskKV VALUES (?, CAST(? AS TEXT))", (draft.key(broken), raw)
    )
    assert [text for _, text in dialogue(only(source, "s1"))] == ["as blob", "cut \ufffd"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "type",
        "text",
        "richText",
        "thinking",
        "allThinkingBlocks",
        "toolFormerData",
        "createdAt",
        "timingInfo",
        "tokenCount",
        "context",
        "images",
        "codeBlocks",
        "errorDetails",
        "capabilityType",
        "modelInfo",
        "requestId",
    ]
)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bubble=st.dictionaries(FIELDS, JSON),
    tool=st.dictionaries(
        st.sampled_from(
            [
                "name",
                "tool",
                "toolCallId",
                "rawArgs",
                "params",
                "result",
                "error",
                "status",
                "userDecision",
            ]
        ),
        JSON,
    ),
    header=JSON,
)
def test_arbitrary_json_in_a_bubble_loses_only_that_bubble(
    editor: Editor, source: CursorSource, bubble: Any, tool: Any, header: Any
) -> None:
    draft = editor.draft()
    draft.add_prompt("before")
    draft.headers += [header, {"bubbleId": "odd", "type": 2}]
    editor.put(draft.key("odd"), {"toolFormerData": tool, **bubble})
    draft.add_prompt("after")
    draft.save()
    prompts = [text for role, text in dialogue(only(source, "s1")) if role == "user"]
    assert (prompts[0], prompts[-1]) == ("before", "after")


def put_recorded_rows(editor: Editor, name: str) -> str:
    rows = [json.loads(line) for line in (DATA / name).read_text().splitlines()]
    for row in rows:
        editor.put(row["key"], row["value"])
    return str(rows[0]["key"]).partition(":")[2]


def test_real_session_of_2025_has_its_calls_times_and_tokens(
    editor: Editor, source: CursorSource
) -> None:
    session = only(source, put_recorded_rows(editor, "v3-2025-05.jsonl"))
    messages = list(session.messages)
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]
    assert kinds(messages[1]) == [
        *("Reasoning", "ToolCall", "ToolResult", "Reasoning", "Text", "ToolCall", "ToolResult"),
        *("Reasoning", "Text", "ToolCall", "ToolResult", "Text"),
    ]
    names = [part.name for part in messages[1].parts if isinstance(part, ToolCall)]
    assert names == ["web_search", "run_terminal_cmd", "edit_file"]
    times = [message.created_at for message in messages]
    assert times == [1748057331242, 1748057863978, 1748057863978, 1748057974926]
    assert sum(charge.usage.prompt_tokens for charge in session.charges) == 21571 + 21907
    assert (session.created_at, session.model) == (1748057331242, None)


def test_real_session_of_2026_has_its_model_and_title(editor: Editor, source: CursorSource) -> None:
    session = only(source, put_recorded_rows(editor, "v16-2026-06.jsonl"))
    (prompt,) = session.messages
    assert prompt.role == "user"
    assert prompt.text.startswith("xxxx xxx xxxxxx")
    assert (session.model, session.title) == ("composer-2.5", "xxxxxxxxxxxx xxxxx xxx xxxxxxxx")


def test_prompts_without_times_precede_their_answers_where_the_order_is_lost(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft(version=3)
    for number in range(3):
        times = {"clientRpcSendTime": BEGAN + number * 1_000}
        draft.add_prompt(f"prompt {number}", bubbleId=f"{'zma'[number]}")
        draft.add_answer(f"answer {number}", bubbleId=f"{'bxq'[number]}", timingInfo=times)
    draft.headers.clear()
    draft.save()
    texts = [text for number in range(3) for text in (f"prompt {number}", f"answer {number}")]
    assert [message.text for message in only(source, "s1").messages] == texts


def test_rows_whose_keys_differ_from_the_headers_are_known_by_their_own_ids(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    for header in draft.headers:
        row = editor.get(draft.key(header["bubbleId"]))
        editor.db.execute(
            "DELETE FROM cursorDiskKV WHERE key = ?", (draft.key(header["bubbleId"]),)
        )
        editor.put(draft.key(f"moved-{header['bubbleId']}"), row)
    session = only(source, "s1")
    assert [message.text for message in session.messages] == ["prompt 1", "answer 1"]
    assert not any(message.undone for message in session.messages)
    assert not session.skipped


@pytest.mark.parametrize(
    ("name", "category"),
    [("ReadFile", "Read"), ("PiRead", "Read"), ("pi_write", "Write"), ("PiBash", "Bash")],
)
def test_tools_of_every_name_have_a_category(name: str, category: str) -> None:
    assert tools.category(name) == category
