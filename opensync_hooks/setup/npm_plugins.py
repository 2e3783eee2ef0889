"""OpenSync's npm plugins on this machine: their hooks, their plugin entries, their login.

This module only finds and plans. A plugin beside our hooks would send every session twice. Each
file that its hooks are taken out of is kept and recorded; uninstalling keeps those copies, as they
are the only way back.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, field, replace
from functools import partial
from pathlib import Path, PurePath

from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.backup import digest
from opensync_hooks.agents.settings_files.file_change import FileChange, SideFile, read
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths
from opensync_hooks.system.terminal import short_path

_CLAUDE_EVENTS = "SessionStart|SessionEnd|UserPromptSubmit|PostToolUse|Stop"
_CURSOR_EVENTS = "beforeSubmitPrompt|before(Shell|MCP)Execution|after(FileEdit|AgentResponse)|stop"
_UNKNOWN_TO_PLUGINS = frozenset(
    {"CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR"}
)
"""Variables that move an agent's settings, and that the plugins' own installers ignored."""

Plan = Callable[[], FileChange | None]


@dataclass(frozen=True, slots=True)
class PluginLogin:
    """The URL and key that a plugin was configured with; they may no longer work."""

    origin: str
    """The file or variable that has it."""
    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NpmPlugin:
    """One of the npm plugins, and how its traces differ from those of other programs."""

    package: str
    agent: str
    program: str
    arguments: re.Pattern[str]
    """What follows the program, or a script of the package, in a hook."""
    login_files: tuple[str, ...]
    """Where its login may be, below the user's home; the newest place comes first."""
    login_variables: tuple[str, str] = ("", "")
    """The variables with URL and key, which it prefers."""

    def owns(self, command: object) -> bool:
        """Return whether a command is a hook of this package; others have programs so named."""
        try:
            words = shlex.split(command) if isinstance(command, str) else []
        except ValueError:  # an unclosed quote
            return False
        for index, word in enumerate(words):
            parts = PurePath(word.replace("\\", "/")).parts
            is_program = bool(parts) and parts[-1].removesuffix(".cmd") == self.program
            if is_program or self.package in parts[:-1]:
                return bool(self.arguments.fullmatch(" ".join(words[index + 1 :])))
        return False


NPM_PLUGINS = (
    NpmPlugin(
        "claude-code-sync",
        "claude-code",
        "claude-code-sync",
        re.compile(rf"hook ({_CLAUDE_EVENTS})"),
        (".config/claude-code-sync/config.json", ".claude-code-sync/config.json"),
        ("CLAUDE_SYNC_CONVEX_URL", "CLAUDE_SYNC_API_KEY"),
    ),
    NpmPlugin(
        "opencode-sync-plugin",
        "opencode",
        "opencode-sync",
        re.compile(r"(?!)"),  # OpenCode lists plugins and has no hook commands
        (
            ".opensync/credentials.json",
            ".config/opencode-sync/config.json",
            ".opencode-sync/config.json",
        ),
    ),
    NpmPlugin(
        "cursor-opensync-plugin",
        "cursor",
        "cursor-sync",
        re.compile(rf"(hook[ -]?)?({_CURSOR_EVENTS})"),
        (".config/cursor-sync/config.json", ".cursor-sync/config.json"),
    ),
)


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """The traces of one plugin on this machine. The plans are for `apply_all`."""

    package: str
    label: str
    plans: tuple[Plan, ...]
    login: PluginLogin | None
    error: OpenSyncError | None = None
    """Why one of its files cannot be changed; then there are no plans."""

    def changes(self) -> list[FileChange]:
        """Return one change per file, also if two variables name the same file."""
        changes = (plan() for plan in self.plans)
        return list({change.path: change for change in changes if change}.values())


@dataclass(frozen=True, slots=True)
class MigrationBackup:
    """One file that a package was taken out of. The field names are those in record.json."""

    package: str
    path: str
    backup: str
    """The path of the complete previous file."""


def find(environ: Mapping[str, str], agents: tuple[Agent, ...]) -> list[InstalledPlugin]:
    """Return the plugins of these agents that still send, or whose login is still there."""
    plugins = (
        _find_one(plugin, agent, environ)
        for agent in agents
        for plugin in NPM_PLUGINS
        if plugin.agent == agent.name
    )
    return [plugin for plugin in plugins if plugin]


def _find_one(
    plugin: NpmPlugin, agent: Agent, environ: Mapping[str, str]
) -> InstalledPlugin | None:
    registration = agent.registration
    lookups: list[paths.Lookup] = [environ.get]
    if _UNKNOWN_TO_PLUGINS & environ.keys():
        kept = {name: environ[name] for name in environ.keys() - _UNKNOWN_TO_PLUGINS}
        lookups.append(kept.get)
    plans = tuple(
        _backed_up(
            env,
            plugin.package,
            partial(registration.plan_without, path, plugin.package, plugin.owns),
        )
        for env in lookups
        for path in registration.foreign_files(env)
    )
    login = next(_logins(plugin, environ), None)
    installed = InstalledPlugin(plugin.package, agent.label, plans, login)
    try:
        return installed if login or installed.changes() else None
    except OpenSyncError as error:
        files = (read(path) or b"" for path in registration.foreign_files(environ.get))
        if login or any(plugin.package.encode() in content for content in files):
            return InstalledPlugin(plugin.package, agent.label, (), login, error)
        return None


def _logins(plugin: NpmPlugin, environ: Mapping[str, str]) -> Iterator[PluginLogin]:
    url, key = (environ.get(name, "") for name in plugin.login_variables)
    if url and key:
        yield PluginLogin(plugin.login_variables[0], url, key)
    for name in plugin.login_files:
        path = Path(paths.home(environ.get), name)
        try:
            settings = json.loads(read(path) or b"{}")
            url, key = settings["convexUrl"], settings["apiKey"]
        except (OpenSyncError, ValueError, TypeError, KeyError, RecursionError):
            continue
        if isinstance(url, str) and isinstance(key, str) and key.startswith("osk_"):
            yield PluginLogin(short_path(path), url.strip(), key.strip())


def _backup_folder(env: paths.Lookup) -> Path:
    return Path(paths.state(env)) / "retired"


def load_backups(env: paths.Lookup) -> list[MigrationBackup]:
    """Return the recorded backups; an unreadable record has none."""
    try:
        entries = json.loads(read(_record(env)) or b"[]")
        return [MigrationBackup(row["package"], row["path"], row["backup"]) for row in entries]
    except (ValueError, TypeError, KeyError):
        return []


def _backed_up(env: paths.Lookup, package: str, plan: Plan) -> Plan:
    """Return a plan that also keeps the previous file and records it."""

    def plan_with_backup() -> FileChange | None:
        change = plan()
        if change is None or change.before is None:
            return None
        name = f"{change.path.name}.{digest(change.before)[:16]}"
        backup = MigrationBackup(package, str(change.path), str(_backup_folder(env) / name))
        entries = [asdict(entry) for entry in dict.fromkeys((*load_backups(env), backup))]
        record = SideFile(_record(env), json.dumps(entries, indent=2).encode())
        return replace(change, side_files=(SideFile(Path(backup.backup), change.before), record))

    return plan_with_backup


def _record(env: paths.Lookup) -> Path:
    return _backup_folder(env) / "record.json"
