"""Create a virtual environment with the tools of this machine, and install this package in it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from opensync_hooks.errors import OpenSyncError

_UNWANTED = re.compile(
    r"PYTHON.*|__PYVENV_LAUNCHER__|VIRTUAL_ENV|(PIP|UV)_(USER|TARGET|PREFIX|ROOT)|OPENSYNC_API_KEY"
)
"""Variables that would install the packages elsewhere, and the key, which pip need not know."""
_SHOWN_LINES = 12


def build(root: Path, folder: Path, python: Path, environ: Mapping[str, str]) -> None:
    """Create an environment in `folder` and install the clone at `root`. Raises OpenSyncError.

    `python` is where the environment's interpreter will be.
    """
    installer = _create(folder, python, environ)
    process = run([*installer, str(root)], folder.parent, environ)
    if process.returncode:
        raise OpenSyncError(
            "opensync-hooks could not be installed. Nothing was changed. The installer's output:\n"
            + _last_lines(process),
            "check the network, or set HTTPS_PROXY or PIP_INDEX_URL, and run install.py again",
        )


def run(
    command: list[str], folder: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command without questions, in a folder where no project's settings are found."""
    clean = {name: value for name, value in environ.items() if not _UNWANTED.fullmatch(name)}
    clean |= {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(
        command,
        cwd=folder,
        env=clean,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _create(folder: Path, python: Path, environ: Mapping[str, str]) -> list[str]:
    """Create an empty environment in the first way that works; returns its install command."""
    first_failure = ""
    for commands, installer in _ways(folder, python):
        results = (run(command, folder.parent, environ) for command in commands)
        failure = next((result for result in results if result.returncode), None)
        if failure is None:
            return installer
        first_failure = first_failure or _last_lines(failure)
        shutil.rmtree(folder, ignore_errors=True)
    version = ".".join(map(str, sys.version_info[:2]))
    ensurepip = find_spec("ensurepip")
    if ensurepip and ensurepip.origin:
        reason, fix = f"venv failed:\n{first_failure}", "fix what it names"
    else:
        reason = "it lacks ensurepip, and there is no uv, virtualenv or recent pip either."
        fix = "install uv (https://docs.astral.sh/uv/) or virtualenv"
        if shutil.which("apt-get"):
            fix = f"sudo apt-get install python{version}-venv"
    raise OpenSyncError(
        f"Nothing was changed: Python {version} ({sys.executable}) cannot create an environment: "
        + reason,
        f"{fix}, then run install.py again",
    )


def _ways(folder: Path, python: Path) -> Iterator[tuple[list[list[str]], list[str]]]:
    """Yield commands that create an environment, with the command that installs into it."""
    own, new, path = sys.executable, str(python), str(folder)
    pip = [new, "-I", "-m", "pip", "install"]
    yield [[own, "-I", "-m", "venv", path]], pip
    if uv := shutil.which("uv"):
        yield (
            [[uv, "venv", "--python", own, path]],
            [uv, "pip", "install", "--compile-bytecode", "--python", new],
        )
    if virtualenv := shutil.which("virtualenv"):
        yield [[virtualenv, "--python", own, path]], pip
    other_pip = [own, "-I", "-m", "pip", "--python", new]
    bare = [own, "-I", "-m", "venv", "--without-pip", path]
    yield [bare, [*other_pip, "--version"]], [*other_pip, "install"]


def _last_lines(process: subprocess.CompletedProcess[str]) -> str:
    lines = [line.rstrip() for line in process.stdout.splitlines() if line.strip()]
    return "\n".join("    " + line for line in lines[-_SHOWN_LINES:])
