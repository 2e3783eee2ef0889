"""Contents of files stay here in whatever shape a text, a command or a result holds them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensync_hooks.model import Role, Text, ToolCall, ToolResult
from opensync_hooks.privacy import contents
from opensync_hooks.privacy.file_texts import note, patched_files

BODY = "BODY = 1\nprint(BODY)\n"
PATCH = "*** Begin Patch\n*** Update File: src/a.py\n-BODY = 1\n+BODY = 2\n*** End Patch"


def clean_text(text: str, role: Role = "user") -> str:
    (part,) = contents.withhold((Text(text),), role)
    assert isinstance(part, Text)
    return part.text


def clean_call(name: str, arguments: Any, output: str = "ok") -> tuple[Any, str]:
    parts = (ToolCall("c1", name, arguments), ToolResult("c1", name, output))
    call, result = contents.withhold(parts, "assistant")
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    return call.arguments, result.output


PROMPTS = {
    "resource": f'<mcp-resource server="docs" uri="file:///src/a.py">\n{BODY}</mcp-resource>',
    "elements": "<document index='1'><source>src/a.py</source><document_content>\n"
    f"{BODY}</document_content></document>",
    "elements after others": f"<file><type>text</type><path>src/a.py</path>{BODY}</file>",
    "selection": f'<selection path="src/a.py" lines="1-2">{BODY}</selection>',
    "window": f'<current_file path="src/a.py">{BODY}</current_file>',
    "nested": f'<editor_context><snippet file="src/a.py">{BODY}</snippet></editor_context>',
    "attachment": f'<attachment id="1" filename="src/a.py">{BODY}</attachment>',
    "CDATA": f'<source_file path="src/a.py"><![CDATA[{BODY}]]></source_file>',
    "never closed": f'<open_file name="src/a.py">\n{BODY}',
    "fence with lines": f"```12:15:src/a.py\n{BODY}```",
    "fence with an anchor": f"```src/a.py#L1-2\n{BODY}```",
    "fence with a language": f"```python src/a.py\n{BODY}```",
    "fence below a path": f"File: src/a.py\n```python\n{BODY}```",
    "fence below a heading": f"## src/a.py\n\n````\n{BODY}```\n````",
}


@pytest.mark.parametrize("shape", PROMPTS)
def test_file_in_a_prompt_stays_here_and_the_words_around_it_go(shape: str) -> None:
    text = clean_text(f"Look at this:\n{PROMPTS[shape]}\nWhat is wrong?")
    assert "BODY" not in text
    assert text.count("[contents of ") == 1
    assert "src/a.py stay here: " in text
    assert text.startswith("Look at this:\n")
    if shape != "never closed":
        assert text.endswith("\nWhat is wrong?")
    assert clean_text(text) == text, "a note is not replaced by a note about it"


def test_note_takes_the_place_of_the_text_alone() -> None:
    in_a_tag = clean_text(f'<current_file path="src/a.py">{BODY}</current_file>')
    assert in_a_tag == f'<current_file path="src/a.py">{note("src/a.py", BODY)}</current_file>'
    fenced = clean_text(f"```12:15:src/a.py\n{BODY}```")
    assert fenced == f"```12:15:src/a.py\n{note('src/a.py', BODY[:-1])}\n```"
    command = clean_call("Bash", {"command": f"cat > src/a.py <<E\n{BODY}E"})[0]["command"]
    assert command == f"cat > src/a.py <<E\n{note('src/a.py', BODY[:-1])}\nE"


@pytest.mark.parametrize(
    "text",
    [
        '<file path="src/a.py"></file>',
        '<file path="src/a.py">\n \n</file>',
        "```src/a.py\n\n```",
        "```python\nx = 1\n```",
        "```\nmake test\n```\nfails",
        "# Notes\n\n```sh\nls\n```",
        "<code>x = 1</code> and <div class='file'>y</div>",
        '<a href="src/a.py">see</a>',
    ],
)
def test_users_own_code_goes(text: str) -> None:
    assert clean_text(text) == text


def test_code_that_the_model_quotes_in_an_answer_goes() -> None:
    answer = f"Change it:\n```12:15:src/a.py\n{BODY}```"
    assert clean_text(answer, "assistant") == answer


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (f"cat > src/a.py <<'EOF'\n{BODY}EOF\nmake", "make"),
        (f"cat <<EOF >> src/a.py\n{BODY}EOF", "cat"),
        (f'mkdir -p src && tee -a src/a.py <<-"END"\n{BODY}\tEND', "mkdir"),
        (f"sudo tee src/a.py >/dev/null <<EOF\n{BODY}EOF", "sudo"),
        (f"apply_patch <<'PATCH'\n{PATCH}\nPATCH", "apply_patch"),
        ("git apply <<'E'\n--- a/src/a.py\n+++ b/src/a.py\n-BODY\n+BODY\nE", "git apply"),
        (f"@'\n{BODY}'@ | Set-Content src/a.py", "Set-Content"),
        (f'Out-File src/a.py @"\n{BODY}"@', "Out-File"),
        (f"patch -p1 src/a.py <<'E'\n{BODY}E", "patch"),
        (f"apply_patch src/a.py <<'E'\n{PATCH}\nBODY\nE", "apply_patch"),
    ],
)
def test_file_that_a_command_writes_stays_here(command: str, program: str) -> None:
    arguments, _ = clean_call("Bash", {"command": command, "description": "Write it"})
    assert "BODY" not in arguments["command"]
    assert program in arguments["command"]
    assert "src/a.py" in arguments["command"]
    assert arguments["description"] == "Write it"
    assert clean_call("Bash", arguments)[0] == arguments


@pytest.mark.parametrize(
    "command",
    [
        f"python - <<'EOF'\n{BODY}EOF",
        f"git commit -m \"$(cat <<'EOF'\n{BODY}EOF\n)\"",
        f"psql 2>/dev/null <<EOF\n{BODY}EOF",
        "echo $((1<<2)) > out.txt\nls",
        "cat > src/a.py <<EOF\n\nEOF",
        f"@'\n{BODY}'@ | ConvertFrom-Json",
    ],
)
def test_here_document_for_a_program_goes(command: str) -> None:
    assert clean_call("Bash", {"command": command})[0] == {"command": command}


CALLS: dict[str, tuple[str, Any, str]] = {
    "patch in a list": ("shell", {"command": ["apply_patch", PATCH]}, "ok"),
    "prompt of a subagent": ("Task", {"prompt": f'<file path="src/a.py">{BODY}</file> fix'}, "ok"),
    "new cell": ("mcp__jupyter__insert_cell", {"cell_index": 3, "cell_source": BODY}, "Inserted"),
    "cell": ("mcp__jupyter__read_cell", {"cell_index": 3}, BODY),
    "deleted file": (
        "delete_file",
        {"target_file": "src/a.py"},
        json.dumps({"fileDeletedSuccessfully": True, "prevContent": BODY}),
    ),
    "deleted lines": ("Delete", {"path": "src/a.py"}, f"Deleted src/a.py\n{BODY}"),
    "resource by its scheme": ("read_resource", {"uri": "repo://x/contents/a.py"}, BODY),
    "path by its value": ("mcp__acme__slurp", {"target": "src/a.py"}, BODY),
    "contents by their name": ("mcp__acme__keep", {"where": "src/a.py", "data": "BODY"}, "ok"),
    "contents deep within": (
        "editor",
        {"op": "put", "doc": {"path": "src/a.py", "lines": ["BODY = 1"]}},
        "ok",
    ),
    "function call": (
        "run",
        {"tool_calls": [{"function": {
            "name": "write", "arguments": json.dumps({"path": "a", "content": BODY})}}]},
        "ok",
    ),
    "calls as JSON text": (
        "run",
        {"calls": json.dumps([{"tool": "write", "args": {"path": "src/a.py", "content": BODY}}])},
        "ok",
    ),
    "calls by number": (
        "run",
        {"calls": {"0": {"tool": "write", "args": {"path": "src/a.py", "content": BODY}}}},
        "ok",
    ),
    "batch in a batch": (
        "batch",
        {"tool_calls": [{"tool": "batch", "parameters": {"tool_calls": [
            {"tool": "write", "parameters": {"filePath": "src/a.py", "content": BODY}}]}}]},
        "All 1 tools executed",
    ),
    "resource in a search": (
        "mcp__x__search",
        {"query": "q"},
        json.dumps([{"resource": {"uri": "file:///src/a.py", "text": BODY}}, {"hit": "SAID"}]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", CALLS)
def test_file_in_a_call_or_its_result_stays_here(shape: str) -> None:
    name, arguments, output = CALLS[shape]
    kept, result = clean_call(name, arguments, output)
    assert "BODY" not in json.dumps(kept)
    assert "BODY" not in result
    assert "stay here" in json.dumps(kept) + result
    if "SAID" in output:
        assert "SAID" in result


@pytest.mark.parametrize("depth", [1, 14, 400])
def test_resource_in_a_result_stays_here_at_any_depth(depth: int) -> None:
    output = json.dumps({"uri": "notes://a?from=https://example.org", "blob": "é BODY", "x": "ü"})
    for _ in range(depth):
        output = f'[{{"x": {output}}}]'
    kept = clean_call("mcp__x__search", {"query": "q"}, output)[1]
    assert "BODY" not in kept
    assert "stay here" in kept
    if depth < 400:
        assert note("notes://a?from=https://example.org", "é BODY") in kept
        assert '"ü"' in kept


def test_patch_is_named_by_its_first_files() -> None:
    patch = "".join(f"*** Add File: {name}.py\n" for name in "abcde")
    assert patched_files(patch) == "a.py, b.py, c.py, d.py"


@pytest.mark.parametrize(
    "output",
    ['{ "uri" : 7, "text":"x" }', '{ "uri" : "a://b", "text": 7 }', 'see "uri"', '["uri" , "é"]'],
)
def test_result_without_a_resource_goes_as_it_is(output: str) -> None:
    assert clean_call("mcp__x__search", {"query": "q"}, output)[1] == output


def test_web_page_under_a_uri_goes() -> None:
    output = json.dumps({"uri": "https://example.org/", "text": BODY})
    assert clean_call("mcp__x__search", {"query": "q"}, output)[1] == output
