"""A note replaces the contents of files in the calls and results of every agent's tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensync_hooks.model import Part, Text, ToolCall, ToolResult
from opensync_hooks.privacy import contents, file_texts

BODY = "SECRET = 1\nprint(SECRET)\n"
NOTE = "[contents of src/a.py stay here: 2 lines, 25 bytes]"


def withhold(*parts: Part) -> list[Part]:
    return list(contents.withhold(parts))


def clean(name: str, arguments: Any, output: str = "done", *, is_error: bool = False) -> list[Any]:
    """Return the arguments and the output that are left of a tool call."""
    call, result = withhold(
        ToolCall("c1", name, arguments), ToolResult("c1", name, output, is_error)
    )
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    return [call.arguments, result.output]


@pytest.mark.parametrize(
    "name",
    [
        "Read", "NotebookRead", "read", "read_file", "read_file_v2", "ReadFile", "view",
        "mcp__filesystem__read_text_file", "filesystem_read_file", "codebase_search",
    ],
)  # fmt: skip
def test_contents_that_a_tool_read_stay_here(name: str) -> None:
    assert clean(name, {"path": "src/a.py", "offset": 3}, BODY) == [
        {"path": "src/a.py", "offset": 3},
        NOTE,
    ]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Write", {"file_path": "src/a.py", "content": BODY}),
        ("Edit", {"file_path": "src/a.py", "old_string": BODY, "new_string": BODY}),
        (
            "MultiEdit",
            {"file_path": "src/a.py", "edits": [{"old_string": BODY, "new_string": BODY}]},
        ),
        ("NotebookEdit", {"notebook_path": "src/a.py", "new_source": BODY, "cell_id": "x"}),
        ("write", {"filePath": "src/a.py", "content": BODY}),
        ("edit", {"filePath": "src/a.py", "oldString": BODY, "newString": BODY}),
        ("multiedit", {"filePath": "src/a.py", "edits": [{"oldString": BODY}]}),
        ("Write", {"path": "src/a.py", "contents": BODY}),
        ("StrReplace", {"path": "src/a.py", "old_string": BODY, "new_string": BODY}),
        ("edit_file", {"target_file": "src/a.py", "instructions": "do", "code_edit": BODY}),
        ("edit_file_v2", {"relativeWorkspacePath": "src/a.py", "streamingContent": BODY}),
        ("search_replace", {"file_path": "src/a.py", "old_string": BODY, "new_string": BODY}),
        (
            "str_replace_based_edit_tool",
            {"command": "create", "path": "src/a.py", "file_text": BODY},
        ),
        ("mcp__fs__write_file", {"path": "src/a.py", "a_field_of_the_future": {"deep": [BODY]}}),
    ],
)
def test_contents_that_a_tool_wrote_stay_here(name: str, arguments: dict[str, Any]) -> None:
    kept, output = clean(name, arguments)
    assert "SECRET" not in json.dumps(kept)
    assert NOTE in json.dumps(kept)
    assert "src/a.py" in kept.values()
    assert kept.keys() == arguments.keys()
    assert output == "done"


def test_path_and_harmless_fields_are_sent() -> None:
    arguments = {
        "notebook_path": "a.ipynb", "cell_id": "c7", "cell_type": "code", "edit_mode": "insert",
        "replace_all": True, "line": 7, "nothing": None, "new_source": "x = 1",
    }  # fmt: skip
    kept, _ = clean("NotebookEdit", arguments)
    assert kept == {**arguments, "new_source": "[contents of a.ipynb stay here: 1 line, 5 bytes]"}


@pytest.mark.parametrize("name", ["apply_patch", "ApplyPatch", "patch"])
@pytest.mark.parametrize("field", ["input", "patchText", None])
def test_patch_is_named_by_the_files_in_it(name: str, field: str | None) -> None:
    patch = "*** Begin Patch\n*** Update File: src/a.py\n-SECRET\n*** Add File: b.py\n+SECRET\n"
    kept, _ = clean(name, {field: patch} if field else patch)
    text = kept[field] if field else kept
    assert text == "[contents of src/a.py, b.py stay here: 5 lines, 77 bytes]"


def test_arguments_in_the_form_of_json_text_are_parsed() -> None:
    kept, _ = clean("write", json.dumps({"path": "src/a.py", "contents": BODY}))
    assert kept == {"path": "src/a.py", "contents": NOTE}


def test_truncated_arguments_stay_here_completely() -> None:
    kept, _ = clean("write", '{"path": "src/a.py", "contents": "SECR')
    assert kept == "[contents of a file stay here: 1 line, 38 bytes]"


@pytest.mark.parametrize(
    ("name", "output", "stays"),
    [
        ("Edit", "The file src/a.py has been updated successfully.", True),
        ("Write", "File created successfully at: src/a.py", True),
        ("Edit", "Updated cell c7 with print(SECRET)", False),
        ("edit_file", '{"diff": {"chunks": ["SECRET"]}}', False),
        ("edit_file", '["SECRET"]', False),
        ("Edit", "x" * 300, True),
        ("Edit", "x" * 301, False),
        ("Read", "SECRET", False),
        ("Read", "[image/png, 70 bytes]", True),
        ("Read", "", True),
    ],
)
def test_report_of_a_writing_tool_is_sent_without_the_snippet(
    name: str, output: str, *, stays: bool
) -> None:
    kept = clean(name, {"path": "src/a.py", "new_source": BODY}, output)[1]
    assert (kept == output) is stays
    assert stays or kept.startswith("[contents of src/a.py stay here: ")


def test_report_that_repeats_a_line_of_any_edit_stays_here() -> None:
    edits = [{"old_string": "x", "new_string": "one\n  a=12\n"}, {"new_string": "b=3"}]
    arguments = {"file_path": "src/a.py", "edits": edits}
    for report in ("Edited src/a.py: b=3, 2 edits", "Done, see x"):
        assert clean("MultiEdit", arguments, report)[1] == report, "any sentence has these"
    assert "a=12" not in clean("MultiEdit", arguments, "Edited src/a.py: a=12")[1]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"path": "src/a.py", "edits": [{"path": "b.py", "text": BODY}]}, "b.py"),
        ({"path": "src/a.py", "edits": [{"text": BODY}]}, "src/a.py"),
        ({"path": "", "file": "src/a.py", "text": BODY}, "src/a.py"),
        ({"path": 7, "file": "src/a.py", "text": BODY}, "src/a.py"),
        ({"log_paths": ["x"], "in_file": "src/a.py", "text": BODY}, "src/a.py"),
        ({"count": 7, "text": BODY}, "a file"),
    ],
)
def test_note_names_the_nearest_file(arguments: dict[str, Any], name: str) -> None:
    assert f"[contents of {name} stay here: 2 lines" in json.dumps(clean("Write", arguments)[0])


def test_harmless_field_of_several_lines_stays_here_and_an_empty_text_is_sent() -> None:
    arguments = {"path": "src/a.py", "description": f"as it was:\n{BODY}", "content": ""}
    kept = clean("Write", arguments)[0]
    assert "SECRET" not in kept["description"]
    assert kept["content"] == ""


def test_title_of_a_writing_call_stays_here_and_that_of_a_reading_one_is_sent() -> None:
    write, read = (
        ToolCall("c1", "Write", {"path": "a"}, "", BODY),
        ToolCall("c2", "Read", {}, "", "a"),
    )
    assert withhold(write, read) == [ToolCall("c1", "Write", {"path": "a"}), read]


def test_what_looks_like_a_call_within_a_write_is_written_as_well() -> None:
    arguments = {"path": "src/a.py", "content": BODY, "steps": [{"tool": "x", "args": {"y": BODY}}]}
    assert "SECRET" not in json.dumps(clean("write_file", arguments)[0])


@pytest.mark.parametrize("is_error", [False, True])
def test_only_the_first_sentence_of_a_report_is_sent(*, is_error: bool) -> None:
    for sentence, details in (
        ("The file src/a.py has been updated. Here's a snippet:", "  1\tSECRET"),
        ("String to replace not found in file.", "String: SECRET = 1"),
    ):
        assert clean("Edit", {"path": "src/a.py"}, f"{sentence}\n{details}", is_error=is_error)[
            1
        ] == (f"{sentence}\n{file_texts.note('src/a.py', details)}")


def test_report_without_its_call_stays_here() -> None:
    """Without the call nobody can tell which contents it repeats."""
    (result,) = withhold(ToolResult("gone", "NotebookEdit", "Updated cell c7 with SECRET = 1"))
    assert isinstance(result, ToolResult)
    assert "SECRET" not in result.output


INJECTED = {
    "a file that was named with @": 'Result of calling the Read tool: "1→SECRET = 1\\n2→x"',
    "instructions": "Contents of src/a.py (checked in):\n\nSECRET = 1\n<b>SECRET</b>",
    "two files": "Contents of src/a.py:\nSECRET\nContents of src/b.py (x):\nSECRET\n",
    "a change": "src/a.py changed. Look (shown with line numbers):\n7→SECRET",
    "lines": "The user selected the lines 1 to 2 from src/a.py:\nSECRET\n\nThis may or may not",
    "in Cursor": '<code_selection path="src/a.py" lines="1">\nSECRET</code_selection>',
}


@pytest.mark.parametrize("tag", ["system-reminder", "system_reminder", "ide_selection"])
@pytest.mark.parametrize("text", INJECTED.values(), ids=INJECTED.keys())
def test_file_that_an_agent_adds_to_a_prompt_stays_here(text: str, tag: str) -> None:
    (kept,) = withhold(Text(f"before\n<{tag}>\n{text}\n</{tag}>\nafter"))
    assert isinstance(kept, Text)
    assert "SECRET" not in kept.text
    assert "stay here: " in kept.text
    assert kept.text.startswith("before\n")
    assert kept.text.endswith(f"</{tag}>\nafter")
    assert text.startswith("Result") or "src/a.py" in kept.text


def test_the_users_own_words_are_sent() -> None:
    prompt = Text("Contents of src/a.py:\nSECRET = 1")
    assert withhold(prompt) == [prompt]


def test_error_of_a_file_tool_is_sent() -> None:
    assert clean("Read", {"file_path": "x"}, "File does not exist.", is_error=True)[1] == (
        "File does not exist."
    )


@pytest.mark.parametrize(
    "name",
    ["Bash", "Grep", "Glob", "LS", "bash", "grep", "Shell", "TodoWrite", "write_shell_stdin",
     "WebFetch", "create_plan", "ReadLints", "mcp__db__query", "Task"],
)  # fmt: skip
def test_other_tools_are_left_alone(name: str) -> None:
    assert clean(name, {"command": BODY}, BODY) == [{"command": BODY}, BODY]


def test_category_decides_about_an_unknown_tool() -> None:
    call = ToolCall("c1", "brand_new_tool", {"path": "src/a.py", "body": BODY}, "Write")
    kept, result = withhold(call, ToolResult("c1", "brand_new_tool", BODY))
    assert isinstance(kept, ToolCall)
    assert kept.arguments["body"] == NOTE
    assert isinstance(result, ToolResult)
    assert result.output == NOTE


def test_category_decides_about_a_tool_that_gets_no_path() -> None:
    write = ToolCall("c1", "brand_new_tool", {"body": BODY}, "Edit")
    read = ToolCall("c2", "other_tool", {"id": 3}, "Read")
    kept = withhold(write, ToolResult("c1", "", "done"), read, ToolResult("c2", "other_tool", BODY))
    assert "SECRET" not in repr(kept)
    assert kept[1:3] == [ToolResult("c1", "", "done"), read]


def test_result_without_a_name_has_that_of_its_call() -> None:
    parts = (ToolCall("c1", "Bash", {"command": "ls"}), ToolResult("c1", "", BODY))
    assert withhold(*parts) == [*parts]


def test_only_texts_directly_behind_the_line_of_a_resource_are_its_contents() -> None:
    call = ToolCall("c1", "Bash", {"command": "ls"})
    parts = (Text("Reading MCP resource: a.md"), call)
    assert withhold(*parts) == [*parts]
    words = (Text("Reading MCP resource: a.md\nfails, why?"), Text(BODY))
    assert withhold(*words) == [*words]


def test_result_without_its_call_stays_here() -> None:
    (result,) = withhold(ToolResult("gone", "", BODY))
    assert isinstance(result, ToolResult)
    assert result.output == "[contents of a file stay here: 2 lines, 25 bytes]"


def test_other_texts_are_left_alone() -> None:
    assert withhold(Text(BODY)) == [Text(BODY)]


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("x", "1 line, 1 byte"), ("x\n", "1 line, 2 bytes"), ("x\ny", "2 lines, 3 bytes"),
        ("ü" * 500, "1 line, 1.0 KB"), ("x" * 3_400, "1 line, 3.4 KB"),
        ("x\n" * 1_200_000, "1200000 lines, 2.4 MB"), ("\ud800", "1 line, 3 bytes"),
    ],
    ids=repr,
)  # fmt: skip
def test_note_counts_lines_and_bytes(text: str, counted: str) -> None:
    assert file_texts.note("a", text) == f"[contents of a stay here: {counted}]"


def test_note_about_the_same_file_stays_and_nothing_else_passes_for_one() -> None:
    note = file_texts.note("a.py", "x\ny\n")
    assert file_texts.note("a.py", note) == note
    for text in (f"{note} secret", f"secret {note}", note.replace("2 lines", "2 secrets")):
        assert "secret" not in file_texts.note("a.py", text)
    assert file_texts.note("b.py", note) != note


def test_deep_arguments_end_in_a_note() -> None:
    deep: Any = BODY
    for _ in range(200):
        deep = {"x": [deep]}
    kept, _ = clean("Write", {"path": "src/a.py", "deep": deep})
    assert "SECRET" not in json.dumps(kept)


@pytest.mark.parametrize("depth", [3, 9, 50, 5_000])
def test_file_in_a_command_stays_here_at_any_depth(depth: int) -> None:
    nested: Any = {"command": f"cat > src/a.py <<'EOF'\n{BODY}EOF"}
    for _ in range(depth):
        nested = {"steps": [nested]}
    (call,) = withhold(ToolCall("c1", "run_steps", nested))
    assert "SECRET" not in texts_of(call)


def texts_of(call: Part) -> str:
    """Return a call's arguments as text, however deep they are."""
    assert isinstance(call, ToolCall)
    texts, pending = [], [call.arguments]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        else:
            texts.append(str(value))
    return "\n".join(texts)
