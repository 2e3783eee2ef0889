"""A later version renames a type or a field: everything arrives all the same, or is named as lost.

Each name in recordings of the real program is renamed in turn, wherever it occurs in its position.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.model import Session, Text, ToolCall, ToolResult
from tests.agents.claude_code.recordings import DATA

Line = dict[str, Any]
Rename = Callable[[Line], Line]
SUFFIX = "V9"
NAMING_FIELDS = ("type", "subtype", "operation", "commandMode", "promptSource")
"""Their values are names as well."""


def positions(line: Line) -> Iterator[tuple[str, Line]]:
    """Yield the objects of a line that the conversation is made of, each with its position."""
    yield str(line.get("type")), line
    message = line.get("message")
    if isinstance(message, dict) and line.get("type") in ("user", "assistant"):
        yield f"{line['type']}.message", message
        if isinstance(message.get("usage"), dict):
            yield "usage", message["usage"]
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            yield f"block {block['type']}", block
    if isinstance(line.get("attachment"), dict):
        yield f"attachment {line['attachment']['type']}", line["attachment"]


def renames(lines: list[Line]) -> dict[tuple[str, ...], Rename]:
    """Return every renaming of one field, or of one name among the values, in one position."""
    by_name: dict[tuple[str, ...], Rename] = {}
    for position, value in (pair for line in lines for pair in positions(line)):
        for field, content in value.items():
            by_name.setdefault((position, field), _field(position, field))
            if field in NAMING_FIELDS and isinstance(content, str):
                by_name.setdefault((position, field, content), _value(position, field, content))
    return by_name


def _field(position: str, field: str) -> Rename:
    def rename(line: Line) -> Line:
        for at, value in [*positions(line)]:
            if at == position and field in value:
                value[f"{field}{SUFFIX}"] = value.pop(field)
        return line

    return rename


def _value(position: str, field: str, name: str) -> Rename:
    def rename(line: Line) -> Line:
        for at, value in [*positions(line)]:
            if at == position and value.get(field) == name:
                value[field] = f"{name}{SUFFIX}"
        return line

    return rename


def _wrapped(line: Line) -> Line:
    return {"type": "event", "sessionId": line.get("sessionId"), "event": line}


def _wrapped_message(line: Line) -> Line:
    return {**line, "message": {"inner": line["message"]}} if "message" in line else line


def _wrapped_content(line: Line) -> Line:
    if not isinstance(line.get("message"), dict):
        return line
    message = line["message"]
    return {**line, "message": {**message, "content": {"blocks": message.get("content")}}}


WRAPPERS: dict[tuple[str, ...], Rename] = {
    ("wrapped line",): _wrapped,
    ("wrapped message",): _wrapped_message,
    ("wrapped content",): _wrapped_content,
}


def content(sessions: list[Session]) -> Counter[str]:
    """Return what was said and done in the sessions, and the tokens that they cost."""
    contents: Counter[str] = Counter()
    for session in sessions:
        for part in (part for message in session.messages for part in message.parts):
            match part:
                case Text():
                    contents[f"text {_command_line(part.text)}"] += 1
                case ToolCall():
                    contents[f"call {part.name} {json.dumps(part.arguments)}"] += 1
                case ToolResult():
                    contents[f"result {part.output}"] += 1
        contents["tokens"] += sum(
            charge.usage.prompt_tokens + charge.usage.output_tokens for charge in session.charges
        )
    return contents


def _command_line(text: str) -> str:
    """Return a slash command as it was typed, also where it arrives as the line has it."""
    pieces = re.findall(r"<command-(?:name|args)>(.*?)</command-", text)
    return " ".join(pieces) or text


def read(path: Path) -> list[Session]:
    source = ClaudeCodeSource(path.parents[2])
    located = source.find(str(path))
    assert located
    return list(source.read(located))


@pytest.mark.parametrize(
    "recording", sorted(DATA.glob("*/*.jsonl")), ids=lambda path: path.stem[:8]
)
def test_everything_arrives_from_a_later_version_or_is_named_as_lost(
    recording: Path, projects: Path
) -> None:
    raws = [raw for raw in recording.read_bytes().split(b"\n") if raw.strip()]
    path = projects / recording.name
    projects.mkdir(parents=True)
    path.write_bytes(recording.read_bytes())
    expected = content(read(path))
    for name, rename in {**renames([json.loads(raw) for raw in raws]), **WRAPPERS}.items():
        later = (json.dumps(rename(json.loads(raw))) for raw in raws)
        path.write_text("\n".join(later) + "\n")
        sessions = read(path)
        arrived = content(sessions)
        is_whole = not expected - arrived and arrived["tokens"] == expected["tokens"]
        losses = [skipped for session in sessions for skipped in session.skipped if skipped.is_loss]
        assert is_whole or losses, f"{name}: {list(expected - arrived)[:2]}"
