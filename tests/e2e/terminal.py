"""A user of the real Claude Code, which OPENSYNC_TEST_CLAUDE names, with the hooks we register."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.destinations.store.store import Store
from tests.e2e.screen import Screen
from tests.e2e.user import PATIENCE_S, User

ROOT = Path(__file__).parents[2]
CLAUDE = os.environ.get("OPENSYNC_TEST_CLAUDE", "")
needs_claude = pytest.mark.skipif(
    not CLAUDE, reason="OPENSYNC_TEST_CLAUDE does not name a Claude Code"
)
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
INPUT_LINE = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
TOOLS = ["Bash", "Read", "Write", "Edit", "Agent"]


class Terminal(User):
    """A user who runs `claude` in a project folder."""

    program = CLAUDE

    def __init__(self, home: Path, ours: Path, model: str) -> None:
        environ = {
            "TERM": "xterm-256color",
            "SHELL": "/bin/bash",
            "ANTHROPIC_BASE_URL": model,
            "ANTHROPIC_API_KEY": "none",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }
        super().__init__(home, ours, environ)
        (self.project / "pixel.png").write_bytes(PIXEL)

    def register(self, *tools: str) -> None:
        """Register our hooks as the installation does, beside the permission for the tools."""
        settings = self.home / ".claude" / "settings.json"
        settings.parent.mkdir()
        permissions = {"allow": [*TOOLS, *tools], "defaultMode": "acceptEdits"}
        settings.write_text(json.dumps({"permissions": permissions}))
        script = ROOT / "hooks" / "claude_code.py"
        change = ClaudeCodeRegistration().plan(
            self.environ.get, hook_command(Path(sys.executable), script)
        )
        assert change
        change.apply()

    def ask(self, prompt: str, *arguments: str) -> subprocess.Popen[str]:
        return self.start("-p", prompt, *arguments)

    def run(self, prompt: str, *arguments: str) -> str:
        process = self.ask(prompt, *arguments)
        out, errors = process.communicate(timeout=200)
        assert "hook" not in errors.lower(), errors
        return out.strip()

    def sync(self) -> None:
        command = [sys.executable, "-m", "opensync_hooks", "sync"]
        environ = {**self.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=False)

    def open(self, *arguments: str) -> Screen:
        """Start the interactive program, past the questions of a first start."""
        answered = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": ["none"], "rejected": []},
            "projects": {str(self.project): {"hasTrustDialogAccepted": True}},
        }
        state = self.home / ".claude.json"
        before = json.loads(state.read_bytes()) if state.exists() else {}
        state.write_text(json.dumps(before | answered))
        screen = Screen([CLAUDE, *arguments], self.project, self.environ)
        screen.wait(INPUT_LINE)
        screen.pause(1)
        return screen

    def transcripts(self, session_id: str) -> list[Path]:
        """Return the session's own transcript and those of its subagents, however deep."""
        (path,) = (self.home / ".claude" / "projects").glob(f"*/{session_id}.jsonl")
        return [path, *sorted(path.with_suffix("").rglob("agent-*.jsonl"))]

    def await_line(
        self, session_id: str, text: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Wait until a line of the session's own transcript holds the text.

        `pause`: that of the screen, if there is one; a program whose screen nobody reads blocks.
        """
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            paths = (self.home / ".claude" / "projects").glob(f"*/{session_id}.jsonl")
            if any(text in path.read_text() for path in paths):
                return
            pause(0.1)
        raise AssertionError(f"no line with {text!r}")

    def documents(self, session_id: str) -> list[dict[str, Any]]:
        """Return what the embedded store holds of a session and its subagents."""
        with Store(self.ours / "store.db") as store:
            names = [session["externalId"] for session in store.sessions(limit=100)]
            own = [name for name in names if name.partition(":")[0] == session_id]
            return [document for name in own if (document := store.session(name))]

    def stored(self, session_id: str) -> Counter[str]:
        """Count the same of a session and its subagents as `recount` counts in their files."""
        counts: Counter[str] = Counter()
        for document in self.documents(session_id):
            extra = document["session"]["extra"]
            names = ("inputTokens", "outputTokens", "cacheReadTokens")
            counts.update({name: extra[name] for name in names})
            counts["cacheWriteTokens"] += extra["cacheWrite5mTokens"] + extra["cacheWrite1hTokens"]
            for message in document["messages"]:
                types = Counter(part["type"] for part in message["parts"])
                counts["prompts"] += message["role"] == "user"
                counts["responses"] += message["role"] == "assistant"
                counts["tool calls"] += types["tool-call"]
                counts["tool results"] += types["tool-result"]
        return +counts
