"""The private Python environment that hooks and worker run in, and the link that selects it.

It is outside the clone, which may be deleted, and outside every environment of the user's own. Only
the standard library is imported, because it runs before anything else is installed.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths
from opensync_hooks.system import windows
from opensync_hooks.system.files import ensure_private_folder, process_lock, remove_tree

_NAME = re.compile(r"env-[0-9a-f]{12}(-b)?")
_UNWANTED = re.compile(
    r"PYTHON.*|__PYVENV_LAUNCHER__|VIRTUAL_ENV|(PIP|UV)_(USER|TARGET|PREFIX|ROOT)|OPENSYNC_API_KEY"
)
"""Variables that would install the packages elsewhere, and the key, which pip need not know."""
_SHEBANG = re.compile(rb"""\A(#!(?!/bin/sh)[^\n ]+|#!/bin/sh\n'{3}exec' [^\n]+?)( "\$0"|\n)""")
"""The interpreter of a script; the shell starts one whose path has blanks or is long."""
_SHOWN_LINES = 12
PROOF = "import opensync_hooks.cli.main, opensync_hooks.destinations.opensync.transport"
"""Imports every package that this one depends on."""


def link(environ: Mapping[str, str]) -> Path:
    """Return the path to the current environment, which is the same before and after an update."""
    return Path(paths.data(environ.get)) / "env"


def python(environment: Path) -> Path:
    return environment / paths.PYTHONS[windows.IS_WINDOWS]


def package(environment: Path, *, exists: bool) -> Path:
    """Return where this package is in an environment, or will be in one that does not exist yet."""
    if exists:
        for folder in environment.glob("lib/python3.*/site-packages/opensync_hooks"):
            return folder
    base = str(environment)
    packages = sysconfig.get_path("purelib", "venv", {"base": base, "installed_base": base})
    return Path(packages) / "opensync_hooks"


def digest(root: Path) -> str:
    """Return a name for the present state of the sources."""
    total = hashlib.sha256()
    sources = [root / "pyproject.toml"]
    for folder in ("opensync_hooks", "hooks"):
        sources += (path for path in (root / folder).rglob("*") if path.is_file())
    for path in sorted(sources):
        if "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return total.hexdigest()[:12]


def current(root: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the environment that was built from the present sources, if it works."""
    name = f"env-{digest(root)}"
    folder = link(environ).with_name(_target(link(environ)) or name)
    if not folder.name.startswith(name) or not works(folder):
        return None
    return link(environ) if link(environ).is_symlink() else folder


@contextmanager
def only_installation(environ: Mapping[str, str]) -> Iterator[None]:
    """Keep other installations out: they would remove the environment that this one builds.

    Raises OpenSyncError if another one is running.
    """
    data = ensure_private_folder(link(environ).parent)
    refusal = OpenSyncError(
        f"{data}: another installation is running. Nothing was changed.",
        "wait until it has finished",
    )
    try:
        with process_lock(data, refusal):
            yield
    finally:
        with suppress(OSError):
            data.rmdir()  # unless there is something in it


def build(root: Path, environ: Mapping[str, str]) -> Path:
    """Build an environment and switch to it. If that fails, everything is as it was.

    To be called within `only_installation`.
    """
    data = link(environ).parent
    folder = data / f"env-{digest(root)}"
    if folder.name == _target(link(environ)):  # broken, but hooks may still record jobs with it
        folder = folder.with_name(f"{folder.name}-b")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        _build_in(folder, root, environ)
        return _switch(link(environ), folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def works(environment: Path) -> bool:
    try:
        command = [str(python(environment)), "-I", "-c", PROOF]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def existing(environ: Mapping[str, str]) -> list[Path]:
    """Return the link to the current environment of ours, and all environments of ours."""
    here = link(environ)
    folders = sorted(path for path in here.parent.glob("env-*") if _NAME.fullmatch(path.name))
    return [here, *folders] if _NAME.fullmatch(_target(here)) else folders


def others(keep: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the environments of older versions."""
    return [path for path in existing(environ) if path.resolve() != keep.resolve()]


def remove_others(keep: Path, environ: Mapping[str, str]) -> None:
    """Remove the environments of older versions."""
    for path in others(keep, environ):
        shutil.rmtree(path, ignore_errors=True)


def remove(environ: Mapping[str, str]) -> None:
    """Remove all environments of ours, and their folder if nothing else is in it."""
    for path in existing(environ):
        if path.is_symlink():
            path.unlink()
        else:
            remove_tree(path)
    with suppress(OSError):
        link(environ).parent.rmdir()


def _target(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:  # not a link
        return ""


def _switch(link: Path, folder: Path) -> Path:
    temporary = link.with_name("env.new")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder.name)
        temporary.replace(link)
    except OSError:  # on Windows, few users may make links; paths then name the version
        temporary.unlink(missing_ok=True)
        return folder
    return link


def _build_in(folder: Path, root: Path, environ: Mapping[str, str]) -> None:
    """Create an environment in `folder` with the tools of this machine; install the clone in it."""
    installer = _create(folder, environ)
    process = run([*installer, str(root)], folder.parent, environ)
    if process.returncode:
        raise OpenSyncError(
            "opensync-hooks could not be installed. Nothing was changed. The installer's output:\n"
            + _last_lines(process),
            "check the network, or set HTTPS_PROXY or PIP_INDEX_URL, and run install.py again",
        )
    isolate(folder / "bin" / paths.NAME)
    if not works(folder):
        raise OpenSyncError(
            f"{folder}: the new environment does not start. Nothing was changed.",
            "run install.py with another Python of 3.11 or newer",
        )


def isolate(script: Path) -> None:
    """Have a command of the environment ignore PYTHONHOME, PYTHONPATH and the user's packages."""
    if script.is_file():  # Windows starts it by a program of its own
        script.write_bytes(_SHEBANG.sub(rb"\1 -I\2", script.read_bytes(), count=1))


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


def _create(folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Create an empty environment in the first way that works; returns its install command."""
    first_failure = ""
    for commands, installer in _ways(folder):
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


def _ways(folder: Path) -> Iterator[tuple[list[list[str]], list[str]]]:
    """Yield commands that create an environment, with the command that installs into it."""
    own, new, path = sys.executable, str(python(folder)), str(folder)
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
