"""Finds the sessions on this machine, in the editor's database and in files.

A location's fingerprint covers all copies of the session and its subagents, in any order, so that
looking for one session and listing them all give the same fingerprint.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from opensync_hooks.agents.cursor import chats, state_db, transcripts
from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.state_db import ComposerSummary
from opensync_hooks.agents.cursor.transcripts import TranscriptFile
from opensync_hooks.agents.source import Located
from opensync_hooks.errors import SourceError

Summaries = list[tuple[Path, ComposerSummary]]
"""What the editor's databases hold of one session."""


def changed_at(path: Path) -> float:
    """Return the time of a file's last change in seconds; 0 for a file that is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def locate(paths: CursorPaths, session_id: str) -> Located | None:
    """Find all copies of a session. Raises SourceError if a database cannot be read."""
    entries = ((path, state_db.read_summary(path, session_id)) for path in paths.databases)
    summaries = [(path, summary) for path, summary in entries if summary]
    files = SessionFiles(
        chats=list(chats.find_databases(paths.chats, session_id)),
        transcripts=transcripts.find_files(paths.projects, session_id),
        subagents=transcripts.subagent_files(paths.projects, session_id),
    )
    return _combined(session_id, summaries, files)


def locate_file(path: Path) -> Located | None:
    """Return the session that the file at this path holds; None for a file of another kind."""
    if path.name == chats.DATABASE_NAME:
        return _combined(path.parent.name, [], SessionFiles(chats=[path]))
    file = transcripts.from_path(path)
    return _combined(file.name, [], SessionFiles(transcripts=[file])) if file else None


def all_sessions(paths: CursorPaths) -> Iterator[Located]:
    """Yield every session that is neither empty nor another session's subagent.

    A database that cannot be read is yielded in place of its sessions: reading it gives the reason.
    Sessions in files are then left out, because the database may hold richer copies of them.
    """
    summaries: dict[str, Summaries] = defaultdict(list)
    unreadable: list[Path] = []
    for path in paths.databases:
        try:
            for summary in list(state_db.read_summaries(path)):
                if not summary.is_empty:
                    summaries[summary.session_id].append((path, summary))
        except SourceError:
            unreadable.append(path)
            yield Located(path.name, path, int(changed_at(path) * 1000), "")
    index = _index_files(paths)
    children = {
        child for copies in summaries.values() for _, copy in copies for child in copy.children
    }
    for session_id, copies in summaries.items():
        # A subagent whose parent is gone, or does not list it, is only reached from here.
        if session_id not in children:
            files = index.get(transcripts.file_name(session_id), SessionFiles())
            located = _combined(session_id, copies, files)
            if located:
                yield located
    if not unreadable:
        in_databases = {transcripts.file_name(session_id) for session_id in summaries}
        yield from _in_files_only(index, in_databases)


def raise_unreadable(database: Path) -> None:
    """Raise the SourceError that names why this database cannot be read."""
    list(state_db.read_summaries(database))
    raise SourceError(f"{database}: could not be read a moment ago.", "It is read again later.")


@dataclass(slots=True)
class SessionFiles:
    """One session's files, without the editor's databases."""

    chats: list[Path] = field(default_factory=list)
    transcripts: list[TranscriptFile] = field(default_factory=list)
    subagents: list[TranscriptFile] = field(default_factory=list)


def _index_files(paths: CursorPaths) -> dict[str, SessionFiles]:
    """Return what `locate` would find of every session, by file name, in one pass."""
    index: dict[str, SessionFiles] = defaultdict(SessionFiles)
    for path in chats.find_databases(paths.chats):
        index[path.parent.name].chats.append(path)
    for file in transcripts.all_files(paths.projects):
        entry = index[file.name]
        if file.folder not in [other.folder for other in entry.transcripts]:
            entry.transcripts.append(file)
        if file.parent:
            siblings = index[file.parent].subagents
            if file.name not in [sibling.name for sibling in siblings]:
                siblings.append(file)
    return index


def _in_files_only(index: dict[str, SessionFiles], in_databases: set[str]) -> Iterator[Located]:
    """Yield the sessions that no database has, without the subagents of those that exist."""
    reachable = in_databases | {
        name
        for name, files in index.items()
        if files.chats or any(file.parent is None for file in files.transcripts)
    }
    for name, files in index.items():
        is_subagent = not files.chats and all(file.parent for file in files.transcripts)
        has_parent = any(file.parent in reachable for file in files.transcripts)
        if name not in in_databases and not (is_subagent and has_parent):
            located = _combined(name, [], files)
            if located:
                yield located


def _combined(session_id: str, summaries: Summaries, files: SessionFiles) -> Located | None:
    """Return the location of all copies together; None if there is none but subagents."""
    logs = [path.with_name(path.name + "-wal") for path in files.chats]
    newest_first = sorted((file.path for file in files.transcripts), key=changed_at, reverse=True)
    own = list(_stats([*files.chats, *logs, *newest_first]))
    if not summaries and not own:
        return None
    stats = [*own, *_stats(file.path for file in files.subagents)]
    marks = [f"{path.name} {status.st_size} {status.st_mtime_ns}" for path, status in stats]
    marks += [summary.mark for _, summary in summaries]
    times = [status.st_mtime_ns // 1_000_000 for _, status in stats]
    times += [summary.changed_at for _, summary in summaries]
    digest = hashlib.sha256("\n".join(sorted(marks)).encode("utf-8", "surrogatepass"))
    return Located(
        session_id=session_id,
        path=summaries[0][0] if summaries else own[0][0],
        changed_at=max(times),
        fingerprint=digest.hexdigest()[:32],
    )


def _stats(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        with suppress(OSError):
            yield path, path.stat()
