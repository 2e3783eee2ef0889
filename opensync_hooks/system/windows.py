"""What is different on Windows: paths in its shells, files that are in use, detached processes."""

import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import NoReturn

IS_WINDOWS = os.name == "nt"
_BARE = re.compile(r"[\w./:\\~+-]+")
"""A word that Git Bash, PowerShell and cmd.exe take as it is."""
_RETRY_DELAYS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.3)
_NO_WINDOW = 0x08000000
"""Not DETACHED_PROCESS: the python.exe of an environment starts another one, which would then get
a console window of its own."""
_NEW_GROUP = 0x00000200
_BREAKAWAY = 0x01000000
_REMOVER = """
import os, shutil, sys, time
for _ in range(300):
    for path in sys.argv[1:]:
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isfile(path):
            try:
                os.remove(path)
            except OSError:
                pass
    if not any(map(os.path.exists, sys.argv[1:])):
        break
    time.sleep(0.2)
"""


def is_bare(word: str) -> bool:
    """Whether no shell of Windows needs quotes around the word."""
    return _BARE.fullmatch(word) is not None


def bare_path(path: str) -> str:
    """Return the path with 8.3 names for the folders that a shell would need quotes for.

    Git Bash and PowerShell quote the name of a program differently, and Claude Code has been seen
    to lose quotes on the way to Git Bash. Where the disk has no 8.3 names, the path stays as it is.
    """
    if not IS_WINDOWS or is_bare(path):
        return path
    parts = PureWindowsPath(path).parts
    names = [
        part if is_bare(part) else _short_name(PureWindowsPath(*parts[: n + 1]))
        for n, part in enumerate(parts)
    ]
    bare = PureWindowsPath(*names)
    return bare.as_posix() if "/" in path else str(bare)


def command_line(words: Sequence[str]) -> str:
    """Return a command that a person can paste into a terminal: PowerShell on Windows."""
    return powershell_command(words) if IS_WINDOWS else shlex.join(words)


def powershell_command(words: Sequence[str]) -> str:
    """Return a command line that PowerShell runs: a quoted program needs the call operator."""
    if is_bare(words[0]):
        return " ".join(map(_quoted, words))
    return " ".join(("&", *map(_quoted, words)))


def retrying(action: Callable[[], object]) -> None:
    """Call again for a second while another program, such as a virus scanner, has the file open.

    Raises what the action raises. Elsewhere an open file can be replaced and deleted.
    """
    for delay in _RETRY_DELAYS_S if IS_WINDOWS else ():
        try:
            action()
        except PermissionError:
            time.sleep(delay)
        else:
            return
    action()


def start_detached(command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
    """Start a process without a window that survives this one and its console. Raises OSError."""
    for flags in (_BREAKAWAY, 0):
        try:
            _spawn(command, flags | _NO_WINDOW | _NEW_GROUP, environ)
        except PermissionError:  # the agent's job object does not let its processes leave it
            if not flags:
                raise
        else:
            return


def replace_process(command: Sequence[str]) -> NoReturn:
    """Run a program in this one's place; on Windows, which would detach it, wait for it."""
    if IS_WINDOWS:
        import subprocess  # noqa: PLC0415 - as in `_spawn`

        raise SystemExit(subprocess.call(command))
    os.execv(command[0], [*command])  # noqa: S606 - a command of ours


def remove_later(paths: Sequence[Path]) -> None:
    """Have files and folders removed once nothing runs from them. Raises OSError.

    Windows deletes no program that is running, and the running Python is in the folder to remove.
    """
    python = getattr(sys, "_base_executable", None) or sys.executable
    start_detached([python, "-I", "-S", "-c", _REMOVER, *map(str, paths)])


def _quoted(word: str) -> str:
    quote = '"' if "'" in word else "'"
    return word if is_bare(word) else f"{quote}{word}{quote}"


def _spawn(command: Sequence[str], flags: int, environ: Mapping[str, str] | None) -> None:
    import subprocess  # noqa: PLC0415 - 3 ms, which commands that start nothing need not pay

    null = subprocess.DEVNULL
    subprocess.Popen(
        command, stdin=null, stdout=null, stderr=null, env=environ, creationflags=flags
    )


def _short_name(path: PureWindowsPath) -> str:
    """Return the last name of the path as the disk's 8.3 names have it."""
    if sys.platform != "win32":
        return path.name
    import ctypes  # noqa: PLC0415 - only for a path with blanks

    buffer = ctypes.create_unicode_buffer(1024)
    length = ctypes.windll.kernel32.GetShortPathNameW(str(path), buffer, len(buffer))
    return PureWindowsPath(buffer.value).name if 0 < length < len(buffer) else path.name
