"""A tool call in Cursor's database: one record holds the call and its result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from opensync_hooks.agents.json_access import as_dict, decode, get, get_count, get_str
from opensync_hooks.model import Json, Part, ToolCall, ToolResult
from opensync_hooks.privacy.omitted import TOO_DEEP

_NAMES = {
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
"""From `aiserver.v1.ClientSideToolV2`, for records that lost their tool's name."""

_CATEGORIES = {
    "Bash": "run_terminal_cmd run_terminal_command shell shell_tool_call bash write_shell_stdin",
    "Read": "read_file readfile read read_mcp_resource read_semsearch_files",
    "Edit": "edit_file edit strreplace search_replace multiedit multi_edit apply_agent_diff"
    " applypatch apply_patch reapply edit_notebook editnotebook",
    "Write": "write write_file writefile create_file",
    "Delete": "delete_file delete",
    "List": "list_dir listdir ls list",
    "Grep": "grep grep_search ripgrep_search ripgrep_raw_search",
    "Glob": "glob find glob_file_search file_search",
    "Search": "codebase_search semantic_search_full semanticsearch semsearch",
    "Task": "task subagent await_task await",
    "Todo": "todo_read todo_write todowrite todoread",
    "WebFetch": "web_fetch webfetch fetch",
    "WebSearch": "web_search websearch",
    "MCP": "mcp call_mcp_tool calldynamictool",
}
_CATEGORY_BY_NAME = {
    name: category for category, names in _CATEGORIES.items() for name in names.split()
}
_PI = re.compile(r"\A(?:pi_|Pi(?=[A-Z]))")
"""A second set of tools, which has the names of the first behind it."""
_VERSION = re.compile(r"_v\d+\Z")
_REJECTED = "[rejected by the user]"
_MAIN_TEXTS = ("output", "contents", "content", "text", "result")
_EMPTY: tuple[Any, ...] = (None, False, 0, "", [], {})


def category(name: str) -> str:
    """Return one word for what the tool does; empty for a tool that is not in the table."""
    plain = _VERSION.sub("", _PI.sub("", name).lower())
    if plain.startswith(("mcp_", "mcp-", "mcp__")):
        return "MCP"
    return _CATEGORY_BY_NAME.get(plain, "")


def parts(tool: Json, bubble_id: str) -> Iterator[Part]:
    """Yield the call and, once there is one, its result."""
    name = get_str(tool, "name") or _NAMES.get(get_count(tool, "tool"))
    if name is None:  # versions of 2025 put an empty `toolFormerData` on every bubble
        return
    call_id = get_str(tool, "toolCallId") or bubble_id
    yield ToolCall(call_id, name, _arguments(tool), category(name))
    result = _result(tool)
    if result is not None:
        output, is_error = result
        yield ToolResult(call_id, name, output, is_error)


def is_running(tool: Json) -> bool:
    return tool.get("status") == "loading"


def _arguments(tool: Json) -> Any:
    """Return what the model wrote, else what Cursor made of it, else text that is not JSON."""
    texts = []
    for key in ("rawArgs", "params"):
        raw = tool.get(key)
        value = decode(raw) if isinstance(raw, str) else raw
        if isinstance(value, dict | list) and value:
            return value
        if isinstance(raw, str) and raw.strip() not in ("", "{}", "[]", "null"):
            texts.append(raw)
    return texts[0] if texts else {}


def _result(tool: Json) -> tuple[str, bool] | None:
    """Return the output and whether it is a failure; None while the tool runs."""
    status, result = tool.get("status"), tool.get("result")
    fields = as_dict(result)
    others = (value for key, value in fields.items() if key != "rejected")
    if fields.get("rejected") is True and all(value in _EMPTY for value in others):
        return _REJECTED, True
    if result not in (None, ""):
        return output_text(result), status in ("error", "cancelled")
    if is_running(tool):
        return None
    if status == "error" or tool.get("error"):
        return _error_text(tool.get("error")), True
    if tool.get("userDecision") == "rejected":
        return _REJECTED, True
    if status == "cancelled":
        return "[cancelled]", True
    return ("", False) if status == "completed" else None


def output_text(result: Any) -> str:
    """Return a result as people read it: its main text first, then everything else as JSON."""
    value = decode(result) if isinstance(result, str) else result
    if not isinstance(value, dict) and isinstance(result, str):
        return result
    try:
        return _as_read(value)
    except (ValueError, RecursionError):
        return result if isinstance(result, str) else TOO_DEEP


def _as_read(value: Any) -> str:
    """Return a result's main text and its other values. Raises for one that is nested deeply."""
    main = next((key for key in _MAIN_TEXTS if isinstance(get(value, key), str)), None)
    if main is None:
        return json.dumps(value, ensure_ascii=False)
    rest = {key: entry for key, entry in value.items() if key != main and entry not in _EMPTY}
    others = json.dumps(rest, ensure_ascii=False) if rest else ""
    return "\n".join(filter(None, (value[main], others)))


def _error_text(error: Any) -> str:
    fields = as_dict(error)
    text = get_str(fields, "clientVisibleErrorMessage") or get_str(
        fields, "modelVisibleErrorMessage"
    )
    return text or (error if isinstance(error, str) and error else "[failed]")
