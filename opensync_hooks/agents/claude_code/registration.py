"""Claude Code's settings.json: our hooks among whatever else the user keeps there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from opensync_hooks.agents.claude_code import DESCRIPTION
from opensync_hooks.agents.claude_code.config_folders import config_folders
from opensync_hooks.agents.claude_code.plugin import Plugin, find_plugin
from opensync_hooks.agents.json_access import decode, get
from opensync_hooks.agents.settings_files.blockers import Blocker, BlockerKind
from opensync_hooks.agents.settings_files.file_change import FileChange
from opensync_hooks.agents.settings_files.hook_command import needs_no_shell_quotes
from opensync_hooks.agents.settings_files.hooks_json import Handler, HooksFile, LocatedHandler
from opensync_hooks.agents.settings_files.registration import HookEntry, RegistrationState
from opensync_hooks.hook import paths
from opensync_hooks.system import windows

_DEFAULT_RETENTION_DAYS = 30


class ClaudeCodeRegistration(HooksFile):
    name = DESCRIPTION.name
    label = DESCRIPTION.label
    script = "claude_code.py"
    programs = ("claude",)
    activation_hint = "works at once, also in open sessions, in every folder that you trust it with"
    events = ("Stop", "SessionEnd")
    begin_events = ("UserPromptSubmit",)
    project_files = (".claude/settings.json", ".claude/settings.local.json")
    timeout = 30  # without one, Claude Code kills SessionEnd hooks after 1.5 s
    _prunable: ClassVar = ((4, 3), (2, 2), (1, 1))

    def settings_path(self, env: paths.Lookup) -> Path:
        """Return the settings in the first of several folders: each has its own."""
        return config_folders(env("CLAUDE_CONFIG_DIR"), paths.home(env))[0] / "settings.json"

    def plan(self, env: paths.Lookup, command: str) -> FileChange | None:
        """Plan hooks in the settings, or none there if our plugin runs them."""
        return self.plan_removal(env) if self._plugin(env) else super().plan(env, command)

    def state(self, env: paths.Lookup) -> RegistrationState:
        plugin, state = self._plugin(env), super().state(env)
        if plugin is None or (state.blocker and state.blocker.kind is BlockerKind.DISABLED):
            return state
        events = plugin.events()
        return RegistrationState(
            plugin.manifest,
            tuple(event for event in self.events if event in events),
            tuple(event for event in self.events if event not in events),
            plugin.blocker(env, self.script),
            tuple(event for event in self.begin_events if event not in events),
        )

    def entries(self, env: paths.Lookup, project: Path | None = None) -> list[HookEntry]:
        plugin = self._plugin(env, project)
        of_plugin = plugin.entries(env, self.script) if plugin else ()
        return [*super().entries(env, project), *of_plugin]

    def plugin_advice(self, env: paths.Lookup) -> str:
        plugin = self._plugin(env)
        return f"its plugin runs our hooks; to remove it: {plugin.removal}" if plugin else ""

    def _plugin(self, env: paths.Lookup, project: Path | None = None) -> Plugin | None:
        files = [project / name for name in self.project_files] if project else []
        return find_plugin(self.settings_path(env).parent, self.settings_path(env), *files)

    def retention_days(self, env: paths.Lookup) -> int:
        """Return `cleanupPeriodDays`, or the value that Claude Code takes without it."""
        try:
            settings = decode(self.settings_path(env).read_bytes())
        except OSError:
            return _DEFAULT_RETENTION_DAYS
        days = get(settings, "cleanupPeriodDays")
        return days if type(days) is int else _DEFAULT_RETENTION_DAYS

    def _blocker(self, path: Path, _content: bytes, settings: dict[str, Any]) -> Blocker | None:
        if settings.get("disableAllHooks") is not True:
            return None
        reason = f"disableAllHooks is on, so {self.label} runs no hook"
        return Blocker(BlockerKind.DISABLED, path, reason)

    def _handlers(self, entries: list[Any]) -> Iterator[LocatedHandler]:
        """Yield the handlers of every group; a group has one matcher for all of its handlers."""
        for i, group in enumerate(entries):
            handlers = group.get("hooks") if isinstance(group, dict) else None
            for k, handler in enumerate(handlers if isinstance(handlers, list) else ()):
                if isinstance(handler, dict):
                    yield (i, "hooks", k), handler

    def _new_handler(self, _event: str, command: str) -> Handler:
        handler: Handler = {"type": "command", "command": command, "timeout": self.timeout}
        words = shlex.split(command)
        if windows.IS_WINDOWS and not needs_no_shell_quotes(words):
            # Git Bash and PowerShell, of which it takes what there is, quote differently. With
            # `args`, Claude Code (2.1.139 and newer) starts the program without a shell.
            handler |= {"command": words[0], "args": words[1:]}
        return handler

    def _is_equivalent(self, handler: Handler, ours: Handler) -> bool:
        """Another timeout and additional keys are the user's choice."""
        is_same = all(handler.get(key) == ours.get(key) for key in ("type", "command", "args"))
        return is_same and "timeout" in handler

    def _as_entry(self, handler: Handler) -> Any:
        return {"hooks": [handler]}


REGISTRATION = ClaudeCodeRegistration()
