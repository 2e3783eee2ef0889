"""The link that makes `opensync-hooks` a command. It never replaces another program's file."""

import os
from collections.abc import Mapping
from pathlib import Path

from opensync_hooks.hook import paths


def path(environ: Mapping[str, str]) -> Path:
    """Return where the user's own commands are, on Linux and macOS alike."""
    folder = environ.get("XDG_BIN_HOME") or ""
    if not folder.startswith("/"):
        folder = paths.home(environ.get) + "/.local/bin"
    return Path(folder, paths.NAME)


def is_for(program: Path, environ: Mapping[str, str]) -> bool:
    """Return whether we link this program: pip, pipx and uv install their command themselves."""
    return Path(paths.data(environ.get)) in program.parents


def is_on_path(environ: Mapping[str, str]) -> bool:
    folder = os.path.realpath(path(environ).parent)
    return folder in map(os.path.realpath, environ.get("PATH", "").split(os.pathsep))


def is_free(environ: Mapping[str, str]) -> bool:
    """Return whether there is no file in the link's place, except perhaps a link of ours."""
    return not os.path.lexists(path(environ)) or is_ours(environ)


def is_ours(environ: Mapping[str, str]) -> bool:
    try:
        target = path(environ).readlink()
    except OSError:  # no file, or no link
        return False
    return target.name == paths.NAME and Path(paths.data(environ.get)) in target.parents


def leads_to(program: Path, environ: Mapping[str, str]) -> bool:
    return is_ours(environ) and path(environ).readlink() == program


def create(program: Path, environ: Mapping[str, str]) -> None:
    """Link to `program`; an older link is replaced in one step."""
    link = path(environ)
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(program)
    temporary.replace(link)


def remove(environ: Mapping[str, str]) -> None:
    """Remove the link if it is ours."""
    if is_ours(environ):
        path(environ).unlink()
