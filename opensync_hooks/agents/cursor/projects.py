"""The folder that a session was about: out of its own document, else out of the windows' lists."""

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
from opensync_hooks.agents.json_access import Value, items, part, record, string, strings
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.errors import SourceError

_LONGEST = 1 << 20
_PANE = "workbench.panel.composerChatViewPane"
_VIEW = "workbench.panel.aichat.view."
_DRIVE = re.compile(r"/([A-Za-z]):(?:/|\Z)")
_NO_ALNUM = re.compile(r"[^A-Za-z0-9]+")


def of_document(document: Value) -> str | None:
    """The folder that a session's document names: its window's, else its first repository's."""
    identifier = part(document, "workspaceIdentifier")
    path = path_of(identifier.get("uri") or identifier.get("configPath"))
    repositories = (record(one) for one in items(document, "trackedGitRepos"))
    return path or next((string(one, "repoPath") for one in repositories), None)


def branch_of(document: Value) -> str | None:
    for repository in items(document, "trackedGitRepos"):
        for branch in items(record(repository), "branches"):
            name = string(record(branch), "branchName")
            if name:
                return name
    return None


def path_of(uri: Any) -> str | None:
    """The path in a URI, as text or as the editor splits it; of a remote one, the path there."""
    if isinstance(uri, dict):
        plain = string(uri, "fsPath") or string(uri, "path")
        return _native(plain) if plain else path_of(string(uri, "external"))
    if not isinstance(uri, str):
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if not parts.scheme or len(parts.scheme) == 1:  # one letter is a drive
        return uri or None
    path = unquote(parts.path)
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        return "\\\\" + parts.netloc + path.replace("/", "\\")
    return _native(path) or None


def _native(path: str) -> str:
    """`/c:/Users` as Windows writes it, with the drive as the editor does."""
    drive = _DRIVE.match(path)
    return drive[1].lower() + ":" + path[3:].replace("/", "\\") if drive else path


def slug(path: str) -> str:
    """The name of a project's folder below `~/.cursor/projects`; it cannot be turned back."""
    if re.match(r"[A-Za-z]:", path):
        path = path[0].lower() + path[1:]
    return _NO_ALNUM.sub("-", path).strip("-")


@dataclass(slots=True)
class Windows:
    """The editor's windows: which folder each was opened on, and which sessions it listed."""

    storages: tuple[Path, ...]
    """Folders `workspaceStorage`."""
    databases: tuple[Path, ...] = ()
    """The editor's own, whose version 3.0 listed the sessions of all windows."""
    _folder_of: dict[str, str] | None = field(default=None, init=False)

    def folder_of(self, session_id: str) -> str | None:
        """Raises nothing: a window that cannot be read now says nothing now."""
        if self._folder_of is None:
            self._folder_of = dict(entry for path in self.databases for entry in _heads(path))
            for listed in zip(*map(_listing, self._opened()), strict=True):
                for session_ids, path in listed:
                    for one in session_ids:
                        self._folder_of.setdefault(one, path)
        return self._folder_of.get(session_id)

    def folders(self) -> Iterator[str]:
        """All that any window was ever opened on."""
        yield from (path for _, path in self._opened())

    def _opened(self) -> Iterator[tuple[Path, str]]:
        for storage in self.storages:
            with suppress(OSError):
                for window in sorted(storage.iterdir()):
                    path = _opened_on(window)
                    if path:
                        yield window, path


def _heads(database: Path) -> list[tuple[str, str]]:
    """The folder of each session in the list of version 3.0, which is never complete."""
    with suppress(SourceError):
        found = sqlite_snapshot.read(database, _listed_heads) if database.is_file() else []
        named = ((string(head, "composerId"), of_document(head)) for head in map(record, found))
        return [(one, path) for one, path in named if one and path]
    return []


def _listed_heads(db: sqlite3.Connection) -> list[Any]:
    """By this one key: the login lies in the same table, and no other row of it is ever asked."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'ItemTable'"
    if db.execute(query).fetchone() is None:
        return []
    query = "SELECT value FROM ItemTable WHERE key = 'composer.composerHeaders'"
    return items(record((db.execute(query).fetchone() or (None,))[0]), "allComposers")


def _opened_on(window: Path) -> str | None:
    try:
        with open_regular(window / "workspace.json") as file:
            value = record(file.read(_LONGEST))
    except SourceError:
        return None
    return path_of(value.get("folder") or value.get("workspace"))


Listed = tuple[set[str], str]


def _listing(opened: tuple[Path, str]) -> tuple[Listed, Listed, Listed]:
    """The sessions that a window lists, shows, and had open last: the earlier one is the surer."""
    window, path = opened
    database = window / "state.vscdb"
    found: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    with suppress(SourceError):
        found = sqlite_snapshot.read(database, _sessions)
    return (found[0], path), (found[1], path), (found[2], path)


def _sessions(db: sqlite3.Connection) -> tuple[set[str], set[str], set[str]]:
    """A window's own table holds no login, as the editor's does; only these keys are read."""
    query = "SELECT value FROM ItemTable WHERE key = 'composer.composerData'"
    document = record((db.execute(query).fetchone() or (None,))[0])
    heads = (record(one) for one in items(document, "allComposers"))
    listed = {one for one in (string(head, "composerId") for head in heads) if one}
    query = f"SELECT value FROM ItemTable WHERE key >= '{_PANE}.' AND key < '{_PANE}/'"  # noqa: S608
    panes = (record(row[0]) for row in db.execute(query))
    shown = {key.removeprefix(_VIEW) for pane in panes for key in pane if key.startswith(_VIEW)}
    last = {*strings(document, "selectedComposerIds"), *strings(document, "lastFocusedComposerIds")}
    return listed, shown, last
