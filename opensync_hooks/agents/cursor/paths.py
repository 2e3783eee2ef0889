"""Where a user's Cursor keeps its sessions, by platform and by the variables that move them.

The editor and the command line have a folder each; either one may be missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from opensync_hooks.dataclass import dataclass

_CHANNELS = ("Cursor", "Cursor Nightly")
_DATABASE = ("globalStorage", "state.vscdb")


@dataclass(frozen=True, slots=True)
class CursorPaths:
    """Paths that may hold sessions, best first; none of them has to exist."""

    databases: tuple[Path, ...]
    """The editor's `state.vscdb`."""
    projects: tuple[Path, ...]
    """Folders of projects, each of which has an `agent-transcripts` folder."""
    chats: tuple[Path, ...]
    """The command line's folders: `[<folder>/]<session id>/store.db` is below them."""

    @property
    def window_storages(self) -> tuple[Path, ...]:
        """The folders that have a folder for each of the editor's windows."""
        users = (path.parent.parent for path in self.databases)
        return tuple(dict.fromkeys(user / "workspaceStorage" for user in users))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], home: str) -> CursorPaths:
        dot_cursor = Path(home) / ".cursor"
        xdg = environ.get("XDG_CONFIG_HOME", "")
        in_xdg = (Path(xdg) / "cursor",) if xdg.startswith("/") else ()
        command_line = (*_variable(environ, "CURSOR_CONFIG_DIR"), *in_xdg, dot_cursor)
        data = (*_variable(environ, "CURSOR_DATA_DIR"), *command_line)
        projects = _variable(environ, "CURSOR_PROJECTS_DIR") or (path / "projects" for path in data)
        chats = (path / name for path in command_line for name in ("chats", "acp-sessions"))
        return cls(
            databases=tuple(_databases(environ, Path(home))),
            projects=tuple(dict.fromkeys(projects)),
            chats=tuple(dict.fromkeys(chats)),
        )


def _databases(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    if environ.get("CURSOR_CODE_REMOTE") == "true":
        return  # the editor, and with it the database, runs on another machine
    database = _variable(environ, "CURSOR_STATE_DB")
    folder = _variable(environ, "CURSOR_IDE_DIR")
    if database:
        yield from database
    elif folder:
        for below in (_DATABASE[1:], _DATABASE, ("User", *_DATABASE)):
            yield folder[0].joinpath(*below)
    else:
        base = _application_data(environ, home)
        yield from (base.joinpath(channel, "User", *_DATABASE) for channel in _CHANNELS)


def _application_data(environ: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    base = environ.get("XDG_CONFIG_HOME", "")
    return Path(base) if base.startswith("/") else home / ".config"


def _variable(environ: Mapping[str, str], name: str) -> tuple[Path, ...]:
    """Return the path in a variable; nothing if the variable is empty."""
    value = environ.get(name, "").strip()
    return (Path(value).expanduser(),) if value else ()
