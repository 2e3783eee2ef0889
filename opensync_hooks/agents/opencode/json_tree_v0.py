"""OpenCode 0.x: a tree of JSON files for each project.

    project/<slug>/storage/session/info/<session>.json
    project/<slug>/storage/session/message/<session>/<message>.json
    project/<slug>/storage/session/part/<session>/<message>/<part>.json   not before 0.2 or so

Before there were files for parts, a message held them itself, and all else under `metadata`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.json_tree import Tree
from opensync_hooks.agents.opencode.layouts import Entry
from opensync_hooks.agents.opencode.values import mapping, objects, text
from opensync_hooks.agents.safe_open import files_within


class ProjectTree(Tree):
    def _files(self, session_id: str = "*") -> list[Path]:
        pattern = f"project/*/storage/session/info/{session_id}.json"
        return files_within(self.path, self.path, pattern)

    def _messages(self, file: Path) -> list[Path]:
        folder = file.parent.parent / "message" / file.stem
        return files_within(self.path, folder, "*.json")

    def _parts(self, message: Path) -> list[Path]:
        folder = message.parent
        parts = folder.parent.parent / "part" / folder.name / message.stem
        return files_within(self.path, parts, "*.json")

    def _entry(self, message: Path, value: Value) -> Entry:
        if "metadata" not in value:
            return Entry(message.stem, value)
        return Entry(message.stem, _info(value), tuple(_parts(value)))


def _info(value: Value) -> Value:
    metadata = mapping(value, "metadata")
    return {
        **mapping(metadata, "assistant"),
        "role": value.get("role"),
        "time": mapping(metadata, "time"),
        "error": metadata.get("error"),
    }


def _parts(value: Value) -> Iterator[Value]:
    """A text came in pieces, each of which is a part; what stands between two texts parts them."""
    known = mapping(value, "metadata", "tool")
    said = ""
    for part in (*objects(value, "parts"), {}):
        if part.get("type") == "text":
            said += text(part, "text") or ""
            continue
        if said:
            yield {"type": "text", "text": said}
            said = ""
        call = mapping(part, "toolInvocation")
        yield from [_tool(call, known)] if call else [part] if part else []


def _tool(call: Value, known: Value) -> Value:
    call_id = text(call, "toolCallId") or ""
    about = mapping(known, call_id)
    status = "completed" if call.get("state") == "result" else "running"
    return {
        "type": "tool",
        "tool": text(call, "toolName"),
        "callID": call_id,
        "state": {
            "status": "error" if about.get("error") else status,
            "input": call.get("args"),
            "output": text(call, "result"),
            "error": text(about, "message") or text(call, "result"),
        },
    }
