"""Puts a case of the corpus into a session and returns everything of it that would be sent."""

from __future__ import annotations

import json

from opensync_hooks.config import load
from opensync_hooks.model import Message, Part, Session, Text, ToolCall, ToolResult
from opensync_hooks.privacy.cleaning import clean_message, clean_session
from tests.privacy.corpus import Case

_CONFIG = load()


def clean(case: Case) -> str:
    if case.field in ("title", "path", "model"):
        key = "project_path" if case.field == "path" else case.field
        session = clean_session(Session("s", "claude-code", **{key: case.text}), _CONFIG)  # type: ignore[arg-type]
        return f"{session.title} {session.project_path} {session.model}"
    message = clean_message(Message("m", "assistant", _parts(case)), _CONFIG)
    return "\n".join(map(_texts, message.parts))


def _parts(case: Case) -> tuple[Part, ...]:
    if case.field == "text":
        return (Text(case.text),)
    if case.field == "arguments":
        return (ToolCall("t1", "mcp__server__tool", case.arguments),)
    command = case.text if case.field == "command" else case.command or "cat output"
    call = ToolCall("t1", "Bash", {"command": command})
    return (call, ToolResult("t1", "Bash", case.text)) if case.field == "output" else (call,)


def _texts(part: Part) -> str:
    """Return the part's texts as they were before they were quoted in JSON."""
    if isinstance(part, Text):
        return part.text
    if isinstance(part, ToolResult):
        return part.output
    assert isinstance(part, ToolCall)
    quoted = json.dumps(part.arguments, ensure_ascii=False)
    return quoted.replace('\\"', '"').replace("\\\\", "\\").replace("\\n", "\n")
