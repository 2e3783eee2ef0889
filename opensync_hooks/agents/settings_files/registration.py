"""What every agent's registration has in common, and how our own command is told from others."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from opensync_hooks.agents.settings_files.file_change import Change
from opensync_hooks.hook import paths

_WAIT = " --wait"


@dataclass(frozen=True, slots=True)
class Registration:
    """What an agent's settings say of our hook, and in `problem` why it would not run."""

    path: Path
    events: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def works(self) -> bool:
        return not self.missing and not self.problem


class Agent(Protocol):
    """One agent's settings. Plans change nothing, and are None when there is nothing to change."""

    name: str
    label: str
    script: str
    """The file in hooks/ that this agent runs."""
    starts: str
    """What makes the agent take up hooks that were registered just now."""

    def settings_path(self, env: paths.Lookup) -> Path: ...

    def present(self, env: paths.Lookup) -> bool:
        """Whether the agent is here: its folder exists, or its program can be called."""
        ...

    def plan(self, env: paths.Lookup, command: str) -> Change | None: ...

    def plan_removal(self, env: paths.Lookup) -> Change | None: ...

    def registered(self, env: paths.Lookup) -> Registration:
        """Never raises: what cannot be read is the `problem`."""
        ...

    def note(self, env: paths.Lookup) -> str:
        """What the user should know of this agent now that it is registered; mostly nothing."""
        ...


def programs(env: paths.Lookup, names: tuple[str, ...]) -> Iterator[str]:
    """Every program of one of these names on PATH, or where installers put it without asking."""
    own = f"{paths.home(env)}/.local/bin"
    for path in dict.fromkeys((env("PATH") or "", own)):
        found = (shutil.which(name, path=path) for name in names) if path else ()
        yield from filter(None, found)


def hook_command(python: Path, script: Path) -> str:
    """What the agent gives to /bin/sh. `-I -S`: fast, and no package of the project gets in."""
    return shlex.join((python.as_posix(), "-I", "-S", script.as_posix()))


def waits(command: object) -> bool:
    """Whether the user had our hook wait until the session has arrived."""
    return isinstance(command, str) and command.endswith(_WAIT)


def waiting(command: str) -> str:
    return command + _WAIT


def is_ours(command: object, script: str) -> bool:
    """Whether this is a Python that runs our `script`, wherever either of them lay at the time.

    Told by the command, because Claude Code drops every key of a handler that it does not know.
    """
    said = words(command)
    if len(said) < 2 or not PurePosixPath(said[0]).name.startswith("python"):
        return False
    found = PurePosixPath(said[-1])
    if any(not word.startswith("-") for word in said[1:-1]):
        return False
    if found.parts[-2:] != ("hooks", script):
        return False
    root = found.parent.parent  # an installed package, or a clone, which may be gone by now
    if root.name == "opensync_hooks" or "opensync-hooks" in root.name:
        return True
    return root.is_absolute() and Path(root, "opensync_hooks", "__init__.py").is_file()


def words(command: object) -> list[str]:
    """What the command runs, without what the user may add to it; nothing where it is no text."""
    try:
        return shlex.split(command.removesuffix(_WAIT)) if isinstance(command, str) else []
    except ValueError:  # an open quote
        return []


def broken(command: str) -> str:
    """Why the command would not run; nothing where it would."""
    said = words(command)
    if Path(said[0]).is_absolute() and not Path(said[0]).is_file():
        return f"{said[0]}: the hook's Python is gone"
    if not Path(said[-1]).is_file():
        return f"{said[-1]}: the hook's script is gone"
    return ""
