"""The folder that a session belongs to: from its own document, else from the windows' lists."""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor.conversation import Conversation
from opensync_hooks.agents.json_access import (
    as_dict,
    get_dict,
    get_dicts,
    get_list,
    get_str,
    get_strs,
)
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.agents.settings_files import jsonc_edit
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Attachment, Json, Part, ToolCall

_MAX_BYTES = 1 << 20
_MAX_PATH_TEXT = 4_000
_WINDOW_FILE = "workspace.json"
_PANE = "workbench.panel.composerChatViewPane"
_VIEW = "workbench.panel.aichat.view."
_DRIVE = re.compile(r"/([A-Za-z]):(?:/|\Z)")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]+")


def window_path(document: Json) -> str | None:
    """Return what the session's window was opened on: a folder, or a file that lists folders."""
    workspace = get_dict(document, "workspaceIdentifier")
    return uri_path(workspace.get("uri") or workspace.get("configPath"))


def repositories(document: Json) -> tuple[str, ...]:
    paths = (get_str(entry, "repoPath") for entry in get_dicts(document, "trackedGitRepos"))
    return tuple(path for path in map(uri_path, paths) if path)


def folders_of(path: str) -> tuple[str, ...]:
    """Return the folders that a workspace file lists; any other path is the folder itself."""
    if not path.endswith((".code-workspace", "workspace.json")):
        return (path,)
    try:
        with open_regular(Path(path)) as file:
            value = jsonc_edit.parse(file.read(_MAX_BYTES).decode("utf-8-sig", "replace"))
    except (SourceError, OSError, ValueError, RecursionError):
        return ()
    base = os.path.dirname(path)  # noqa: PTH120 - Path would not resolve `..`
    paths = (
        uri_path(entry.get("uri")) or get_str(entry, "path")
        for entry in get_dicts(value, "folders")
    )
    absolute = (os.path.normpath(os.path.join(base, path)) for path in paths if path)  # noqa: PTH118
    return tuple(dict.fromkeys(absolute))


def resolve(conversation: Conversation, roots: Iterable[str]) -> Conversation:
    """Return the conversation with its project, and with every folder that was open in it.

    `roots`: the folders of its window from other places, best first. The project is the one of the
    window's folders in which the conversation worked, else the first.
    """
    window = (conversation.project_path,) if conversation.project_path else ()
    groups = (window, conversation.folders, tuple(roots))
    listed = [tuple(folder for path in group for folder in folders_of(path)) for group in groups]
    candidates = tuple(dict.fromkeys(next(filter(None, listed), ())))
    everything = dict.fromkeys(path for paths in (*listed, *groups) for path in paths)
    project = _worked_in(conversation, candidates) if len(candidates) > 1 else None
    project = project or next(iter(candidates), None)
    return replace(conversation, project_path=project, folders=tuple(everything))


def _worked_in(conversation: Conversation, folders: Iterable[str]) -> str | None:
    """Return the folder that calls and attachments name most often; None if they name none."""
    nested_first = sorted(folders, key=len, reverse=True)
    counts: Counter[str] = Counter()
    for step in conversation.steps:
        texts = [text for part in step.parts for text in _path_texts(part)]
        for text in texts:
            counts.update([path for path in nested_first if _names_path(text, path)][:1])
    return max(counts, key=counts.__getitem__, default=None)


def _path_texts(part: Part) -> Iterator[str]:
    if isinstance(part, Attachment):
        yield part.name
    values = [part.arguments] if isinstance(part, ToolCall) else []
    for value in values:  # grows while it is walked
        if isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str):
            yield value[:_MAX_PATH_TEXT]


def _names_path(text: str, folder: str) -> bool:
    """Whether the text names the folder or a path in it, maybe relative to the window."""
    plain, plain_folder = text.replace("\\", "/"), folder.replace("\\", "/")
    name = plain_folder.rpartition("/")[2]
    is_inside = re.search(rf"{re.escape(plain_folder)}(?![\w.-])", plain)
    return bool(is_inside) or plain.startswith(f"{name}/")


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
        return _native(uri) or None
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
        """Yield everything that a window was ever opened on."""
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
        with open_regular(window / _WINDOW_FILE) as file:
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
        session_id = get_str(header, "composerId")
        folder = window_path(header) or next(iter(repositories(header)), None)
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
