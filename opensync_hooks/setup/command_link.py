"""The link that makes `opensync-hooks` a command; never put over another program's file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from opensync_hooks.hook import paths


def path(environ: Mapping[str, str]) -> Path:
    """Where the user's own commands lie, on Linux and macOS alike."""
    chosen = environ.get("XDG_BIN_HOME") or ""
    folder = Path(chosen if chosen.startswith("/") else paths.home(environ.get) + "/.local/bin")
    return folder / paths.NAME


def serves(program: Path, environ: Mapping[str, str]) -> bool:
    """Whether the link is for this program: pip, pipx and uv see to the command themselves."""
    return Path(paths.data(environ.get)) in program.parents


def on_path(environ: Mapping[str, str]) -> bool:
    searched = environ.get("PATH", "").split(os.pathsep)
    return any(os.path.realpath(one) == os.path.realpath(path(environ).parent) for one in searched)


def is_free(environ: Mapping[str, str]) -> bool:
    """Whether there is nothing at the place, or a link of ours."""
    return not os.path.lexists(path(environ)) or is_ours(environ)


def is_ours(environ: Mapping[str, str]) -> bool:
    try:
        target = path(environ).readlink()
    except OSError:  # nothing there, or no link
        return False
    return target.name == paths.NAME and Path(paths.data(environ.get)) in target.parents


def leads_to(program: Path, environ: Mapping[str, str]) -> bool:
    return is_ours(environ) and path(environ).readlink() == program


def put(program: Path, environ: Mapping[str, str]) -> None:
    """Link to `program`, in one step also where an older link stands."""
    place = path(environ)
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(program)
    fresh.replace(place)


def remove(environ: Mapping[str, str]) -> bool:
    """Take our link away; whether there was one."""
    ours = is_ours(environ)
    if ours:
        path(environ).unlink()
    return ours
