"""The command that an agent runs as our hook: how it is built, recognized and checked."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath

from opensync_hooks.agents.settings_files.blockers import Blocker, BlockerKind
from opensync_hooks.system import windows

_GUARD_END = "&&"
WAIT = " --wait"
"""An option of our command that makes it wait until the session has been delivered."""


def hook_command(python: PurePath, script: PurePath) -> str:
    """Return a command for /bin/sh. `-I -S`: it starts fast and loads no package of a project.

    On Windows, Git Bash and PowerShell run it alike if all of its words are bare.
    """
    paths = (windows.bare_path(path.as_posix()) for path in (python, script))
    words = (next(paths), "-I", "-S", next(paths))
    return " ".join(words) if needs_no_shell_quotes(words) else shlex.join(words)


def needs_no_shell_quotes(words: Sequence[str]) -> bool:
    """Whether every shell of Windows takes the command's words as they are."""
    return windows.IS_WINDOWS and all(map(windows.is_bare, words))


def guarded(command: str) -> str:
    """Return a command that fails with 1 while its script is missing, as during an update.

    Python itself would exit with 2, by which a hook withholds the prompt, or makes the model go on.
    Exit code 0 would hide that a registered hook delivers nothing. The plugin's hooks do exit with
    0 then: Claude Code deletes their folder at an update and at a removal, under open sessions.
    The guard comes first: Cursor passes the payload to the last command of the line.
    """
    if windows.IS_WINDOWS:  # where another shell may run it
        return command
    return f"[ -f {shlex.quote(split_command(command)[-1])} ] {_GUARD_END} {command}"


def split_command(command: object) -> list[str]:
    """Return the command's words without guard and `--wait`; empty for no valid command."""
    if not isinstance(command, str):
        return []
    try:
        words = shlex.split(command.removesuffix(WAIT).removeprefix("& "))  # `&` is PowerShell's
    except ValueError:  # an unclosed quote
        return []
    is_guarded = words[:2] == ["[", "-f"] and words[3:5] == ["]", _GUARD_END]
    return words[5:] if is_guarded else words


def handler_command(handler: Mapping[str, object]) -> object:
    """Return a handler's command line, also of one that names a program and its arguments apart."""
    command, arguments = handler.get("command"), handler.get("args")
    if isinstance(command, str) and isinstance(arguments, list):
        return shlex.join(map(str, (command, *arguments)))
    return command


def is_ours(command: object, script: str) -> bool:
    """Whether a Python runs our `script`, wherever the two were when the hook was registered.

    The command is the only mark: Claude Code drops every key of a handler that it does not know.
    """
    words = split_command(command)
    if len(words) < 2 or not PurePosixPath(words[0]).name.startswith("python"):
        return False
    if any(not word.startswith("-") for word in words[1:-1]):
        return False
    path = PurePosixPath(words[-1])
    if path.parts[-2:] != ("hooks", script):
        return False
    root = path.parent.parent  # an installed package, or a clone, either of which may be gone
    if root.name == "opensync_hooks" or "opensync-hooks" in root.name:
        return True
    return root.is_absolute() and Path(root, "opensync_hooks", "__init__.py").is_file()


def command_blocker(command: str) -> Blocker | None:
    """Return why our command would not run; None where it would."""
    words = split_command(command)
    python, script = Path(words[0]), Path(words[-1])
    if python.is_absolute() and not python.is_file():
        return Blocker(BlockerKind.PYTHON_MISSING, python, "the hook's Python is gone")
    if not script.is_file():
        return Blocker(BlockerKind.SCRIPT_MISSING, script, "the hook's script is gone")
    return None
