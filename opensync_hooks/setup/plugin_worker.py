"""The worker of a plugin, for which no installation has chosen a Python with the packages it needs.

The plugin is a copy of this repository, and its hook runs with the `python3` that is on PATH. The
worker runs in the environment of an installation if there is one, else in one that the first hook
builds in the plugin's data folder, which the agent deletes with the plugin. Meanwhile, events wait
in the spool. `main` has to run on Python 3.8, which then starts install.py to find a newer one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from opensync_hooks import __version__
from opensync_hooks.hook import paths

OPTION = "--plugin-worker"
"""Has install.py call `build_and_start`."""
RETRY_SECONDS = 900
"""How long hooks leave a failed attempt alone, as each takes some seconds of CPU."""
_BUILT_FROM = "built-from"
_WORKER = "from opensync_hooks.queue import worker; worker.main(owns_process=True)"


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the plugin's own folder; versions of an agent that have none pass an empty name."""
    return Path(environ.get(paths.PLUGIN) or paths.data(environ.get))


def main(root: str) -> None:
    """Become the worker; build the environment of the plugin at `root` first if that is needed."""
    data = data_folder(os.environ)
    installed, own = Path(paths.data(os.environ.get), "env"), data / "env"
    if installed != own:
        _become_worker(installed)
    if _read(data / _BUILT_FROM) == _version(root):
        _become_worker(own)
    if _begin_attempt(data):
        script = str(Path(root, "install.py"))
        os.execv(sys.executable, [sys.executable, "-I", script, OPTION])  # noqa: S606
    _become_worker(own)  # of an older version


def build_and_start(root: Path, environ: Mapping[str, str]) -> None:
    """Build the plugin's environment and become its worker. Raises OpenSyncError, OSError."""
    from opensync_hooks.setup import environment, user_data  # noqa: PLC0415 - need Python 3.11

    data = data_folder(environ)
    own = {**environ, "OPENSYNC_HOOKS_HOME": str(data)}
    with environment.only_installation(own):
        folder = environment.current(root, own) or environment.build(root, own)
        (data / _BUILT_FROM).write_text(_version(str(root)), "utf-8")
        (data / paths.PLUGIN_LOG).write_text("")
    user_data.remove_other_environments(folder, own, environ)
    _become_worker(folder)


def _become_worker(environment: Path) -> None:
    """Replace this process by a worker in the environment; return if there is none."""
    for program in paths.PYTHONS:
        with suppress(OSError):
            python = str(environment / program)
            os.execv(python, [python, "-I", "-c", _WORKER])  # noqa: S606


def _begin_attempt(data: Path) -> bool:
    """Open the log as the output of this process, unless an attempt runs or has just failed."""
    log = data / paths.PLUGIN_LOG
    with suppress(FileNotFoundError):
        if time.time() - log.stat().st_mtime < RETRY_SECONDS and _read(log) != "":
            return False
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdout.write("The environment is being built, or that was interrupted.\n")
    sys.stdout.flush()
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""


def _version(root: str) -> str:
    return f"{__version__} {root}"
