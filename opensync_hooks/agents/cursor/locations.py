"""Finds the sessions on this machine, in the editor's database and in files.

A fingerprint covers all copies of a session and of its subagents, in any order, so that looking for
one session and listing all of them give the same one.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor import chats, session_list, state_db, transcripts
from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.state_db import ComposerSummary
from opensync_hooks.agents.cursor.transcripts import TranscriptFile
from opensync_hooks.agents.cursor.windows import EditorWindows, WindowSession
from opensync_hooks.agents.source import Located
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import SourceError

DATABASE_NAME = "state.vscdb"


def changed_at(path: Path) -> float:
    """Return the time of a file's last change in seconds; 0 for a file that is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@dataclass(slots=True)
class SessionFiles:
    """Where the copies of one session are, and the transcripts of its subagents."""

    session_id: str
    summaries: list[tuple[Path, ComposerSummary]] = field(default_factory=list)
    """From each database of the editor that has the session."""
    chats: list[Path] = field(default_factory=list)
    transcripts: list[TranscriptFile] = field(default_factory=list)
    subagents: list[TranscriptFile] = field(default_factory=list)

    @property
    def is_own(self) -> bool:
        """Whether any copy is that of a session, not of a subagent below its parent."""
        is_in_files = self.chats or any(file.parent is None for file in self.transcripts)
        return bool(self.summaries or is_in_files)

    def location(self) -> Located | None:
        """Return the location of all copies together; None if there is none but subagents."""
        logs = [path.with_name(path.name + "-wal") for path in self.chats]
        paths = sorted((file.path for file in self.transcripts), key=changed_at, reverse=True)
        stats = list(_stats([*self.chats, *logs, *paths]))
        if not self.summaries and not stats:
            return None
        path = self.summaries[0][0] if self.summaries else stats[0][0]
        stats += _stats(file.path for file in self.subagents)
        marks = [f"{file.name} {status.st_size} {status.st_mtime_ns}" for file, status in stats]
        marks += [summary.mark for _, summary in self.summaries]
        times = [status.st_mtime_ns // 1_000_000 for _, status in stats]
        times += [summary.changed_at for _, summary in self.summaries]
        digest = hashlib.sha256("\n".join(sorted(marks)).encode("utf-8", "surrogatepass"))
        return Located(self.session_id, path, max(times), digest.hexdigest()[:32])


def locate(paths: CursorPaths, session_id: str) -> Located | None:
    """Find all copies of a session. Raises SourceError if it may be in an unreadable database."""
    summaries: list[tuple[Path, ComposerSummary]] = []
    failure: SourceError | None = None
    for path in paths.databases:
        try:
            summary = state_db.read_summary(path, session_id)
        except SourceError as error:
            failure = failure or error
            continue
        if summary:
            summaries.append((path, summary))
    located = SessionFiles(
        session_id,
        summaries=summaries,
        chats=list(chats.find_databases(paths.chats, session_id)),
        transcripts=transcripts.find_files(paths.projects, session_id),
        subagents=transcripts.subagent_files(paths.projects, session_id),
    ).location()
    if located is None and failure:
        raise failure
    return located


def locate_in_windows(paths: CursorPaths, session_id: str) -> Located | None:
    """Find a session of 2023 to 2025, which no hook ever names, in its window's database."""
    for session in EditorWindows(paths.window_storages).old_sessions():
        if session.session_id == session_id:
            return SessionFiles(session_id, [_window_summary(session)]).location()
    return None


def _window_summary(session: WindowSession) -> tuple[Path, ComposerSummary]:
    mark = hashlib.sha256(json.dumps(session.document).encode()).hexdigest()
    changed = state_db.changed_at(session.document)
    return session.path, ComposerSummary(session.session_id, mark, changed, is_empty=False)


def locate_file(path: Path) -> Located | None:
    """Return the session that the file at this path holds; None for a file of another kind."""
    if path.name == chats.DATABASE_NAME:
        return SessionFiles(path.parent.name, chats=[path]).location()
    file = transcripts.from_path(path)
    return SessionFiles(file.name, transcripts=[file]).location() if file else None


def all_sessions(paths: CursorPaths) -> Iterator[Located]:
    """Yield every session that is neither empty nor another session's subagent.

    A database that cannot be read is yielded in place of its sessions: reading it gives the reason.
    """
    sessions = _index_files(paths)
    for path in paths.databases:
        try:
            for summary in list(session_list.read_summaries(path)):
                if not summary.is_empty:
                    session = _entry(sessions, transcripts.file_name(summary.session_id))
                    session.session_id = summary.session_id
                    session.summaries.append((path, summary))
        except SourceError:
            yield Located(path.name, path, int(changed_at(path) * 1000), "")
    yield from _add_window_sessions(paths, sessions)
    summaries = (summary for session in sessions.values() for _, summary in session.summaries)
    children = {transcripts.file_name(child) for summary in summaries for child in summary.children}
    own = {name for name, session in sessions.items() if session.is_own}
    for name, session in sessions.items():
        has_parent = name not in own and any(file.parent in own for file in session.transcripts)
        # A subagent whose parent is gone, or does not list it, is only reached from here.
        if name not in children and not has_parent:
            located = session.location()
            if located:
                yield located


def _add_window_sessions(
    paths: CursorPaths, sessions: dict[str, SessionFiles]
) -> Iterator[Located]:
    """Add the sessions of windows that are nowhere else; yield the databases that are damaged."""
    for old in EditorWindows(paths.window_storages).old_sessions():
        entry = _entry(sessions, transcripts.file_name(old.session_id)) if old.session_id else None
        if entry is None:
            yield Located(old.path.name, old.path, int(changed_at(old.path) * 1000), "")
        elif not entry.summaries:
            entry.session_id = old.session_id
            entry.summaries.append(_window_summary(old))


def raise_unreadable(database: Path) -> None:
    """Raise the SourceError that names why this database cannot be read."""
    list(session_list.read_summaries(database))
    if database.parent.name != "globalStorage":  # whose table holds the login
        sqlite_snapshot.read(database, _count_items)
    raise SourceError(f"{database}: could not be read a moment ago.", "It is read again later.")


def _count_items(db: sqlite3.Connection) -> object:
    """Read a window's own table, which is where its sessions are."""
    return db.execute("SELECT count(*), total(length(value)) FROM ItemTable").fetchone()


def _index_files(paths: CursorPaths) -> dict[str, SessionFiles]:
    """Return what `locate` would find of every session, by file name, in one pass."""
    sessions: dict[str, SessionFiles] = {}
    for path in chats.find_databases(paths.chats):
        _entry(sessions, path.parent.name).chats.append(path)
    for file in transcripts.all_files(paths.projects):
        session = _entry(sessions, file.name)
        if file.folder not in [other.folder for other in session.transcripts]:
            session.transcripts.append(file)
        if file.parent:
            siblings = _entry(sessions, file.parent).subagents
            if file.name not in [sibling.name for sibling in siblings]:
                siblings.append(file)
    return sessions


def _entry(sessions: dict[str, SessionFiles], name: str) -> SessionFiles:
    return sessions.setdefault(name, SessionFiles(name))


def _stats(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        with suppress(OSError):
            yield path, path.stat()
