"""Where one user's Cursor keeps its sessions, by platform and by the variables that move them.

The editor's own folder and the command line's folder are two different places; each may be missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_CHANNELS = ("Cursor", "Cursor Nightly")
_DATABASE = ("globalStorage", "state.vscdb")


@dataclass(frozen=True, slots=True)
class Roots:
    """Paths that may hold something, best first; none of them has to exist."""

    databases: tuple[Path, ...]
    projects: tuple[Path, ...]
    """Folders of projects, each with `agent-transcripts`."""
    chats: tuple[Path, ...]
    """Folders of the command line, with `<session id>/store.db` below, or one folder deeper."""

    @classmethod
    def of(cls, environ: Mapping[str, str], home: str) -> Roots:
        dot = Path(home) / ".cursor"
        command_line = (*_given(environ, "CURSOR_CONFIG_DIR"), *_in_xdg(environ), dot)
        data = (*_given(environ, "CURSOR_DATA_DIR"), *command_line)
        projects = _given(environ, "CURSOR_PROJECTS_DIR") or (path / "projects" for path in data)
        return cls(
            databases=tuple(_databases(environ, Path(home))),
            projects=_once(projects),
            chats=_once(path / name for path in command_line for name in ("chats", "acp-sessions")),
        )


def _databases(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    if environ.get("CURSOR_CODE_REMOTE") == "true":
        return  # the editor runs on another machine, and its rows lie there
    named = _given(environ, "CURSOR_STATE_DB")
    if named:
        yield from named
        return
    given = _given(environ, "CURSOR_IDE_DIR")
    for user in given:
        yield from (user.joinpath(*below) for below in (_DATABASE[1:], _DATABASE))
        yield user.joinpath("User", *_DATABASE)
    if not given:
        base = _application_data(environ, home)
        yield from (base.joinpath(channel, "User", *_DATABASE) for channel in _CHANNELS)


def _application_data(environ: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    base = environ.get("XDG_CONFIG_HOME", "")
    return Path(base) if base.startswith("/") else home / ".config"


def _given(environ: Mapping[str, str], name: str) -> tuple[Path, ...]:
    value = environ.get(name, "").strip()
    return (Path(value).expanduser(),) if value else ()


def _in_xdg(environ: Mapping[str, str]) -> tuple[Path, ...]:
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) / "cursor",) if base.startswith("/") else ()


def _once(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(paths))
