"""The folder that a session belongs to: from its own document, else from the windows' lists."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.json_access import (
    as_dict,
    get_dict,
    get_dicts,
    get_list,
    get_str,
    get_strs,
)
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Json

_MAX_BYTES = 1 << 20
_PANE = "workbench.panel.composerChatViewPane"
_VIEW = "workbench.panel.aichat.view."
_DRIVE = re.compile(r"/([A-Za-z]):(?:/|\Z)")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]+")


def project_path(document: Json) -> str | None:
    """Return the folder that a session's document names: its window's, else its repository's."""
    workspace = get_dict(document, "workspaceIdentifier")
    path = uri_path(workspace.get("uri") or workspace.get("configPath"))
    repositories = get_list(document, "trackedGitRepos")
    return path or (get_str(as_dict(repositories[0]), "repoPath") if repositories else None)


def git_branch(document: Json) -> str | None:
    for repository in get_dicts(document, "trackedGitRepos"):
        for branch in get_dicts(repository, "branches"):
            name = get_str(branch, "branchName")
            if name:
                return name
    return None


def uri_path(uri: Any) -> str | None:
    """Return the path in a URI, as text or as the editor splits it; of a remote URI, its path."""
    if isinstance(uri, dict):
        path = get_str(uri, "fsPath") or get_str(uri, "path")
        return _native(path) if path else uri_path(get_str(uri, "external"))
    if not isinstance(uri, str):
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if not parts.scheme or len(parts.scheme) == 1:  # a single letter is a drive
        return uri or None
    path = unquote(parts.path)
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        return "\\\\" + parts.netloc + path.replace("/", "\\")
    return _native(path) or None


def _native(path: str) -> str:
    """Return `/c:/Users` as Windows writes it, with the drive's letter as the editor writes it."""
    drive = _DRIVE.match(path)
    return drive[1].lower() + ":" + path[3:].replace("/", "\\") if drive else path


def slug(path: str) -> str:
    """Return the name of a project's folder below `~/.cursor/projects`; it is not reversible."""
    if re.match(r"[A-Za-z]:", path):
        path = path[0].lower() + path[1:]
    return _NOT_ALPHANUMERIC.sub("-", path).strip("-")


@dataclass(slots=True)
class EditorWindows:
    """The editor's windows: the folder that each was opened on, and the sessions it listed."""

    storages: tuple[Path, ...]
    """Folders named `workspaceStorage`."""
    databases: tuple[Path, ...] = ()
    """The editor's own, in which version 3.0 listed the sessions of all windows."""
    _folders_by_session: dict[str, str] | None = field(default=None, init=False)

    def folder_of(self, session_id: str) -> str | None:
        """Return the folder of a session's window; a window that cannot be read counts as none."""
        if self._folders_by_session is None:
            folders = dict(entry for path in self.databases for entry in _listed_folders(path))
            lists = [(folder, _listed_sessions(window)) for window, folder in self._opened()]
            # Several windows may list a session; the kinds of lists are in order of reliability.
            for kind in range(3):
                for folder, session_lists in lists:
                    for listed_id in session_lists[kind]:
                        folders.setdefault(listed_id, folder)
            self._folders_by_session = folders
        return self._folders_by_session.get(session_id)

    def folders(self) -> Iterator[str]:
        """Yield every folder that a window was ever opened on."""
        yield from (folder for _, folder in self._opened())

    def _opened(self) -> Iterator[tuple[Path, str]]:
        for storage in self.storages:
            with suppress(OSError):
                for window in sorted(storage.iterdir()):
                    folder = _opened_folder(window)
                    if folder:
                        yield window, folder


def _opened_folder(window: Path) -> str | None:
    try:
        with open_regular(window / "workspace.json") as file:
            value = as_dict(file.read(_MAX_BYTES))
    except SourceError:
        return None
    return uri_path(value.get("folder") or value.get("workspace"))


def _listed_folders(database: Path) -> Iterator[tuple[str, str]]:
    """Yield sessions with their folders from the list of version 3.0, which is never complete."""
    headers: list[Any] = []
    with suppress(SourceError):
        headers = sqlite_snapshot.read(database, _composer_headers) if database.is_file() else []
    for header in map(as_dict, headers):
        session_id, folder = get_str(header, "composerId"), project_path(header)
        if session_id and folder:
            yield session_id, folder


def _composer_headers(db: sqlite3.Connection) -> list[Any]:
    """Read this one key: the user's login is in the same table, and no other row may be read."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'ItemTable'"
    if db.execute(query).fetchone() is None:
        return []
    query = "SELECT value FROM ItemTable WHERE key = 'composer.composerHeaders'"
    return get_list(_first_value(db, query), "allComposers")


SessionLists = tuple[set[str], set[str], set[str]]
"""The sessions that a window lists, shows, and had open last."""


def _listed_sessions(window: Path) -> SessionLists:
    with suppress(SourceError):
        return sqlite_snapshot.read(window / "state.vscdb", _session_lists)
    return set(), set(), set()


def _session_lists(db: sqlite3.Connection) -> SessionLists:
    """Read these keys only; a window's own table holds no login, unlike the editor's."""
    document = _first_value(db, "SELECT value FROM ItemTable WHERE key = 'composer.composerData'")
    headers = map(as_dict, get_list(document, "allComposers"))
    listed = {session_id for header in headers if (session_id := get_str(header, "composerId"))}
    query = f"SELECT value FROM ItemTable WHERE key >= '{_PANE}.' AND key < '{_PANE}/'"  # noqa: S608
    panes = (as_dict(value) for (value,) in db.execute(query))
    shown = {key.removeprefix(_VIEW) for pane in panes for key in pane if key.startswith(_VIEW)}
    last = {*get_strs(document, "selectedComposerIds")}
    last |= {*get_strs(document, "lastFocusedComposerIds")}
    return listed, shown, last


def _first_value(db: sqlite3.Connection, query: str) -> Json:
    row = db.execute(query).fetchone()
    return as_dict(row[0]) if row else {}
