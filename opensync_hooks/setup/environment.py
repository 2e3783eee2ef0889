"""The private Python environment that hooks and worker run in: made whole, then switched to.

It lies outside the clone, which may be deleted afterwards, and outside every environment of the
user's own. Standard library only, because it runs before there is anything else.
"""

from __future__ import annotations

import hashlib
import os
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
from opensync_hooks.system.files import ensure_private_folder

_OURS = re.compile(r"env-[0-9a-f]{12}(-b)?")
PROOF = "import filelock, requests, tomli_w, opensync_hooks.setup"
_STRAY = re.compile(
    r"PYTHON.*|__PYVENV_LAUNCHER__|VIRTUAL_ENV|(PIP|UV)_(USER|TARGET|PREFIX|ROOT)|OPENSYNC_API_KEY"
)
"""Settings of the user's shell that would send the packages elsewhere; and the key, which is no
business of the programs that build packages.
"""


def link(env: Mapping[str, str]) -> Path:
    """Where the current environment is found: the same path before and after an upgrade."""
    return Path(paths.data(env.get)) / "env"


def python(environment: Path) -> Path:
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def package(environment: Path, *, made: bool) -> Path:
    """Where this package lies in an environment, or will lie in one that is not made yet."""
    if made:
        for found in environment.glob("lib/python3.*/site-packages/opensync_hooks"):
            return found
    base = str(environment)
    place = sysconfig.get_path("purelib", "venv", {"base": base, "installed_base": base})
    return Path(place) / "opensync_hooks"


def digest(root: Path) -> str:
    """Tells one state of the sources from another."""
    found = hashlib.sha256()
    sources = [root / "pyproject.toml"]
    for folder in ("opensync_hooks", "hooks"):
        sources += (path for path in (root / folder).rglob("*") if path.is_file())
    for path in sorted(sources):
        if "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return found.hexdigest()[:12]


def current(root: Path, env: Mapping[str, str]) -> Path | None:
    """The environment that was made from these very sources, if it works."""
    folder = link(env).with_name(_target(link(env)) or f"env-{digest(root)}")
    if not folder.name.startswith(f"env-{digest(root)}") or not _works(folder):
        return None
    return link(env) if link(env).is_symlink() else folder


def make(root: Path, env: Mapping[str, str]) -> Path:
    """Make the environment and switch to it; if that fails, everything is as it was."""
    data = link(env).parent
    ensure_private_folder(data)
    with _alone(data):
        folder = data / f"env-{digest(root)}"
        if folder.name == _target(link(env)):  # broken, but hooks may still put jobs with it
            folder = folder.with_name(f"{folder.name}-b")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            _install(root, folder, env)
            return _switch(link(env), folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                data.rmdir()  # unless something is in it
            raise


def made(env: Mapping[str, str]) -> list[Path]:
    """Every environment of ours, and the link to the current one."""
    here = link(env)
    folders_of_ours = [path for path in here.parent.glob("env-*") if _OURS.fullmatch(path.name)]
    return [here] * bool(_OURS.fullmatch(_target(here))) + sorted(folders_of_ours)


def sweep(keep: Path, env: Mapping[str, str]) -> None:
    """Remove the environments of older versions."""
    for path in made(env):
        if path.resolve() != keep.resolve():
            shutil.rmtree(path, ignore_errors=True)


def remove(env: Mapping[str, str]) -> None:
    for path in made(env):
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path)
    with suppress(OSError):
        link(env).parent.rmdir()


def _target(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:  # no link
        return ""


def _switch(link: Path, folder: Path) -> Path:
    fresh = link.with_name("env.new")
    try:
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(folder.name)
        fresh.replace(link)
    except OSError:  # Windows makes links for few users only; then paths name the version
        fresh.unlink(missing_ok=True)
        return folder
    return link


def _install(root: Path, folder: Path, env: Mapping[str, str]) -> None:
    installer = _create(folder, env)
    done = _run([*installer, str(root)], folder.parent, env)
    if done.returncode:
        raise OpenSyncError(
            f"opensync-hooks could not be installed. Nothing was changed. pip said:\n{_tail(done)}",
            "check the network, or set HTTPS_PROXY or PIP_INDEX_URL, and run install.py again",
        )
    if not _works(folder):
        raise OpenSyncError(
            f"{folder}: the new environment does not start. Nothing was changed.",
            "run install.py with another Python of 3.11 or newer",
        )


def _create(folder: Path, env: Mapping[str, str]) -> list[str]:
    """Make an empty environment in the first way that works here; what installs into it."""
    first_said = ""
    for commands, installer in _ways(folder):
        results = (_run(command, folder.parent, env) for command in commands)
        failed = next((result for result in results if result.returncode), None)
        if failed is None:
            return installer
        first_said = first_said or _tail(failed)
        shutil.rmtree(folder, ignore_errors=True)
    raise _cannot_create(first_said)


def _ways(folder: Path) -> Iterator[tuple[list[list[str]], list[str]]]:
    ours, new, place = sys.executable, str(python(folder)), str(folder)
    pip = [new, "-I", "-m", "pip", "install"]
    yield [[ours, "-I", "-m", "venv", place]], pip
    if uv := shutil.which("uv"):
        yield (
            [[uv, "venv", "--python", ours, place]],
            [uv, "pip", "install", "--compile-bytecode", "--python", new],
        )
    if virtualenv := shutil.which("virtualenv"):
        yield [[virtualenv, "--python", ours, place]], pip
    other_pip = [ours, "-I", "-m", "pip", "--python", new]
    bare = [ours, "-I", "-m", "venv", "--without-pip", place]
    yield [bare, [*other_pip, "--version"]], [*other_pip, "install"]


def _cannot_create(said: str) -> OpenSyncError:
    version = ".".join(map(str, sys.version_info[:2]))
    ensurepip = find_spec("ensurepip")
    if ensurepip and ensurepip.origin:
        reason, cure = f"venv failed:\n{said}", "mend what it names"
    else:
        reason = "it lacks ensurepip, and there is no uv, virtualenv or recent pip either."
        cure = "install uv (https://docs.astral.sh/uv/) or virtualenv"
        if shutil.which("apt-get"):
            cure = f"sudo apt-get install python{version}-venv"
    return OpenSyncError(
        f"Nothing was changed: Python {version} ({sys.executable}) cannot make an environment: "
        + reason,
        f"{cure}, then run install.py again",
    )


def _works(environment: Path) -> bool:
    try:
        proof = [str(python(environment)), "-I", "-c", PROOF]
        return subprocess.run(proof, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(
    command: list[str], folder: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run it quietly, where no project's own settings are found, and so that it asks nothing."""
    clean = {name: value for name, value in env.items() if not _STRAY.fullmatch(name)}
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


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    return "\n".join("    " + line for line in lines[-12:])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one installation at a time; the lock goes with the process, whatever ends it."""
    if sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 - not on Windows

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise OpenSyncError(
            f"{folder}: another installation is at work here. Nothing was changed.",
            "wait until it is done",
        ) from None
    finally:
        os.close(descriptor)
