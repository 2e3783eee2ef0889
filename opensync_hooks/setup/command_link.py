"""The link that makes `opensync-hooks` a command. It never replaces another program's file.

On Windows, where few users may make links, it is a copy of the small program that pip made in the
environment, which names its Python by an absolute path and so works anywhere.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from opensync_hooks.hook import paths
from opensync_hooks.system import windows
from opensync_hooks.system.local_paths import without_links


def path(environ: Mapping[str, str]) -> Path:
    """Return where the user's own commands are, on all systems alike."""
    folder = environ.get("XDG_BIN_HOME") or ""
    if not Path(folder).is_absolute():
        folder = paths.home(environ.get) + "/.local/bin"
    return Path(folder, f"{paths.NAME}.exe" if windows.IS_WINDOWS else paths.NAME)


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
    data = Path(paths.data(environ.get))
    try:
        if windows.IS_WINDOWS:
            return str(data).lower().encode() in path(environ).read_bytes().lower()
        target = path(environ).readlink()
    except OSError:  # no file, or no link
        return False
    # HOME may be spelled through a link now, and not have been when the link was made.
    return target.name == paths.NAME and without_links(data) in without_links(target).parents


def leads_to(program: Path, environ: Mapping[str, str]) -> bool:
    if not is_ours(environ):
        return False
    link = path(environ)
    if windows.IS_WINDOWS:
        return program.is_file() and link.read_bytes() == program.read_bytes()
    return link.readlink() == program


def create(program: Path, environ: Mapping[str, str]) -> None:
    """Link to `program`; an older link is replaced in one step. Raises OSError."""
    if leads_to(program, environ):
        return
    link = path(environ)
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.new")
    temporary.unlink(missing_ok=True)
    if windows.IS_WINDOWS:
        temporary.write_bytes(program.read_bytes())
        _move_away(link)
    else:
        temporary.symlink_to(program)
    temporary.replace(link)


def remove(environ: Mapping[str, str]) -> None:
    """Remove the link if it is ours."""
    if not is_ours(environ):
        return
    if windows.IS_WINDOWS:
        _move_away(path(environ))
    else:
        path(environ).unlink()


def _move_away(link: Path) -> None:
    """Remove a program that may be running: Windows can rename it, and delete it later."""
    running = link.with_name(f".{link.name}.old")
    with suppress(FileNotFoundError):
        link.replace(running)
        try:
            running.unlink()
        except PermissionError:
            windows.remove_later([running])
