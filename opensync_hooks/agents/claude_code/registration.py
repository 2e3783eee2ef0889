"""Claude Code's settings.json: two hooks of ours among whatever else the user keeps there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from opensync_hooks.agents.settings_files.hooks_json import Found, Handler, HooksFile
from opensync_hooks.hook import paths


class ClaudeCode(HooksFile):
    name = "claude-code"
    label = "Claude Code"
    script = "claude_code.py"
    programs = ("claude",)
    starts = "works at once, also in open sessions, in every folder that you trust it with"
    events = ("Stop", "SessionEnd")
    timeout = 30  # without one, Claude Code kills SessionEnd hooks after 1.5 s
    _levels: ClassVar = ((4, 3), (2, 2), (1, 1))

    def settings_path(self, env: paths.Lookup) -> Path:
        return Path(env("CLAUDE_CONFIG_DIR") or paths.home(env) + "/.claude") / "settings.json"

    def _hindrance(self, path: Path, _raw: bytes, settings: dict[str, Any]) -> str:
        if settings.get("disableAllHooks") is True:
            return f"{path}: disableAllHooks is on, so {self.label} runs no hook"
        return ""

    def _handlers(self, entries: list[Any]) -> Iterator[Found]:
        """Handlers stand in groups, each of which matches something of its own."""
        for i, group in enumerate(entries):
            handlers = group.get("hooks") if isinstance(group, dict) else None
            for k, handler in enumerate(handlers if isinstance(handlers, list) else ()):
                if isinstance(handler, dict):
                    yield (i, "hooks", k), handler

    def _wanted(self, _event: str, command: str) -> Handler:
        return {"type": "command", "command": command, "timeout": self.timeout}

    def _runs(self, handler: Handler, wanted: Handler) -> bool:
        """Another timeout or more keys are the user's choice."""
        same = all(handler.get(key) == wanted[key] for key in ("type", "command"))
        return same and "timeout" in handler

    def _entry(self, handler: Handler) -> Any:
        return {"hooks": [handler]}
