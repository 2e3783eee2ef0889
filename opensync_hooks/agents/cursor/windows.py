"""The editor's windows: their folders, the sessions that they list, and those that they hold.

`workspaceStorage/<window>/workspace.json` names what the window was opened on. `state.vscdb` beside
it lists sessions, and up to January 2025 it held them: the tabs of the chat, and composers.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor import unknown
from opensync_hooks.agents.cursor.projects import repositories, uri_path, window_path
from opensync_hooks.agents.json_access import as_dict, get_dicts, get_list, get_str, get_strs
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import DamagedSourceError, SourceError
from opensync_hooks.model import Json, Skipped

_MAX_BYTES = 1 << 20
_WINDOW_FILE = "workspace.json"
_PANE = "workbench.panel.composerChatViewPane"
_VIEW = "workbench.panel.aichat.view."
_HAS_ITEMS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'ItemTable'"
_COMPOSERS = "SELECT value FROM ItemTable WHERE key = 'composer.composerData'"
_TABS = "SELECT value FROM ItemTable WHERE key = 'workbench.panel.aichat.view.aichat.chatdata'"


@dataclass(frozen=True, slots=True)
class WindowSession:
    """A session in a window's database; without an id if the database is damaged."""

    session_id: str
    path: Path
    document: Json = field(repr=False)
    unknown: Counter[Skipped] = field(default_factory=Counter)


@dataclass(slots=True)
class EditorWindows:
    """The editor's windows: the folder that each was opened on, and the sessions it listed."""

    storages: tuple[Path, ...]
    """Folders named `workspaceStorage`."""
    databases: tuple[Path, ...] = ()
    """The editor's own, in which version 3.0 listed the sessions of all windows."""
    _folders_by_session: dict[str, str] | None = None

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

    def old_sessions(self) -> Iterator[WindowSession]:
        """Yield the sessions that versions up to January 2025 kept in their windows' databases.

        Raises nothing: a damaged database is yielded without an id.
        """
        for storage in self.storages:
            with suppress(OSError):
                for window in sorted(storage.iterdir()):
                    yield from _old_sessions(window)

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


def _old_sessions(window: Path) -> Iterator[WindowSession]:
    path = window / "state.vscdb"
    try:
        documents, unknown_keys = (
            sqlite_snapshot.read(path, _old_documents) if path.is_file() else ([], Counter())
        )
    except DamagedSourceError:
        yield WindowSession("", path, {})
        return
    except SourceError:
        return
    folder = _opened_folder(window) if documents else None
    workspace = {"workspaceIdentifier": {"uri": folder}} if folder else {}
    for document in documents:
        session_id = get_str(document, "composerId")
        if session_id:
            yield WindowSession(session_id, path, {**workspace, **document}, unknown_keys.copy())


def _old_documents(db: sqlite3.Connection) -> tuple[list[Json], Counter[Skipped]]:
    """Return tabs and composers that hold their own messages, as documents of version 1.

    The keys beside them that may hold others, and that no version has had, are counted.
    """
    if db.execute(_HAS_ITEMS).fetchone() is None:
        return [], Counter()
    composers = get_dicts(_first_value(db, _COMPOSERS), "allComposers")
    tabs = get_dicts(_first_value(db, _TABS), "tabs")
    listed = [composer for composer in composers if get_list(composer, "conversation")]
    documents = listed + [_from_tab(tab) for tab in tabs if get_list(tab, "bubbles")]
    return documents, unknown.in_window(db) if documents else Counter()


def _from_tab(tab: Json) -> Json:
    bubbles = [
        {
            "type": 1 if bubble.get("type") == "user" else 2,
            "bubbleId": get_str(bubble, "id") or get_str(bubble, "bubbleId"),
            "text": get_str(bubble, "text") or get_str(bubble, "rawText"),
            "richText": bubble.get("richText") or bubble.get("initText"),
            "modelInfo": {"modelName": get_str(bubble, "modelType")},
            "createdAt": bubble.get("createdAt"),
        }
        for bubble in get_dicts(tab, "bubbles")
    ]
    return {
        "composerId": get_str(tab, "tabId"),
        "name": get_str(tab, "chatTitle"),
        "createdAt": tab.get("createdAt") or tab.get("lastSendTime"),
        "lastUpdatedAt": tab.get("lastSendTime"),
        "conversation": bubbles,
    }


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
    if db.execute(_HAS_ITEMS).fetchone() is None:
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
    document = _first_value(db, _COMPOSERS)
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
