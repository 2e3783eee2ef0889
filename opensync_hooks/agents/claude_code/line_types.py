"""The meaning of one transcript line: who wrote it, and when.

As Claude Code 1.0 to 2.1 writes lines. `unknown` counts the types and fields that are new.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from opensync_hooks.agents.claude_code.content import text_of
from opensync_hooks.agents.claude_code.user_lines import is_injected, user_line_type
from opensync_hooks.agents.claude_code.vocabulary import (
    NOTICES,
    QUEUED_COMMAND,
    SYSTEM_SUBTYPES,
)
from opensync_hooks.agents.json_access import get, get_dict, get_str
from opensync_hooks.model import Json

LineType = Literal[
    "prompt", "command", "queued", "injected", "results", "assistant", "error", "notice", "other"
]
"""`queued`: a prompt that only an attachment holds. `other`: a line that only has a place in the
chain of parents, such as other attachments, progress reports, traces of hooks."""


def line_type(line: Json) -> LineType | None:
    """Return what a line is; None for bookkeeping, which has no place in the conversation."""
    if get_str(line, "uuid") is None:
        return None
    match line.get("type"):
        case "user":
            return user_line_type(line)
        case "assistant":
            return "error" if _is_api_error(line) else "assistant"
        case "system":
            return "notice" if _is_notice(line) else "other"
        case "attachment":
            return "queued" if _is_queued_prompt(get_dict(line, "attachment")) else "other"
    return "other"


def _is_notice(line: Json) -> bool:
    """Whether the line is shown in the conversation; one of an unknown subtype may be."""
    subtype = get_str(line, "subtype")
    return subtype in NOTICES or subtype not in SYSTEM_SUBTYPES


def _is_queued_prompt(attachment: Json) -> bool:
    return (
        attachment.get("type") == QUEUED_COMMAND
        and attachment.get("commandMode", "prompt") == "prompt"
        and not is_injected(attachment, text_of({"attachment": attachment}))
    )


def is_compaction(line: Json) -> bool:
    return line.get("subtype") == "compact_boundary"


def _is_api_error(line: Json) -> bool:
    """Whether Claude Code wrote this response itself, in place of one from the model."""
    return bool(line.get("isApiErrorMessage")) or get(line, "message", "model") == "<synthetic>"


def timestamp(line: Json) -> int | None:
    """Return when the line was written, or its prompt typed, in milliseconds since 1970."""
    written = get_str(line, "attachment", "timestamp") or get_str(line, "timestamp") or ""
    try:
        return round(datetime.fromisoformat(written).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def digest(text: str) -> str:
    """Return what stands for an awaited message in the queue, where no text may be."""
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()
