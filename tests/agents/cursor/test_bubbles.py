"""A bubble becomes parts: the fields that are sent, and no others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensync_hooks.agents.cursor import tools
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.model import Attachment, Message, Reasoning, Text, ToolCall, ToolResult
from tests.agents.cursor.conversations import add_turn_of_every_kind
from tests.cursor_home import CANARY, Editor
from tests.sessions import dialogue, only


def answer_of(editor: Editor, source: CursorSource, **fields: Any) -> Message:
    draft = editor.draft()
    draft.add_bubble(2, fields)
    draft.save()
    (message,) = only(source, "s1").messages
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
    ("fields", "part"),
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
def test_text_is_read_from_any_field_that_holds_it(
    editor: Editor, source: CursorSource, fields: dict[str, Any], part: Any
) -> None:
    assert answer_of(editor, source, **fields).parts == (part,)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ({"rawArgs": '{"a": 1}', "params": '{"b": 2}'}, {"a": 1}),
        ({"rawArgs": "{}", "params": '{"b": 2}'}, {"b": 2}),
        ({"rawArgs": "", "params": {"b": 2}}, {"b": 2}),
        ({"rawArgs": "{broken", "params": '{"b": 2}'}, {"b": 2}),
        ({"params": "{broken"}, "{broken"),
        ({"rawArgs": "null", "params": " [] "}, {}),
        ({"rawArgs": "7", "params": '["a"]'}, ["a"]),
        ({"rawArgs": 7}, {}),
        ({}, {}),
    ],
)
def test_arguments_are_the_models_own_or_else_cursors_version_of_them(
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
        ({"status": "completed", "error": "boom"}, "boom", True),
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
def test_result_is_readable_text_and_a_failure_is_marked(
    tool: dict[str, Any], output: str, *, is_error: bool
) -> None:
    _, result = tools.parts({"name": "x", "status": "completed", "toolCallId": "c", **tool}, "b")
    assert result == ToolResult("c", "x", output, is_error)


def test_running_tool_has_no_result() -> None:
    tool = {"name": "x", "status": "loading", "userDecision": "rejected"}
    assert list(tools.parts(tool, "b")) == [ToolCall("b", "x", {})]


def test_tool_without_a_name_is_named_by_its_number() -> None:
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
def test_all_names_of_one_action_share_a_category(name: str, category: str) -> None:
    assert tools.category(name) == category


def test_simulated_prompt_is_a_system_message(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft()
    draft.add_prompt("typed")
    draft.add_prompt("Task 7 is done.", isSimulatedMsg=True, simulatedMsgReason="background_task")
    draft.add_bubble(2, {"text": "Summary of everything above.", "capabilityType": 22})
    draft.save()
    assert [role for role, _ in dialogue(only(source, "s1"))] == ["user", "system", "system"]


def test_attachments_carry_paths_but_no_contents(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft()
    draft.add_prompt(
        "look",
        context={
            "fileSelections": [{"uri": {"fsPath": "/work/a b.py"}}, {"uri": 4}],
            "folderSelections": [{"uri": {"path": "/work/below"}}],
            "terminalSelections": [{"text": CANARY}],
        },
        attachedCodeChunks=[{"relativeWorkspacePath": "src/x.py", "lines": [CANARY]}],
        images=[{"data": CANARY}],
    )
    draft.save()
    (message,) = only(source, "s1").messages
    assert message.parts[1:] == (
        Attachment("file", None, "/work/a b.py"),
        Attachment("folder", None, "/work/below"),
        Attachment("file", None, "src/x.py"),
        Attachment("image", None),
    )


def test_private_fields_never_reach_a_session(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft(context={"x": CANARY}, userEmail=CANARY)
    add_turn_of_every_kind(draft)
    draft.save()
    editor.put("messageRequestContext:s1:b1", {"gitStatusRaw": CANARY})
    editor.put("checkpointId:s1:c1", {"files": [CANARY]})
    editor.put("composer.content.abc", CANARY)
    session = only(source, "s1")
    content = repr(session) + repr(list(session.messages))
    assert "It is fixed." in content
    assert CANARY not in content
    assert CANARY.encode().hex() not in content
