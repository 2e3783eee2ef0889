"""OpenCode 0.x: a tree of JSON files for each project.

    project/<slug>/storage/session/info/<session>.json
    project/<slug>/storage/session/message/<session>/<message>.json
    project/<slug>/storage/session/part/<session>/<message>/<part>.json   from about 0.2 on

Before there were files for parts, a message had them inside, and its info under `metadata`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opensync_hooks.agents.json_access import get_dict, get_dicts, get_str
from opensync_hooks.agents.opencode.json_tree import JsonTree
from opensync_hooks.agents.opencode.layouts import StoredMessage
from opensync_hooks.agents.safe_open import files_within
from opensync_hooks.model import Json


class JsonTreeV0(JsonTree):
    folder = "project"

    def _session_files(self, session_id: str = "*") -> list[Path]:
        pattern = f"project/*/storage/session/info/{session_id}.json"
        return files_within(self.path, self.path, pattern)

    def _message_folder(self, session_file: Path) -> Path:
        return session_file.parent.parent / "message" / session_file.stem

    def _part_folder(self, message_file: Path) -> Path:
        messages = message_file.parent
        return messages.parent.parent / "part" / messages.name / message_file.stem

    def _refuse_links(self) -> None:
        """Do nothing: each project has a tree of its own."""

    def _project_file(self, session_file: Path, info: Json) -> Path:  # noqa: ARG002
        """Return a file that does not exist: a project's folder is in its messages."""
        return session_file.parent / "project"

    def _message(self, message_id: str, value: Json) -> StoredMessage:
        if "metadata" not in value:
            return StoredMessage(message_id, value)
        metadata = get_dict(value, "metadata")
        info = {
            **get_dict(metadata, "assistant"),
            "role": value.get("role"),
            "time": get_dict(metadata, "time"),
            "error": metadata.get("error"),
        }
        return StoredMessage(message_id, info, tuple(_parts(value)))


def _parts(value: Json) -> Iterator[Json]:
    """Join the pieces of a text, each of which was stored as a part of its own."""
    calls = get_dict(value, "metadata", "tool")
    text = ""
    for part in get_dicts(value, "parts"):
        if part.get("type") == "text":
            text += get_str(part, "text") or ""
            continue
        if text:
            yield {"type": "text", "text": text}
            text = ""
        call = get_dict(part, "toolInvocation")
        if call:
            yield _tool(call, calls)
        elif part:
            yield part
    if text:
        yield {"type": "text", "text": text}


def _tool(call: Json, calls: Json) -> Json:
    call_id = get_str(call, "toolCallId") or ""
    details = get_dict(calls, call_id)
    status = "completed" if call.get("state") == "result" else "running"
    return {
        "type": "tool",
        "tool": get_str(call, "toolName"),
        "callID": call_id,
        "state": {
            "status": "error" if details.get("error") else status,
            "input": call.get("args"),
            "output": get_str(call, "result"),
            "error": get_str(details, "message") or get_str(call, "result"),
        },
    }
