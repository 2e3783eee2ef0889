"""The interface of an agent's registration: what setup, status and doctor know of its settings."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from opensync_hooks.agents.settings_files.blockers import Blocker
from opensync_hooks.agents.settings_files.file_change import FileChange
from opensync_hooks.agents.settings_files.hook_command import split_command
from opensync_hooks.dataclass import dataclass
from opensync_hooks.hook import paths


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """The events that our hook is registered for, those that lack it, and why it would not run."""

    path: Path
    events: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    blocker: Blocker | None = None
    late: tuple[str, ...] = ()
    """Events that lack it, without which prompts arrive only when their turns end."""

    @property
    def works(self) -> bool:
        return not self.missing and self.blocker is None


@dataclass(frozen=True, slots=True)
class HookEntry:
    """One hook command of ours that an agent's settings file holds for an event."""

    path: Path
    event: str
    command: str

    @property
    def python(self) -> str:
        return split_command(self.command)[0]

    @property
    def script(self) -> Path:
        return Path(split_command(self.command)[-1])


class Registration(Protocol):
    """One agent's settings. A plan changes nothing; it is None when there is nothing to change."""

    name: str
    label: str
    script: str
    """The file in hooks/ that this agent runs."""
    activation_hint: str
    """How the user gets the agent to run newly registered hooks."""

    def settings_path(self, env: paths.Lookup) -> Path: ...

    def is_installed(self, env: paths.Lookup) -> bool:
        """Whether the agent's folder exists, or its program can be called."""
        ...

    def plan(self, env: paths.Lookup, command: str) -> FileChange | None: ...

    def plan_removal(self, env: paths.Lookup) -> FileChange | None: ...

    def state(self, env: paths.Lookup) -> RegistrationState:
        """Never raises: a file that cannot be read is the `blocker`."""
        ...

    def entries(self, env: paths.Lookup, project: Path | None = None) -> list[HookEntry]:
        """Return our entries in the user's settings and in those of `project`. Never raises.

        A file that cannot be read or parsed has none; `state` names the reason.
        """
        ...

    def retention_days(self, _: paths.Lookup) -> int | None:
        """Return after how many days the agent deletes a session; None if it keeps them all."""
        return None

    def foreign_files(self, env: paths.Lookup) -> list[Path]:
        """Return the user's files in which other programs are registered with the agent."""
        ...

    def plan_without(
        self, path: Path, package: str, owns: Callable[[object], bool]
    ) -> FileChange | None:
        """Plan to take an npm package out of one of these files; `owns` recognizes its commands."""
        ...

    def plugin_advice(self, _: paths.Lookup) -> str:
        """Return how to remove a plugin of ours that the agent manages; empty if there is none."""
        return ""

    def advice(self, _: paths.Lookup) -> str:
        """Return what the user should know once the agent is registered; usually empty."""
        return ""


def find_programs(env: paths.Lookup, names: tuple[str, ...], *folders: str) -> Iterator[str]:
    """Yield every program of these names on PATH, and in `folders` below the user's home."""
    own = (f"{paths.home(env)}/{folder}" for folder in folders)
    for path in dict.fromkeys((env("PATH") or "", *own)):
        candidates = (shutil.which(name, path=path) for name in names) if path else ()
        yield from filter(None, candidates)
