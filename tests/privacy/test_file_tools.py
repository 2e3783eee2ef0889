"""Files are recognized by the shape of a call, whatever its tool is named and wrapped in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensync_hooks.model import Part, Text, ToolCall, ToolResult
from opensync_hooks.privacy import contents, file_texts
from opensync_hooks.privacy.file_tools import access

BODY = "harbour = 'INNERMOST'\nquay(harbour)\n"


def sent(name: str, arguments: Any, output: str = "Done") -> str:
    """Return all that leaves of a call and its result."""
    parts: list[Part] = [ToolCall("c1", name, arguments), ToolResult("c1", name, output)]
    call, result = contents.withhold(parts)
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    return json.dumps([call.arguments, result.output])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mcp__serena__insert_after_symbol", {"name_path": "A/b", "relative_path": "a.py"}),
        ("mcp__serena__replace_content", {"relative_path": "a.py", "mode": "regex"}),
        ("mcp__desktop-commander__edit_block", {"file_path": "/srv/a.py"}),
        ("mcp__jetbrains__replace_file_text_by_path", {"pathInProject": "src/A.kt"}),
        ("mcp__obsidian__obsidian_put_content", {"filepath": "diary/june.md"}),
        ("mcp__store__saveFile", {"path": "a.py"}),
        ("mcp__shelf__store", {"target_path": "/srv/a.py"}),
        ("shelf_store", {"log-file": "/srv/a.log"}),
    ],
)
@pytest.mark.parametrize("field", ["data", "body", "anything"])
def test_text_beside_a_path_is_a_write(name: str, arguments: dict[str, Any], field: str) -> None:
    kept = sent(name, {**arguments, field: BODY})
    assert "INNERMOST" not in kept
    assert "stay here: 2 lines" in kept
    assert all(json.dumps(value) in kept for value in arguments.values())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mcp__jetbrains__get_file_text_by_path", {"pathInProject": "src/A.kt"}),
        ("mcp__jetbrains__get_all_open_file_texts", {}),
        ("mcp__obsidian__obsidian_get_file_contents", {"filepath": "diary/june.md"}),
        ("mcp__obsidian__obsidian_batch_get_file_contents", {"filepaths": ["a.md"]}),
        ("mcp__serena__read_memory", {"memory_file_name": "plan"}),
        ("serena_find_symbol", {"name_path": "Basket", "include_body": True}),
        ("mcp__shelf__peek", {"source_path": "/srv/a.py"}),
        ("mcp__shelf__peek", {"uri": "file:///srv/a.py"}),
        ("ReadMcpResourceTool", {"server": "docs", "uri": "file:///srv/a.md"}),
        ("access_mcp_resource", {"uri": "notes://today"}),
        ("fetch_mcp_resource", {"server": "docs", "uri": "docs://a"}),
    ],
)
def test_what_comes_back_for_a_path_is_a_read(name: str, arguments: dict[str, Any]) -> None:
    kept = sent(name, arguments, BODY)
    assert "INNERMOST" not in kept
    assert all(json.dumps(value) in kept for value in arguments.values())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Bash", {"command": BODY}),
        ("mcp__terminal__run", {"script_path": "/srv/a.sh", "arguments": BODY}),
        ("Grep", {"pattern": "x", "path": "/srv/app"}),
        ("mcp__serena__search_for_pattern", {"relative_path": "src"}),
        ("serena_find_symbol", {"name_path": "Basket", "include_body": False}),
        ("mcp__tracker__get_issue", {"id": 12}),
        ("mcp__tracker__create_issue", {"title": "Broken", "body": BODY}),
        ("mcp__forge__add_review_comment", {"path": "src/a.py", "line": 3, "body": BODY}),
        ("mcp__web__peek", {"uri": "https://example.org/a.html"}),
        ("mcp__git__git_diff", {"repo_path": "/srv/app"}),
        ("mcp__jetbrains__get_project_modules", {"projectPath": "/srv/app"}),
        ("mcp__jetbrains__get_file_problems", {"filePath": "src/A.kt"}),
        ("ListMcpResourcesTool", {"server": "docs"}),
        ("lsp", {"operation": "hover", "filePath": "a.py"}),
        ("Task", {"prompt": BODY}),
        ("mcp__db__query", {"sql": BODY}),
    ],
)
def test_what_is_not_a_file_goes_on_going(name: str, arguments: dict[str, Any]) -> None:
    assert sent(name, arguments, BODY) == json.dumps([arguments, BODY])


WRITE = {"path": "/srv/a.py", "content": BODY}
READ = {"path": "/srv/a.py"}
WRAPPERS = (
    ("batch", lambda tool, value: {"tool_calls": [{"tool": tool, "parameters": value}]}),
    ("call_mcp_tool", lambda tool, value: {"server": "fs", "toolName": tool, "arguments": value}),
    ("use_mcp_tool", lambda tool, value: {"tool_name": tool, "arguments": json.dumps(value)}),
    ("mcp", lambda tool, value: {"tools": [{"name": tool, "parameters": json.dumps(value)}]}),
    ("parallel", lambda tool, value: {
        "tool_uses": [{"recipient_name": f"functions.{tool}", "parameters": value}]}),
    ("batch", lambda tool, value: {
        "calls": [{"name": "batch", "input": {"calls": [{"name": tool, "args": value}]}}]}),
)  # fmt: skip


@pytest.mark.parametrize(("wrapper", "wrap"), WRAPPERS)
@pytest.mark.parametrize("as_text", [False, True])
def test_wrapped_call_is_treated_as_if_it_stood_alone(
    wrapper: str, wrap: Any, *, as_text: bool
) -> None:
    def wrapped(tool: str, arguments: Any) -> Any:
        value = wrap(tool, arguments)
        return json.dumps(value) if as_text else value

    kept = sent(wrapper, wrapped("write_file", WRITE))
    assert "INNERMOST" not in kept
    assert "[contents of /srv/a.py stay here: 2 lines" in kept
    assert "write_file" in kept
    kept = sent(wrapper, wrapped("read_file", READ), BODY)
    assert "[contents of /srv/a.py stay here: 2 lines" in kept
    assert "INNERMOST" not in kept
    ticket = wrapped("get_ticket", {"id": 3})
    assert sent(wrapper, ticket, BODY) == json.dumps([ticket, BODY])


def test_call_beside_a_write_in_a_batch_is_sent() -> None:
    calls = [{"tool": "write", "parameters": WRITE}, {"tool": "bash", "parameters": {"cmd": "ls"}}]
    kept = sent("batch", {"tool_calls": calls})
    assert '{"cmd": "ls"}' in kept
    assert "INNERMOST" not in kept


@pytest.mark.parametrize("depth", [2, 12, 300])
@pytest.mark.parametrize("is_in_list", [False, True])
def test_deeply_wrapped_call_stays_home(depth: int, *, is_in_list: bool) -> None:
    write: Any = WRITE
    read: Any = READ
    for _ in range(depth):
        write, read = (
            {"tool": "batch", "parameters": {"calls": [call]} if is_in_list else call}
            for call in (write, read)
        )
    assert "INNERMOST" not in sent("batch", write)
    assert "INNERMOST" not in sent("batch", {"tool": "read", "parameters": read}, BODY)


def test_each_of_many_calls_in_a_batch_counts() -> None:
    calls: list[Any] = [{"tool": "bash", "parameters": {"cmd": "ls"}}] * 500
    reads = {"tool_calls": [*calls, {"tool": "read", "parameters": READ}]}
    assert "INNERMOST" not in sent("batch", reads, BODY)
    edits = {"edits": [*[{"at": 1}] * 500, {"path": "/srv/a.py", "data": BODY}]}
    assert "INNERMOST" not in sent("mcp__shelf__store", edits)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("", None, "unknown"),
        # by a known name, also after its server's and with a version
        ("filesystem.read_file", None, "reads"),
        ("server/semanticsearch", None, "reads"),
        ("functions:semantic-search", None, "reads"),
        ("fs_codebase_search", None, "reads"),
        ("search_replace_v2", None, "writes"),
        ("fs_search_replace", None, "writes"),
        ("preview", None, None),
        ("credit", None, None),
        ("reviewfiles", None, None),
        # by its words
        ("access_mcp_resource", None, "reads"),
        ("list_mcp_resources", None, None),
        ("saveBuffer", None, "writes"),
        ("note_taker", None, None),
        ("peek", {"include_body": True}, "reads"),
        # by the calls in it
        ("mcp", {"requests": ['{"tool": "read_file", "args": {}}']}, "reads"),
        ("mcp", '{"requests": [{"tool": "write_file", "args": {}}]}', "writes"),
        ("mcp", {"tool": "", "name": "write_file", "args": {}}, "writes"),
        ("mcp", {"tool": 7, "name": "write_file", "args": {}}, "writes"),
        ("mcp", {"name": "write_file", "args": 7, "input": {}}, "writes"),
        ("mcp", {"name": "write_file", "args": 7}, None),
        ("mcp", {"args": {"x": 1}}, None),
        # by its shape
        ("peek", {"path": "/srv/a.py"}, "reads"),
        ("peek", {"path": "/srv/a.py", "depth": 3, "content": ""}, "reads"),
        ("peek", {"path": "/srv/a.py", "content": "x"}, "writes"),
        ("peek", {"path": "/srv/a.py", "x": "a" * 199}, "reads"),
        ("peek", {"path": "/srv/a.py", "x": "a" * 200}, "writes"),
        ("peek", {"path": "/srv/a.py", "x": "\na\n"}, "reads"),
        ("peek", {"path": "/srv/a.py", "x": "a\nb"}, "writes"),
        ("peek", {"path": "/srv/a.py", "x": ["a\nb"]}, "writes"),
        ("peek", {"path": "/srv/a.py", "x": [{"y": "a\nb"}, 7]}, "writes"),
        ("shelf_save", {"path": "/srv/a.py"}, "writes"),
        ("peek", {"a": {"b": [{"log_path": "x"}, "y"]}}, "reads"),
        ("peek", {"in-file": "notes"}, "reads"),
        ("peek", {"repo-path": "notes"}, None),
        ("peek", {"repo_path_in_file_system": "notes"}, "reads"),
        ("peek", {"paths": ["https://example.org/a", "notes"]}, "reads"),
        ("peek", {"paths": [7, "", "a\nb", "https://example.org/a", "a" * 1001]}, None),
        ("peek", {"x": "/srv/a.py"}, "reads"),
        ("peek", {"x": "/srv/a.py is a file"}, None),
        ("send_image", {"path": "/srv/a.py"}, None),
        ("peek", {"x": 7}, None),
        ("peek", None, None),
    ],
)
def test_access_is_told_by_name_words_inner_calls_and_shape(
    name: str, arguments: Any, expected: str | None
) -> None:
    assert access(name, "", arguments) == expected


@pytest.mark.parametrize(
    ("category", "expected"),
    [("Read", "reads"), ("Search", "reads"), ("Write", "writes"), ("Edit", "writes"), ("x", None)],
)
def test_category_tells_the_access_of_a_tool_without_arguments(
    category: str, expected: str | None
) -> None:
    assert access("brand_new", category) == expected
    assert access("read_file", category) == "reads"


@pytest.mark.parametrize(
    "tag",
    ['file_contents path="/srv/a.py"', "file path='/srv/a.py' lines='1-2'", 'document source="a"',
     'attached_file name="a.py"', 'file-content filename="a.py"', 'open_file uri="file:///a"'],
)  # fmt: skip
def test_file_in_a_tag_stays_home_and_the_words_beside_it_go(tag: str) -> None:
    name = tag.split(maxsplit=1)[0]
    prompt = f"Before\n<{tag}>\n{BODY}</{name}>\nwhat is wrong?\n<{tag}>\n{BODY}"
    (kept,) = contents.withhold([Text(prompt)])
    assert isinstance(kept, Text)
    assert "INNERMOST" not in kept.text
    assert kept.text.startswith(f"Before\n<{tag}>[contents of ")
    assert f"</{name}>\nwhat is wrong?\n<{tag}>[contents of " in kept.text


@pytest.mark.parametrize("text", ["<file>x</file>", "<b path='a'>x</b>", "a <file path='x' b", "<"])
def test_other_tags_are_sent(text: str) -> None:
    assert list(contents.withhold([Text(text)])) == [Text(text)]


def test_texts_of_an_mcp_resource_stay_home() -> None:
    head = Text("Reading MCP resource: tide.md (file:///srv/tide.md)")
    first, *bodies = contents.withhold([head, Text(BODY), Text(BODY)])
    assert first == head
    assert bodies == [Text(file_texts.note("tide.md (file:///srv/tide.md)", BODY))] * 2
