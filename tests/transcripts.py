"""Writes transcripts as Claude Code does, one line at a time, for what no recording shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Pen:
    """Each line hangs on the one before, unless told otherwise."""

    def __init__(self, path: Path, *, began: int = 1_767_225_600) -> None:
        self.path = path
        self.last: str | None = None
        self._count = 0
        self._began = began
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    @property
    def session_id(self) -> str:
        return self.path.stem

    def line(self, of: str, content: Any, parent: Any = ..., **more: Any) -> str:
        self._count += 1
        uuid = f"{self.session_id}-u{self._count}"
        message = {"role": of, "content": content, **more.pop("message", {})}
        value = {
            "type": of,
            "uuid": uuid,
            "parentUuid": self.last if parent is ... else parent,
            "timestamp": _iso(self._began + self._count),
            "sessionId": self.session_id,
            "isSidechain": False,
            "cwd": "/work",
            "message": message,
            **more,
        }
        self.raw(json.dumps(value).encode() + b"\n")
        self.last = uuid
        return uuid

    def says(self, api_id: str, block: dict[str, Any], output: int = 5, **more: Any) -> str:
        usage = {"input_tokens": 1, "output_tokens": output}
        message = {"id": api_id, "model": "claude-opus-4-5", "usage": usage}
        return self.line("assistant", [block], message=message, **more)

    def turn(self, number: int) -> None:
        """A prompt and its answer, told apart from every other one."""
        self.line("user", f"prompt {number}")
        self.says(f"msg_{self.session_id}_{number}", text(f"answer {number}"))

    def raw(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "Bash", "input": {}}


def result(call_id: str, output: Any = "ok") -> list[dict[str, Any]]:
    return [{"type": "tool_result", "tool_use_id": call_id, "content": output}]
