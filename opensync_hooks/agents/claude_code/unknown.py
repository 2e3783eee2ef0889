"""Counts the types and fields of a transcript that this version has never met.

A new version of Claude Code may say in them what no message has: they are named, not passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

from opensync_hooks.agents.claude_code.content import content_blocks
from opensync_hooks.agents.json_access import get_dict, get_str
from opensync_hooks.model import Json, Skipped

_UTTERANCES = ("user", "assistant")
_LINE_TYPES = frozenset(
    {
        *_UTTERANCES,
        *("system", "attachment", "summary", "progress", "result"),
        *("custom-title", "ai-title", "agent-name", "agent-color", "agent-setting", "tag"),
        *("last-prompt", "queue-operation", "relocated", "continued-in", "derived-from"),
        "task-summary",
        *("mode", "permission-mode", "worktree-state", "pr-link", "speculation-accept"),
        *("file-history-snapshot", "file-history-delta", "attribution-snapshot"),
        *("content-replacement", "cost-state", "atis-latch", "isolation-latch", "tools-used"),
        *("marble-origami-commit", "marble-origami-snapshot"),
        *("api-request", "api-request-shape", "api-request-blob"),
    }
)
_BLOCK_TYPES = frozenset(
    {"text", "thinking", "redacted_thinking", "image", "document", "tool_reference"}
)
"""Besides calls, whose type ends with `tool_use`, and results, which name their call."""
_USAGE_FIELDS = frozenset(
    {
        *("input_tokens", "output_tokens", "cache_read_input_tokens"),
        *("cache_creation_input_tokens", "cache_creation", "output_tokens_details"),
        *("server_tool_use", "service_tier", "speed", "inference_geo", "iterations"),
        "fallback_credit",
    }
)
_MAX_NAME_LENGTH = 40


def skipped(line: Json) -> Iterator[Skipped]:
    """Yield what the reader passes over in one line; nothing for lines that it knows."""
    line_type = line.get("type")
    if line_type not in _LINE_TYPES:
        name = "line without a type" if line_type is None else f"line of type {_short(line_type)}"
        yield Skipped("unknown", name)
    elif line_type in _UTTERANCES and get_str(line, "uuid") is None:
        yield Skipped("unplaced", f"{line_type} line without an id")
    if line_type in _UTTERANCES:
        for block in content_blocks(line):
            block_type = str(block.get("type"))
            is_tool = block_type.endswith("tool_use") or "tool_use_id" in block
            if not is_tool and block_type not in _BLOCK_TYPES:
                yield Skipped("unknown", f"block of type {_short(block_type)}")
        for field in get_dict(line, "message", "usage").keys() - _USAGE_FIELDS:
            yield Skipped("unknown", f"usage field {_short(field)}")


def _short(name: object) -> str:
    return str(name)[:_MAX_NAME_LENGTH]
