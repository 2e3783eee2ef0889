"""What Cursor's editor wrote, in any of its versions, becomes sessions without a word lost."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks.errors import SourceError
from opensync_hooks.model import (
    Attachment,
    Heard,
    Message,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
    Trigger,
    Turn,
    Usage,
)
from opensync_hooks.notebook import Notebook
from opensync_hooks.sources import snapshot
from opensync_hooks.sources.cursor import Cursor, moments, prompts, state, tools
from opensync_hooks.sources.cursor.roots import Roots
from tests.cursor_home import (
    BEGAN,
    CANARY,
    ENDED,
    Draft,
    Editor,
    iso,
    record,
    said_by_user,
    text,
    transcript,
    user_folder,
    window,
)

DATA = Path(__file__).parent / "data" / "cursor"
VERSIONS = (1, 2, 3, 9, 10, 13, 16, 17, 18)


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path / "ours" / "notes", "cursor")


@pytest.fixture
def source(home: Path, notebook: Notebook) -> Cursor:
    return Cursor(Roots.of({}, str(home)), notebook)


@pytest.fixture
def editor(home: Path) -> Iterator[Editor]:
    opened = Editor(home)
    yield opened
    opened.close()


def family(source: Cursor, session_id: str = "s1") -> list[Session]:
    located = source.find(session_id)
    assert located
    return list(source.read(located))


def only(source: Cursor, session_id: str = "s1") -> Session:
    (session,) = family(source, session_id)
    return session


def texts(session: Session) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in session.messages]


def kinds(message: Message) -> list[str]:
    return [type(part).__name__ for part in message.parts]


# ---- the editor's rows ---------------------------------------------------------------------------


def a_turn_of_everything(draft: Draft) -> list[str]:
    return [
        draft.prompt("Fix the parser, please. 日本語 🚀"),
        draft.thinks("I should look first."),
        draft.calls(
            "read_file_v2" if draft.version >= 13 else "read_file",
            rawArgs=json.dumps({"target_file": "/work/a.py"}),
            result=json.dumps({"contents": "x = 1"}),
        ),
        draft.says("It is fixed."),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_turn_of_every_version_is_a_prompt_and_one_answer(
    editor: Editor, source: Cursor, version: int
) -> None:
    draft = editor.draft(version=version, name="The title")
    ids = a_turn_of_everything(draft)
    draft.save()
    session = only(source)
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


def test_order_is_that_of_the_headers_and_each_bubble_comes_once(
    editor: Editor, source: Cursor
) -> None:
    draft = editor.draft()
    for number in range(6):
        draft.turn(number)
    draft.headers = [*draft.headers[::-1], *draft.headers]
    draft.save()
    said = [text for _, text in texts(only(source))]
    assert said == [f"{of} {n}" for n in range(5, -1, -1) for of in ("answer", "prompt")]


def test_missing_and_empty_rows_lose_nothing_but_themselves(editor: Editor, source: Cursor) -> None:
    draft = editor.draft()
    gone, empty = draft.prompt("one"), draft.says("two")
    draft.says("three")
    draft.turn(4)
    draft.save()
    editor.db.execute("DELETE FROM cursorDiskKV WHERE key = ?", (draft.key(gone),))
    editor.put(draft.key(empty), None)
    editor.put(None, None)
    session = only(source)
    assert texts(session) == [
        ("assistant", "three"),
        ("user", "prompt 4"),
        ("assistant", "answer 4"),
    ]
    assert session.skipped == {"bubble missing": 2}


UNSETTLED: dict[str, tuple[str, dict[str, Any]]] = {
    "generating": ("answered", {"status": "generating"}),
    "a bubble being written": ("answered", {"generatingBubbleIds": ["b"]}),
    "prompt without an answer": ("asked", {}),
    "header without its row": ("missing", {}),
    "empty row": ("null", {}),
    "tool that runs": ("loading", {}),
}


def written(draft: Draft, state_of: str) -> None:
    draft.turn(1)
    draft.prompt("prompt 2")
    if state_of == "asked":
        return
    if state_of == "loading":
        draft.calls("run_terminal_command_v2", status="loading")
        return
    answer = draft.says("answer 2")
    if state_of in ("missing", "null"):
        draft.editor.put(draft.key(answer), None)
    if state_of == "missing":
        draft.editor.db.execute("DELETE FROM cursorDiskKV WHERE key = ?", (draft.key(answer),))


@pytest.mark.parametrize(("state_of", "document"), UNSETTLED.values(), ids=UNSETTLED.keys())
def test_turn_that_is_still_being_written_is_not_settled(
    editor: Editor, source: Cursor, state_of: str, document: dict[str, Any]
) -> None:
    draft = editor.draft()
    written(draft, state_of)
    draft.save(**document, lastUpdatedAt=int(time.time() * 1000))
    assert not source.settled(Trigger("cursor", "s1"))
    assert only(source).is_partial


@pytest.mark.parametrize(
    ("state_of", "document"), [("answered", {}), ("asked", {"status": "aborted"})]
)
def test_turn_that_is_whole_or_was_aborted_is_settled(
    editor: Editor, source: Cursor, state_of: str, document: dict[str, Any]
) -> None:
    draft = editor.draft()
    written(draft, state_of)
    draft.save(**document, lastUpdatedAt=int(time.time() * 1000))
    assert source.settled(Trigger("cursor", "s1"))
    assert not only(source).is_partial


def test_what_earlier_turns_lack_is_lost_and_not_waited_for(editor: Editor, source: Cursor) -> None:
    draft = editor.draft()
    draft.prompt("go")
    editor.put(draft.key(draft.says("lost")), None)
    draft.turn(2)
    draft.save()
    assert source.settled(Trigger("cursor", "s1"))


def test_turn_that_the_hook_named_is_waited_for_where_turns_bear_names(
    editor: Editor, source: Cursor, notebook: Notebook
) -> None:
    draft = editor.draft()
    draft.turn(1)
    draft.save()
    notebook.add("s1", Heard((Turn("request-1", None, Usage(output_tokens=1)),)))
    assert source.settled(Trigger("cursor", "s1", awaits="request-1"))
    assert not source.settled(Trigger("cursor", "s1", awaits="request-2"))


def test_sessions_whose_ids_begin_alike_keep_their_rows_apart(editor: Editor) -> None:
    for session_id in ("s1", "s1a", "s10", "s1;x", "s1-x", "S1"):
        draft = editor.draft(session_id)
        draft.turn(1)
        draft.save()
    found = state.rows(editor.path, "s1")
    assert found
    assert set(found.bubbles) == {"s1-b1", "s1-b2"}


def test_answer_keeps_its_id_when_its_first_row_comes_late(editor: Editor, source: Cursor) -> None:
    draft = editor.draft()
    draft.prompt("go")
    first = draft.says("first")
    draft.says("second")
    draft.save()
    whole = editor.get(draft.key(first))
    editor.put(draft.key(first), None)
    before = list(only(source).messages)[1]
    editor.put(draft.key(first), whole)
    after = list(only(source).messages)[1]
    assert (before.text, after.text) == ("second", "first\n\nsecond")
    assert before.id == after.id == first


def test_what_no_header_names_is_undone_and_stands_where_it_was_said(
    editor: Editor, source: Cursor
) -> None:
    draft = editor.draft()
    draft.turn(1)
    draft.turn(2)
    draft.rewind(2)
    draft.turn(3)
    draft.save()
    told = [(message.text, message.undone) for message in only(source).messages]
    assert told == [
        *(("prompt 1", False), ("answer 1", False)),
        *(("prompt 2", True), ("answer 2", True)),
        *(("prompt 3", False), ("answer 3", False)),
    ]


def test_list_of_headers_that_was_lost_is_made_again_by_the_times(
    editor: Editor, source: Cursor
) -> None:
    draft = editor.draft(status="aborted")
    draft.turn(1)
    draft.turn(2)
    draft.headers.clear()
    draft.save()
    session = only(source)
    assert [text for _, text in texts(session)] == ["prompt 1", "answer 1", "prompt 2", "answer 2"]
    assert session.skipped == {"order lost": 1}
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
def test_document_that_makes_no_sense_is_no_session_and_no_error(
    editor: Editor, source: Cursor, document: Any
) -> None:
    editor.put("composerData:s1", document)
    editor.draft("s2").save()
    located = source.find("s1")
    assert not located or not any(list(session.messages) for session in source.read(located))


@pytest.mark.parametrize(
    "session_id",
    ["task-call_ab\nfc_cd", "a/../b", "..", "x" * 900, "%'; DROP TABLE x", "empty-state-draft"],
)
def test_id_may_be_any_text(editor: Editor, source: Cursor, session_id: str) -> None:
    draft = editor.draft(session_id)
    draft.turn(1)
    draft.save()
    editor.draft(session_id + "x").save()
    assert len(list(only(source, session_id).messages)) == 2


def test_text_blob_and_broken_utf8_are_read_alike(editor: Editor, source: Cursor) -> None:
    draft = editor.draft()
    as_blob, broken = draft.prompt("as blob"), draft.says("as it is")
    draft.save()
    editor.put(draft.key(as_blob), json.dumps(editor.get(draft.key(as_blob))).encode())
    raw = json.dumps(editor.get(draft.key(broken))).encode().replace(b"as it is", b"cut \xe6\x96")
    editor.db.execute(
        "INSERT INTO cursorDiskKV VALUES (?, CAST(? AS TEXT))", (draft.key(broken), raw)
    )
    assert [text for _, text in texts(only(source))] == ["as blob", "cut \ufffd"]


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
def test_any_json_in_a_bubble_costs_only_that_bubble(
    editor: Editor, source: Cursor, bubble: Any, tool: Any, header: Any
) -> None:
    draft = editor.draft()
    draft.prompt("before")
    draft.headers += [header, {"bubbleId": "odd", "type": 2}]
    editor.put(draft.key("odd"), {"toolFormerData": tool, **bubble})
    draft.prompt("after")
    draft.save()
    said = [text for role, text in texts(only(source)) if role == "user"]
    assert (said[0], said[-1]) == ("before", "after")


# ---- one bubble ----------------------------------------------------------------------------------


def answer_of(editor: Editor, source: Cursor, **fields: Any) -> Message:
    draft = editor.draft()
    draft.bubble(2, fields)
    draft.save()
    (message,) = only(source).messages
    return message


LEXICAL = {"root": {"type": "root", "children": [
    {"type": "paragraph", "children": [{"text": "one"}, {"type": "text", "text": " two"}]},
    {"type": "paragraph", "children": [{"type": "text", "text": "three"}]},
]}}  # fmt: skip
DOCUMENT = {
    "type": "doc",
    "content": [{"type": "paragraph", "content": [{"type": "text", "text": "x"}]}],
}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"text": "plain", "richText": json.dumps(LEXICAL)}, Text("plain")),
        ({"text": "", "richText": json.dumps(LEXICAL)}, Text("one two\nthree")),
        ({"text": "", "richText": DOCUMENT}, Text("x")),
        ({"text": "", "codeBlocks": [{"content": "x = 1"}, {"uri": {}}]}, Text("x = 1")),
        ({"thinking": "bare"}, Reasoning("bare")),
        ({"thinking": {"text": "in a record", "signature": ""}}, Reasoning("in a record")),
        ({"thinking": {}, "allThinkingBlocks": [{"thinking": "of 2025"}]}, Reasoning("of 2025")),
        ({"errorDetails": {"message": "Connection lost"}}, Text("[Connection lost]")),
    ],
)
def test_text_stands_in_one_of_many_fields(
    editor: Editor, source: Cursor, fields: dict[str, Any], wanted: Any
) -> None:
    assert answer_of(editor, source, **fields).parts == (wanted,)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ({"rawArgs": '{"a": 1}', "params": '{"b": 2}'}, {"a": 1}),
        ({"rawArgs": "{}", "params": '{"b": 2}'}, {"b": 2}),
        ({"rawArgs": "", "params": {"b": 2}}, {"b": 2}),
        ({"rawArgs": "{broken", "params": '{"b": 2}'}, {"b": 2}),
        ({"params": "{broken"}, "{broken"),
        ({}, {}),
    ],
)
def test_arguments_are_what_the_model_wrote_else_what_cursor_made_of_it(
    tool: dict[str, Any], arguments: Any
) -> None:
    (call,) = tools.parts({"name": "x", "status": "loading", **tool}, "b")
    assert isinstance(call, ToolCall)
    assert call.arguments == arguments


@pytest.mark.parametrize(
    ("tool", "output", "is_error"),
    [
        ({"result": '{"output": "hi\\n", "exitCodeV2": 0}'}, "hi\n", False),
        ({"result": {"output": "no", "exitCode": 1}}, 'no\n{"exitCode": 1}', False),
        ({"result": '{"files": ["a"]}'}, '{"files": ["a"]}', False),
        ({"result": "plain text"}, "plain text", False),
        ({}, "", False),
        ({"status": "error", "error": '{"clientVisibleErrorMessage": "No."}'}, "No.", True),
        ({"status": "error", "error": "boom"}, "boom", True),
        ({"status": "error"}, "[failed]", True),
        ({"status": "cancelled"}, "[cancelled]", True),
        ({"status": "cancelled", "userDecision": "rejected"}, "[rejected by the user]", True),
        ({"result": '{"rejected": true}'}, "[rejected by the user]", True),
        (
            {"result": {"output": "", "exitCodeV2": 0, "rejected": True}},
            "[rejected by the user]",
            True,
        ),
        ({"result": {"output": "as far", "rejected": True}}, 'as far\n{"rejected": true}', False),
        ({"status": "cancelled", "result": "as far as it came"}, "as far as it came", True),
    ],
)
def test_result_is_told_in_words_and_failure_as_failure(
    tool: dict[str, Any], output: str, *, is_error: bool
) -> None:
    _, result = tools.parts({"name": "x", "status": "completed", "toolCallId": "c", **tool}, "b")
    assert result == ToolResult("c", "x", output, is_error)


def test_tool_that_runs_has_no_result_yet() -> None:
    found = list(tools.parts({"name": "x", "status": "loading", "userDecision": "rejected"}, "b"))
    assert found == [ToolCall("b", "x", {})]


def test_tool_without_a_name_is_known_by_its_number_or_is_none() -> None:
    assert list(tools.parts({"additionalData": {}}, "b")) == []
    (call,) = tools.parts({"tool": 40, "status": "loading"}, "b")
    assert call == ToolCall("b", "read_file_v2", {}, "Read")


@pytest.mark.parametrize(
    ("name", "category"),
    [
        *((name, "Bash") for name in ("run_terminal_cmd", "run_terminal_command_v2", "Shell")),
        *((name, "Read") for name in ("read_file", "read_file_v2", "Read")),
        *((name, "Edit") for name in ("edit_file_v2", "StrReplace")),
        *((name, "MCP") for name in ("mcp_github_search", "mcp-github-search", "call_mcp_tool")),
        *(("Write", "Write"), ("ripgrep_raw_search", "Grep"), ("glob_file_search", "Glob")),
        *(("task_v2", "Task"), ("Subagent", "Task"), ("something_new", "")),
    ],
)
def test_one_action_has_one_category_whatever_it_is_called(name: str, category: str) -> None:
    assert tools.category(name) == category


def test_prompt_that_nobody_typed_is_no_prompt(editor: Editor, source: Cursor) -> None:
    draft = editor.draft()
    draft.prompt("typed")
    draft.prompt("Task 7 is done.", isSimulatedMsg=True, simulatedMsgReason="background_task")
    draft.bubble(2, {"text": "Summary of all that was said.", "capabilityType": 22})
    draft.save()
    assert [role for role, _ in texts(only(source))] == ["user", "system", "system"]


def test_files_go_by_name_alone(editor: Editor, source: Cursor) -> None:
    draft = editor.draft()
    draft.prompt(
        "look",
        context={
            "fileSelections": [{"uri": {"fsPath": "/work/a b.py"}}, {"uri": 4}],
            "terminalSelections": [{"text": CANARY}],
        },
        attachedCodeChunks=[{"relativeWorkspacePath": "src/x.py", "lines": [CANARY]}],
        images=[{"data": CANARY}],
    )
    draft.save()
    (message,) = only(source).messages
    assert message.parts[1:] == (
        Attachment("file", None, "/work/a b.py"),
        Attachment("file", None, "src/x.py"),
        Attachment("image", None),
    )


def test_nothing_private_gets_into_a_session(editor: Editor, source: Cursor) -> None:
    draft = editor.draft(context={"x": CANARY}, userEmail=CANARY)
    a_turn_of_everything(draft)
    draft.save()
    editor.put("messageRequestContext:s1:b1", {"gitStatusRaw": CANARY})
    editor.put("checkpointId:s1:c1", {"files": [CANARY]})
    editor.put("composer.content.abc", CANARY)
    for session in family(source):
        assert CANARY not in repr(session) + repr(list(session.messages))
        assert CANARY.encode().hex() not in repr(session)


# ---- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (BEGAN, BEGAN), (BEGAN / 1000, BEGAN), (str(BEGAN), BEGAN), (iso(BEGAN), BEGAN),
        ("2026-09-21T14:13:20+00:00", BEGAN), ("2026-09-21T14:13:20", BEGAN),
        (13_692_473.6, None), (0, None), (-5, None), (True, None), (None, None), ("soon", None),
        (float("nan"), None), (float("inf"), None), (10**30, None), ("9" * 400, None), ([], None),
        ("٣٤٥", None), ("0001-01-01T00:00:00+23:59", None),
    ],
)  # fmt: skip
def test_time_is_told_from_what_is_none(value: Any, wanted: int | None) -> None:
    assert moments.moment(value) == wanted


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)", "2026-07-21T10:11:00.000Z"),
        ("Tuesday, Jul 21, 2026, 1:11\u202fAM (UTC-7)", "2026-07-21T08:11:00.000Z"),
        ("Wednesday, Dec 31, 2025, 12:05 AM (UTC)", "2025-12-31T00:05:00.000Z"),
        ("Wednesday, Dec 31, 2025, 12:05 PM (UTC+5:30)", "2025-12-31T06:35:00.000Z"),
        ("Wednesday, Dec 31, 2025, 12:05 PM (UTC+5.5)", "2025-12-31T06:35:00.000Z"),
    ],
)
def test_time_in_a_prompt_is_read_with_its_zone(tag: str, wanted: str) -> None:
    at = moments.tagged(tag)
    assert at
    assert iso(at) == wanted


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "Tuesday, Jul 21, 2026, 1:11 PM",
        "Tuesday, Jul 41, 2026, 1:11 PM (UTC+3)",
        "Tuesday, Xyz 21, 2026, 1:11 PM (UTC+3)",
        "Tuesday, Anf 21, 2026, 1:11 PM (UTC)",
    ],
)
def test_time_without_a_zone_or_a_day_is_nobodys(tag: str) -> None:
    assert moments.tagged(tag) is None


def test_time_since_the_start_of_a_process_is_no_date(editor: Editor, source: Cursor) -> None:
    draft = editor.draft(version=3)
    draft.prompt("go")
    draft.says("one", timingInfo={"clientStartTime": 13_692_473.6, "clientRpcSendTime": BEGAN + 7})
    draft.prompt("again")
    draft.says("two", timingInfo={"clientStartTime": 13_692_473.6})
    draft.save()
    times = [message.created_at for message in only(source).messages]
    assert times == [BEGAN, BEGAN + 7, BEGAN + 7, BEGAN + 7]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_message_without_a_time_takes_the_sessions_and_never_the_clocks(
    editor: Editor, source: Cursor, version: int
) -> None:
    """The destination would date it to the sync: a prompt of 2025 behind its own answer."""
    draft = editor.draft(version=version)
    draft.turn(1)
    draft.turn(2)
    draft.save()
    assert [message.created_at for message in only(source).messages] == [BEGAN] * 4


def test_session_that_says_it_began_after_its_first_word_began_with_that(
    editor: Editor, source: Cursor
) -> None:
    draft = editor.draft(version=3, createdAt=BEGAN + 99)
    draft.prompt("go")
    draft.says("one", timingInfo={"clientRpcSendTime": BEGAN + 7})
    draft.save()
    assert [message.created_at for message in only(source).messages] == [BEGAN + 7] * 2


# ---- prompts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "kind", "text"),
    [
        ("<user_query>\nhello\n</user_query>", "prompt", "hello"),
        ("<timestamp/>\n<user_query>\r\nhello\r\n</user_query>", "prompt", "hello"),
        ("<user_query>\nuse </user_query> here\n</user_query>", "prompt", "use </user_query> here"),
        ("<open_files>a</open_files>\n<user_query>\nx\n</user_query>\n<tail/>", "prompt", "x"),
        ("<user_query>\n  cut off", "prompt", "  cut off"),
        ("plain words", "prompt", "plain words"),
        ("<timestamp/>\nplain words", "prompt", "plain words"),
        ("a < b", "prompt", "a < b"),
        ("<user_info>\nOS\n</user_info>", "context", "<user_info>\nOS\n</user_info>"),
        ("<dynamic_tools>\nx\n</dynamic_tools>", "context", "<dynamic_tools>\nx\n</dynamic_tools>"),
        (
            "<system_reminder>done</system_reminder>",
            "note",
            "<system_reminder>done</system_reminder>",
        ),
    ],
)
def test_users_words_are_told_from_what_cursor_puts_around_them(
    raw: str, kind: str, text: str
) -> None:
    said = prompts.read(raw)
    assert (said.kind, said.text) == (kind, text)


# ---- session -------------------------------------------------------------------------------------


def test_title_is_the_name_else_that_of_the_list_else_the_first_prompt(
    editor: Editor, source: Cursor
) -> None:
    editor.draft("named", name="Its name").save()
    editor.draft("listed").save()
    head = json.dumps({"name": "In the list"})
    editor.db.execute("INSERT INTO composerHeaders VALUES ('listed', ?)", (head,))
    draft = editor.draft("bare", name="New Agent")
    draft.prompt("What\nis this? " + "x" * 200)
    draft.save()
    assert only(source, "named").title == "Its name"
    assert only(source, "listed").title == "In the list"
    title = only(source, "bare").title
    assert title
    assert title.startswith("What is this? xxx")
    assert (len(title), title[-1]) == (100, "…")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ({"fsPath": "/work/a b", "external": "file:///other"}, "/work/a b"),
        (
            {"path": "/srv/repo", "external": "vscode-remote://ssh-remote%2Bhost/srv/repo"},
            "/srv/repo",
        ),
        ({"external": "file:///work/a%20b/%C3%A9"}, "/work/a b/é"),
        ({"external": "vscode-remote://wsl%2BUbuntu/home/dev"}, "/home/dev"),
        ({"external": "file:///c%3A/Users/dev"}, "c:\\Users\\dev"),
        ({"path": "/C:/Users/dev"}, "c:\\Users\\dev"),
        ({"external": "file://server/share/x"}, "\\\\server\\share\\x"),
        ({"external": "http://["}, None),
        (7, None),
    ],
)
def test_project_is_the_windows_folder(
    editor: Editor, source: Cursor, uri: Any, path: str | None
) -> None:
    editor.draft(workspaceIdentifier={"id": "w", "uri": uri}).save()
    assert only(source).project_path == path


def test_project_is_the_repository_where_the_window_had_no_folder(
    editor: Editor, source: Cursor
) -> None:
    repository = {"repoPath": "/work/repo", "branches": [{"branchName": "main"}]}
    editor.draft(workspaceIdentifier={"id": "empty-window"}, trackedGitRepos=[repository]).save()
    session = only(source)
    assert (session.project_path, session.git_branch) == ("/work/repo", "main")


def test_project_of_old_sessions_is_found_in_the_lists_of_the_windows(
    editor: Editor, source: Cursor, home: Path
) -> None:
    pane = "workbench.panel.composerChatViewPane."
    window(home, "w1", "file:///work/listed", {
        "composer.composerData": {
                "allComposers": [{"composerId": "a"}],
                "selectedComposerIds": ["b"],
            },
    })  # fmt: skip
    window(home, "w2", "file:///work/shown", {
        "composer.composerData": {"lastFocusedComposerIds": ["a", "c"]},
        f"{pane}1": {"workbench.panel.aichat.view.b": {"collapsed": False}},
    })  # fmt: skip
    window(
        home, "w3", "file:///work/x.code-workspace", {"composer.composerData": 7}, key="workspace"
    )
    for session_id in "abc":
        editor.draft(session_id, 9).save()
    found = {session_id: only(source, session_id).project_path for session_id in "abc"}
    assert found == {"a": "/work/listed", "b": "/work/shown", "c": "/work/shown"}


def test_project_of_a_session_of_version_3_0_is_found_in_the_list_of_all_windows(
    editor: Editor, source: Cursor, home: Path
) -> None:
    """April 2026: the windows' lists are empty by then, and documents name no folder yet."""
    window(
        home, "w1", "file:///work/wrong", {"composer.composerData": {"selectedComposerIds": ["a"]}}
    )
    uri = {"external": "file:///work/my%20app", "scheme": "file"}
    heads = [
        {"composerId": "a", "type": "head", "workspaceIdentifier": {"id": "w9", "uri": uri}},
        *(None, 7, {"workspaceIdentifier": {"uri": uri}}, {"composerId": "b"}),
    ]
    editor.put("composer.composerHeaders", {"allComposers": heads}, table="ItemTable")
    for session_id in "ab":
        editor.draft(session_id, 13).save()
    found = [only(source, session_id).project_path for session_id in "ab"]
    assert found == ["/work/my app", None]


def test_of_the_table_with_the_login_one_row_is_asked_for_and_no_other(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    real = snapshot.read

    def traced(path: Path, work: Any, **more: Any) -> Any:
        def run(db: sqlite3.Connection) -> Any:
            db.set_trace_callback(said.append)
            return work(db)

        return real(path, run, **more)

    monkeypatch.setattr(snapshot, "read", traced)
    editor.draft("a", 13).save()
    home = editor.path.parents[4]
    only(Cursor(Roots.of({}, str(home)), Notebook(home / "notes", "cursor")), "a")
    asked = {one for one in said if "FROM ItemTable" in one}
    assert asked == {"SELECT value FROM ItemTable WHERE key = 'composer.composerHeaders'"}


def test_subagents_are_sessions_of_their_own_under_their_parent(
    editor: Editor, source: Cursor
) -> None:
    parent = editor.draft(
        "parent", subComposerIds=["task-toolu_1"], subagentComposerIds=["kid", "kid"]
    )
    parent.turn(1)
    parent.save()
    kid = editor.draft("kid", name="Look around", subagentInfo={"parentComposerId": "parent"})
    kid.turn(2)
    kid.document["subagentComposerIds"] = ["grandkid"]
    kid.save()
    for old in ("task-toolu_1", "grandkid"):
        draft = editor.draft(old, 10, subComposerIds=["kid"] if old == "grandkid" else [])
        draft.turn(3)
        draft.save()
    found = {session.id: (session.parent_id, session.title) for session in family(source, "parent")}
    assert found == {
        "parent": (None, "prompt 1"),
        "task-toolu_1": ("parent", "prompt 3 (subagent of parent)"),
        "kid": ("parent", "Look around (subagent of parent)"),
        "grandkid": ("kid", "prompt 3 (subagent of kid)"),
    }
    assert [one.session_id for one in source.sessions()] == ["parent"]


def test_subagent_that_no_parent_names_is_found_by_a_sync_of_everything(
    editor: Editor, source: Cursor
) -> None:
    """Its parent was deleted, or the list there is behind; its own row still says whose it is."""
    kid = editor.draft("kid", subagentInfo={"parentComposerId": "parent"})
    kid.turn(1)
    kid.save()
    assert [one.session_id for one in source.sessions()] == ["kid"]
    assert only(source, "kid").parent_id == "parent"
    parent = editor.draft("parent")
    parent.turn(2)
    parent.save()
    assert {one.session_id for one in source.sessions()} == {"kid", "parent"}
    parent.save(subagentComposerIds=["kid"])
    assert [one.session_id for one in source.sessions()] == ["parent"]


def test_list_of_sessions_is_newest_first_without_shells(editor: Editor, source: Cursor) -> None:
    for number in range(450):
        editor.put(
            f"composerData:shell-{number}", {"createdAt": BEGAN, "fullConversationHeadersOnly": []}
        )
    for number, at in enumerate((3, 9, 6)):
        draft = editor.draft(f"s{number}", lastUpdatedAt=BEGAN + at)
        draft.turn(number)
        draft.save()
    editor.put("composerData:broken", "{")
    assert [one.session_id for one in source.sessions()] == ["s1", "s2", "s0"]


def test_fingerprint_changes_with_every_row_that_is_written(editor: Editor, source: Cursor) -> None:
    draft = editor.draft(subagentComposerIds=["kid"])
    draft.prompt("go")
    answer = draft.says("a")
    draft.save()
    kid = editor.draft("kid", subagentComposerIds=["grandkid", "s1"])
    kid.turn(1)
    kid.save()
    grandkid = editor.draft("grandkid")
    grandkid.turn(1)
    grandkid.save()
    seen = [source.find("s1")]
    for change in (
        lambda: draft.rewrite(answer, text="a longer answer"),
        lambda: editor.db.execute(
            "UPDATE cursorDiskKV SET value = '{}' WHERE key = ?", (draft.key(answer),)
        ),
        lambda: draft.save(lastUpdatedAt=BEGAN + 9),
        lambda: kid.says("more"),
        lambda: grandkid.says("more"),
    ):
        change()
        seen.append(source.find("s1"))
    marks = {one.fingerprint for one in seen if one}
    assert len(marks) == len(seen)
    assert source.find("s1") == seen[-1]


# ---- tokens, models, cost ------------------------------------------------------------------------


def test_counts_of_2025_are_summed_over_the_answer_and_zero_is_unknown(
    editor: Editor, source: Cursor
) -> None:
    draft = editor.draft(version=9)
    draft.prompt("go", modelInfo={"modelName": "claude-4.5-sonnet"})
    draft.says("one", tokenCount={"inputTokens": 500, "outputTokens": 20})
    draft.says("two", tokenCount={"inputTokens": 700, "outputTokens": 30})
    draft.prompt("again", modelInfo={"modelName": "default"})
    draft.says("three")
    draft.save()
    session = only(source)
    answers = [message for message in session.messages if message.role == "assistant"]
    assert answers[0].charge
    assert answers[0].charge.usage == Usage(input_tokens=1_200, output_tokens=50)
    assert answers[0].charge.model == answers[0].model == "claude-4.5-sonnet"
    assert answers[1].charge is None
    assert session.charges == (answers[0].charge,)


STOP = {
    "conversation_id": "s1",
    "generation_id": "g1",
    "hook_event_name": "stop",
    "model": "composer-2.5",
}


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ((1_000, 20, 600, 100), Usage(300, 20, 600, 100)),
        ((500, 20, 600, 100), Usage(500, 20, 600, 100)),
        ((0, 0, 0, 0), None),
        ((None, None, None, None), None),
        (("7", -1, 1.5, True), None),
        ((10**13, 5, 0, 0), Usage(0, 5)),
    ],
)
def test_stop_tells_the_turns_tokens_each_in_one_field(
    source: Cursor, counts: tuple[Any, ...], wanted: Usage | None
) -> None:
    """What was read from the cache is part of `input_tokens`; zero and nonsense are unknown."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    trigger = source.trigger({**STOP, **dict(zip(names, counts, strict=True))})
    assert trigger
    assert trigger.heard
    turns = (Turn("g1", "composer-2.5", wanted),) if wanted else ()
    assert (trigger.heard.turns, trigger.awaits) == (turns, "g1")


@pytest.mark.parametrize(
    "more", [{"hook_event_name": "sessionEnd"}, {"hook_event_name": "afterAgentResponse"}]
)
def test_no_other_event_tells_tokens(source: Cursor, more: dict[str, str]) -> None:
    """`afterAgentResponse` has the same counts as `stop`, and would double them."""
    trigger = source.trigger({**STOP, "output_tokens": 20, **more})
    assert trigger
    assert trigger.heard
    assert not trigger.heard.turns


@pytest.mark.parametrize(
    ("fields", "session_id"),
    [
        ({"conversation_id": "a", "session_id": "b"}, "a"),
        ({"session_id": "b"}, "b"),
        ({"conversation_id": None, "session_id": "b"}, "b"),
        ({"conversation_id": ""}, None),
        ({"conversation_id": 7}, None),
        ({"conversation_id": "x" * 1_001}, None),
        ({}, None),
    ],
)
def test_payload_names_the_session(
    source: Cursor, fields: dict[str, Any], session_id: str | None
) -> None:
    trigger = source.trigger(fields)
    assert (trigger.session_id if trigger else None) == session_id


@pytest.mark.parametrize("name", ["default", "auto", "Auto", "", None])
def test_automatic_choice_is_no_model(editor: Editor, source: Cursor, name: str | None) -> None:
    draft = editor.draft(modelConfig={"modelName": name})
    draft.turn(1)
    draft.save()
    session = only(source)
    assert session.model is None
    assert [message.model for message in session.messages] == [None, None]


def test_tokens_that_a_hook_was_told_belong_to_their_turn(
    editor: Editor, source: Cursor, notebook: Notebook
) -> None:
    draft = editor.draft(modelConfig={"modelName": "composer-2.5"})
    draft.turn(1)
    draft.turn(2)
    draft.save()
    told = Usage(input_tokens=100, output_tokens=7)
    lost = Turn("request-of-no-bubble", None, Usage(output_tokens=1))
    notebook.add("s1", Heard((Turn("request-2", None, told), lost), agent_version="3.18.25"))
    session = only(source)
    charges = [message.charge for message in session.messages]
    assert charges[:3] == [None, None, None]
    assert charges[3]
    assert (charges[3].id, charges[3].model, charges[3].usage) == (
        "request-2",
        "composer-2.5",
        told,
    )
    assert [charge.usage.output_tokens for charge in session.charges] == [7, 1]
    assert session.agent_version == "3.18.25"


def test_cost_that_cursor_states_is_the_sessions_cost(editor: Editor, source: Cursor) -> None:
    draft = editor.draft(
        version=9, usageData={"claude-4.5-sonnet": {"costInCents": 12, "amount": 3}}
    )
    draft.prompt("go")
    draft.says("x", tokenCount={"inputTokens": 500, "outputTokens": 20})
    draft.save()
    costs = [charge.cost for charge in only(source).charges]
    assert sum(cost for cost in costs if cost is not None) == 0.12
    assert None not in costs, "else the price table would add its own"


# ---- real rows, made unreadable ------------------------------------------------------------------


def wild(editor: Editor, name: str) -> str:
    rows = [json.loads(line) for line in (DATA / name).read_text().splitlines()]
    for row in rows:
        editor.put(row["key"], row["value"])
    return str(rows[0]["key"]).partition(":")[2]


def test_real_session_of_2025(editor: Editor, source: Cursor) -> None:
    session = only(source, wild(editor, "v3-2025-05.jsonl"))
    told = list(session.messages)
    assert [message.role for message in told] == ["user", "assistant", "user", "assistant"]
    assert kinds(told[1]) == [
        *("Reasoning", "ToolCall", "ToolResult", "Reasoning", "Text", "ToolCall", "ToolResult"),
        *("Reasoning", "Text", "ToolCall", "ToolResult", "Text"),
    ]
    names = [part.name for part in told[1].parts if isinstance(part, ToolCall)]
    assert names == ["web_search", "run_terminal_cmd", "edit_file"]
    times = [message.created_at for message in told]
    assert times == [1748057331242, 1748057863978, 1748057863978, 1748057974926]
    assert sum(charge.usage.prompt_tokens for charge in session.charges) == 21571 + 21907
    assert (session.created_at, session.model) == (1748057331242, None)


def test_real_session_of_2026(editor: Editor, source: Cursor) -> None:
    session = only(source, wild(editor, "v16-2026-06.jsonl"))
    (prompt,) = session.messages
    assert prompt.role == "user"
    assert prompt.text.startswith("xxxx xxx xxxxxx")
    assert (session.model, session.title) == ("composer-2.5", "xxxxxxxxxxxx xxxxx xxx xxxxxxxx")


# ---- where it lies -------------------------------------------------------------------------------


def test_every_statement_goes_by_the_index(editor: Editor) -> None:
    """One that scanned would read all of a database that may hold a hundred gigabytes."""
    draft = editor.draft(conversationState="~Ci" + "A" * 46, subagentComposerIds=["kid"])
    draft.turn(1)
    draft.save()
    said: list[str] = []
    plans: list[str] = []

    def work(db: sqlite3.Connection) -> None:
        db.set_trace_callback(said.append)
        for ask in (state._rows, state._head, state._graph):
            ask(db, "s1")
        state._page(db, "composerData:")
        db.set_trace_callback(None)
        for statement in {one for one in said if "sqlite_master" not in one}:
            rows = db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            plans.extend(row[3].decode() for row in rows)

    snapshot.read(editor.path, work)
    assert len(plans) >= 5
    assert all(plan.startswith("SEARCH") for plan in plans), plans


def test_overrides_of_the_place_are_heeded(tmp_path: Path, home: Path, notebook: Notebook) -> None:
    elsewhere = Editor(tmp_path / "elsewhere")
    draft = elsewhere.draft()
    draft.turn(1)
    draft.save()
    elsewhere.close()
    user = user_folder(tmp_path / "elsewhere")
    for environ in (
        {"CURSOR_STATE_DB": str(elsewhere.path)},
        {"CURSOR_IDE_DIR": str(user)},
        {"CURSOR_IDE_DIR": str(user.parent)},
        {"CURSOR_IDE_DIR": str(user / "globalStorage")},
        {"XDG_CONFIG_HOME": str(tmp_path / "elsewhere" / ".config")},
    ):
        assert Cursor(Roots.of(environ, str(home)), notebook).find("s1"), environ
        remote = {**environ, "CURSOR_CODE_REMOTE": "true"}
        assert not Cursor(Roots.of(remote, str(home)), notebook).find("s1"), environ


def test_nightly_builds_have_a_folder_of_their_own(home: Path, source: Cursor) -> None:
    editor = Editor(home)
    draft = editor.draft()
    draft.turn(1)
    draft.save()
    editor.close()
    base = home / ".config"
    (base / "Cursor").rename(base / "Cursor Nightly")
    assert source.find("s1")


MAC, XDG = "Library/Application Support", {"XDG_CONFIG_HOME": "/xdg"}


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {}, "/home/dev/.config"),
        ("linux", XDG, "/xdg"),
        ("linux", {"XDG_CONFIG_HOME": "not/absolute"}, "/home/dev/.config"),
        ("darwin", {}, f"/home/dev/{MAC}"),
        ("darwin", XDG, f"/home/dev/{MAC}"),
        ("win32", {}, "/home/dev/AppData/Roaming"),
        ("win32", {"APPDATA": "/c/Roaming"}, "/c/Roaming"),
    ],
)
def test_every_system_has_its_own_place(
    monkeypatch: pytest.MonkeyPatch, platform: str, environ: dict[str, str], folder: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    roots = Roots.of(environ, "/home/dev")
    assert roots.databases == tuple(
        Path(folder, channel, "User/globalStorage/state.vscdb")
        for channel in ("Cursor", "Cursor Nightly")
    )
    assert roots.projects[-1] == Path("/home/dev/.cursor/projects")
    assert roots.chats[-2] == Path("/home/dev/.cursor/chats")


def test_hook_of_a_remote_window_or_within_wsl_looks_at_the_side_where_it_runs(
    editor: Editor, home: Path, source: Cursor
) -> None:
    """There the editor's rows lie on another machine; a database here is of other windows."""
    draft = editor.draft()
    draft.turn(1)
    draft.save()
    said = (said_by_user("prompt 1"), record("assistant", text("told there")), ENDED)
    transcript(home, said, "s1/s1.jsonl")
    assert texts(only(source))[1] == ("assistant", "answer 1")
    roots = Roots.of({"CURSOR_CODE_REMOTE": "true"}, str(home))
    there = Cursor(roots, Notebook(home / "notes there", "cursor"))
    assert texts(only(there))[1] == ("assistant", "told there")


def test_database_of_2024_and_a_file_that_is_none(home: Path, source: Cursor) -> None:
    path = user_folder(home) / "globalStorage" / "state.vscdb"
    editor = Editor(home)
    editor.db.execute("DROP TABLE cursorDiskKV")
    editor.close()
    assert source.find("s1") is None
    assert list(source.sessions()) == []
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(SourceError, match="not readable as a database"):
        source.find("s1")
