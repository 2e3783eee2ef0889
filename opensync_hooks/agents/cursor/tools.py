"""Tool calls as Cursor's database keeps them: one row holds the call and its result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from opensync_hooks.agents.json_access import Value, count, decode, record, string
from opensync_hooks.model import Part, ToolCall, ToolResult

_NUMBERS = {
    1: "read_semsearch_files", 3: "ripgrep_search", 5: "read_file", 6: "list_dir", 7: "edit_file",
    8: "file_search", 9: "semantic_search_full", 11: "delete_file", 12: "reapply",
    15: "run_terminal_command_v2", 16: "fetch_rules", 18: "web_search", 19: "mcp",
    28: "create_diagram", 30: "read_lints", 32: "task", 33: "await_task", 34: "todo_read",
    35: "todo_write", 38: "edit_file_v2", 39: "list_dir_v2", 40: "read_file_v2",
    41: "ripgrep_raw_search", 42: "glob_file_search", 43: "create_plan",
    44: "list_mcp_resources", 45: "read_mcp_resource", 48: "task_v2", 49: "call_mcp_tool",
    50: "apply_agent_diff", 51: "ask_question", 52: "switch_mode", 53: "generate_image",
    54: "computer_use", 55: "write_shell_stdin", 57: "web_fetch", 59: "ai_attribution",
    60: "mcp_auth", 61: "reflect", 62: "await", 63: "get_mcp_tools", 65: "send_to_user",
}  # fmt: skip
"""`aiserver.v1.ClientSideToolV2`, for rows that lost their tool's name."""

_CATEGORIES = {
    "Bash": "run_terminal_cmd run_terminal_command shell shell_tool_call bash write_shell_stdin",
    "Read": "read_file read read_mcp_resource read_semsearch_files",
    "Edit": "edit_file edit strreplace search_replace multiedit multi_edit apply_agent_diff"
    " applypatch apply_patch reapply edit_notebook editnotebook",
    "Write": "write write_file create_file",
    "Delete": "delete_file delete",
    "List": "list_dir ls list",
    "Grep": "grep grep_search ripgrep_search ripgrep_raw_search",
    "Glob": "glob glob_file_search file_search",
    "Search": "codebase_search semantic_search_full semanticsearch semsearch",
    "Task": "task subagent await_task await",
    "Todo": "todo_read todo_write todowrite todoread",
    "WebFetch": "web_fetch webfetch fetch",
    "WebSearch": "web_search websearch",
    "MCP": "mcp call_mcp_tool calldynamictool",
}
_CATEGORY_OF = {name: of for of, names in _CATEGORIES.items() for name in names.split()}
_VERSION = re.compile(r"_v\d+\Z")
_REJECTED = "[rejected by the user]"
_MAIN_TEXTS = ("output", "contents", "content", "text", "result")


def category(name: str) -> str:
    """One word for what the tool does, whichever of its names stands there; empty if unknown."""
    plain = _VERSION.sub("", name.lower())
    if plain.startswith(("mcp_", "mcp-", "mcp__")):
        return "MCP"
    return _CATEGORY_OF.get(plain, "")


def parts(tool: Value, bubble_id: str) -> Iterator[Part]:
    """The call and, once there is one, its result; nothing where the row is of no tool."""
    name = string(tool, "name") or _NUMBERS.get(count(tool, "tool"))
    if name is None:  # old versions put an empty `toolFormerData` on every bubble
        return
    call_id = string(tool, "toolCallId") or bubble_id
    yield ToolCall(call_id, name, _arguments(tool), category(name))
    result = _result(tool)
    if result is not None:
        output, is_error = result
        yield ToolResult(call_id, name, output, is_error)


def is_running(tool: Value) -> bool:
    return tool.get("status") == "loading"


def _arguments(tool: Value) -> Any:
    """What the model wrote, else what Cursor made of it, else the text that is no JSON."""
    raw_texts = []
    for key in ("rawArgs", "params"):
        found = tool.get(key)
        value = decode(found) if isinstance(found, str) else found
        if isinstance(value, dict | list) and value:
            return value
        if isinstance(found, str) and found.strip() not in ("", "{}", "[]", "null"):
            raw_texts.append(found)
    return raw_texts[0] if raw_texts else {}


def _result(tool: Value) -> tuple[str, bool] | None:
    """The output and whether it is a failure; None while the tool runs."""
    status, found = tool.get("status"), tool.get("result")
    if _says_rejected(found):
        return _REJECTED, True
    if found not in (None, ""):
        return output(found), status in ("error", "cancelled")
    if is_running(tool):
        return None
    if status == "error" or tool.get("error"):
        return _failure(tool.get("error")), True
    if tool.get("userDecision") == "rejected":
        return _REJECTED, True
    if status == "cancelled":
        return "[cancelled]", True
    return ("", False) if status == "completed" else None


def _says_rejected(found: Any) -> bool:
    """Whether a result says that the user rejected the call, and nothing besides."""
    value = record(found)
    rest = (one for key, one in value.items() if key != "rejected")
    return value.get("rejected") is True and all(one in _NOTHING for one in rest)


def output(found: Any) -> str:
    """A result as people read it: the one text in it first, then whatever else it says as JSON."""
    value = decode(found) if isinstance(found, str) else found
    if not isinstance(value, dict):
        return found if isinstance(found, str) else _as_json(found)
    main = next((key for key in _MAIN_TEXTS if isinstance(value.get(key), str)), None)
    if main is None:
        return _as_json(value)
    rest = {key: one for key, one in value.items() if key != main and one not in _NOTHING}
    return "\n".join(filter(None, (value[main], _as_json(rest) if rest else "")))


_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})


def _failure(error: Any) -> str:
    said = record(error)
    for key in ("clientVisibleErrorMessage", "modelVisibleErrorMessage"):
        text = string(said, key)
        if text:
            return text
    return error if isinstance(error, str) and error else "[failed]"


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "[too deep a value to be kept]"
