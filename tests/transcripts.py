"""Writes transcripts as Claude Code does, line by line, for cases that no recording has."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class TranscriptWriter:
    """Appends to one transcript. Each line's parent is the line before, unless `parent` is set."""

    def __init__(self, path: Path, *, began: int = 1_767_225_600, first: int = 0) -> None:
        self.path = path
        self.last: str | None = None
        self._count = first
        self._began = began
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    @property
    def session_id(self) -> str:
        return self.path.stem

    def line(self, role: str, content: Any, parent: Any = ..., **more: Any) -> str:
        """Append a line, with any `more` fields; returns its uuid."""
        self._count += 1
        uuid = f"{self.session_id}-u{self._count}"
        message = {"role": role, "content": content, **more.pop("message", {})}
        value = {
            "type": role,
            "uuid": uuid,
            "parentUuid": self.last if parent is ... else parent,
            "timestamp": _iso(self._began + self._count),
            "sessionId": self.session_id,
            "isSidechain": False,
            "cwd": "/work",
            "message": message,
            **more,
        }
        self.write(json.dumps(value).encode() + b"\n")
        self.last = uuid
        return uuid

    def respond(self, message_id: str, block: dict[str, Any], output: int = 5, **more: Any) -> str:
        """Append a line with one block of a model's response; returns its uuid."""
        usage = {"input_tokens": 1, "output_tokens": output}
        message = {"id": message_id, "model": "claude-opus-4-5", "usage": usage}
        return self.line("assistant", [block], message=message, **more)

    def turn(self, number: int) -> None:
        """Append a prompt and its answer, different from those of every other turn."""
        self.line("user", f"prompt {number}")
        self.respond(f"msg_{self.session_id}_{number}", text(f"answer {number}"))

    def write(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "Bash", "input": {}}


def result(call_id: str, output: Any = "ok") -> list[dict[str, Any]]:
    return [{"type": "tool_result", "tool_use_id": call_id, "content": output}]
