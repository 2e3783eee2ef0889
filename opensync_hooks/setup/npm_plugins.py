"""OpenSync's npm plugins on this machine: their hooks, their plugin entries, their login.

Finds and plans only. Beside ours, each would send every session once more.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.file_change import FileChange, read
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths as folders
from opensync_hooks.setup import migration_backups
from opensync_hooks.setup.report import short

_CLAUDE_EVENTS = "SessionStart|SessionEnd|UserPromptSubmit|PostToolUse|Stop"
_CURSOR_EVENTS = "beforeSubmitPrompt|before(Shell|MCP)Execution|after(FileEdit|AgentResponse)|stop"

Planner = Callable[[], FileChange | None]


@dataclass(frozen=True, slots=True)
class Login:
    """What a plugin was told to send to. Nothing says that it still works."""

    place: str
    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Predecessor:
    """One of the npm plugins, and how its traces are told from other programs'."""

    package: str
    agent: str
    program: str
    arguments: re.Pattern[str]
    """What stands behind the program, or behind a script of the package, in a hook."""
    logins: tuple[str, ...]
    """Where its login may lie, below the user's folder, the newest place first."""
    variables: tuple[str, str] = ("", "")
    """The environment's URL and key, which it prefers."""

    def owns(self, command: object) -> bool:
        """Whether the command is a hook of this package. Other programs bear the same name."""
        try:
            words = shlex.split(command) if isinstance(command, str) else []
        except ValueError:  # an open quote
            return False
        for i, word in enumerate(words):
            parts = PurePath(word.replace("\\", "/")).parts
            is_program = bool(parts) and parts[-1].removesuffix(".cmd") == self.program
            if is_program or self.package in parts[:-1]:
                return bool(self.arguments.fullmatch(" ".join(words[i + 1 :])))
        return False


ALL = (
    Predecessor(
        "claude-code-sync",
        "claude-code",
        "claude-code-sync",
        re.compile(rf"hook ({_CLAUDE_EVENTS})"),
        (".config/claude-code-sync/config.json", ".claude-code-sync/config.json"),
        ("CLAUDE_SYNC_CONVEX_URL", "CLAUDE_SYNC_API_KEY"),
    ),
    Predecessor(
        "opencode-sync-plugin",
        "opencode",
        "opencode-sync",
        re.compile(r"(?!)"),  # a plugin of OpenCode has no hooks
        (
            ".opensync/credentials.json",
            ".config/opencode-sync/config.json",
            ".opencode-sync/config.json",
        ),
    ),
    Predecessor(
        "cursor-opensync-plugin",
        "cursor",
        "cursor-sync",
        re.compile(rf"(hook[ -]?)?({_CURSOR_EVENTS})"),
        (".config/cursor-sync/config.json", ".cursor-sync/config.json"),
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What is left of one plugin. The planners are for `apply_all`."""

    package: str
    label: str
    planners: tuple[Planner, ...]
    login: Login | None
    trouble: OpenSyncError | None = None
    """Why one of its files cannot be changed; then none is."""

    def changes(self) -> list[FileChange]:
        """One a file, also where two places are the same."""
        changes = (planner() for planner in self.planners)
        return list({change.path: change for change in changes if change}.values())


def find(environ: Mapping[str, str], wanted: tuple[Agent, ...]) -> list[Found]:
    """Those of the wanted agents that still send, or whose login is still there."""
    of = [(one, agent) for agent in wanted for one in ALL if one.agent == agent.name]
    return [found for one, agent in of if (found := _left(one, agent, environ))]


def _left(one: Predecessor, agent: Agent, environ: Mapping[str, str]) -> Found | None:
    planners = tuple(_planners(one, agent, environ))
    login = next(_logins(one, environ), None)
    found = Found(one.package, agent.label, planners, login)
    try:
        return found if login or found.changes() else None
    except OpenSyncError as error:
        named = any(one.package in text for text in _texts(agent, environ))
        return Found(one.package, agent.label, (), login, error) if named or login else None


def _planners(one: Predecessor, agent: Agent, environ: Mapping[str, str]) -> Iterator[Planner]:
    for env in _places(environ):
        for path in agent.registration.foreign_files(env):
            plan = partial(agent.registration.plan_without, path, one.package, one.owns)
            yield migration_backups.noted(env, one.package, plan)


def _places(environ: Mapping[str, str]) -> Iterator[folders.Lookup]:
    """As the agents are told to, and as the plugins did it, which heeded no variable."""
    yield environ.get
    moved = {"CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR"}
    if moved & environ.keys():
        yield {name: value for name, value in environ.items() if name not in moved}.get


def _texts(agent: Agent, environ: Mapping[str, str]) -> Iterator[str]:
    for path in agent.registration.foreign_files(environ.get):
        yield (read(path) or b"").decode("utf-8", "replace")


def _logins(one: Predecessor, environ: Mapping[str, str]) -> Iterator[Login]:
    url, key = (environ.get(name, "") for name in one.variables)
    if url and key:
        yield Login(one.variables[0], url, key)
    for name in one.logins:
        path = Path(folders.home(environ.get), name)
        try:
            told: Any = json.loads(read(path) or b"{}")
            url, key = told["convexUrl"], told["apiKey"]
        except (OpenSyncError, ValueError, TypeError, KeyError, RecursionError):
            continue
        if isinstance(url, str) and isinstance(key, str) and key.startswith("osk_"):
            yield Login(short(path), url.strip(), key.strip())
