"""Reads a session from the richest of its copies.

    database       the editor's rows: everything that the window shows
    graph          the model's own view, in the editor's database or in a chat of the command line:
                   with results, but without times, and without what preceded a compaction
    transcript     text and calls; often empty where there is a database

A poorer copy is read only if the richer ones have nothing, or cannot be read. Of a copy that may be
readable later, the session is then partial: a session must not stay poorer because the editor was
writing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from opensync_hooks.agents.cursor import (
    chats,
    compaction,
    composer,
    graph,
    projects,
    state_db,
    transcripts,
)
from opensync_hooks.agents.cursor.conversation import Conversation
from opensync_hooks.agents.cursor.locations import changed_at
from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.state_db import ComposerRows
from opensync_hooks.agents.cursor.windows import EditorWindows
from opensync_hooks.agents.source import UNREAD_COPY
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import DamagedSourceError, SourceError


@dataclass(frozen=True, slots=True)
class SessionCopies:
    """All copies of a user's sessions. Methods raise SourceError."""

    paths: CursorPaths
    windows: EditorWindows

    @classmethod
    def at(cls, paths: CursorPaths) -> SessionCopies:
        return cls(paths, EditorWindows(paths.window_storages, paths.databases))

    def read(self, session_id: str, roots: tuple[str, ...] = ()) -> Conversation | None:
        """Return the richest copy; `roots`: the window's folders as hooks reported them."""
        cwd = next(iter(roots), None)
        empty: Conversation | None = None
        failures: list[SourceError] = []
        for path in self.paths.databases:
            try:
                conversation = self._read_database(path, session_id, cwd)
            except SourceError as error:
                failures.append(error)
                continue
            if conversation and conversation.has_content:
                return self._completed(conversation, roots)
            empty = conversation.with_missing_from(empty) if conversation else empty
        in_files = self._read_chat(session_id, cwd) or self._read_transcript(session_id, cwd)
        in_files = in_files or (None if empty else self._read_window(session_id))
        if failures and not (in_files and in_files.has_content):
            raise failures[0]
        best = in_files.with_missing_from(empty) if in_files else empty
        return self._completed(_without(best, failures), roots) if best else None

    def _read_database(self, path: Path, session_id: str, cwd: str | None) -> Conversation | None:
        rows = state_db.read_rows(path, session_id)
        if rows is None:
            return None
        conversation = composer.to_conversation(session_id, rows)
        blob_graph = None if conversation.has_content else state_db.read_graph(path, session_id)
        if blob_graph is None:
            return conversation
        view = graph.to_conversation(session_id, blob_graph).with_missing_from(conversation)
        return self._restored(view, cwd)

    def _read_window(self, session_id: str) -> Conversation | None:
        for session in self.windows.old_sessions():
            if session.session_id == session_id:
                document = json.dumps(session.document).encode()
                rows = ComposerRows(document, {}, unknown=session.unknown)
                return composer.to_conversation(session_id, rows)
        return None

    def _read_chat(self, session_id: str, cwd: str | None) -> Conversation | None:
        """Return the chat that has content: of two, the one in the hook's folder, or the newer."""
        databases = chats.find_databases(self.paths.chats, session_id)
        ordered = sorted(
            databases, key=lambda path: (chats.read_cwd(path) != cwd, -changed_at(path))
        )
        candidates = (chats.read_conversation(path, session_id) for path in ordered)
        chat = next((candidate for candidate in candidates if candidate.has_content), None)
        return self._restored(chat, cwd) if chat else None

    def _read_transcript(self, session_id: str, cwd: str | None) -> Conversation | None:
        """Return the transcript that has content, by the same order; else one that has none."""
        slug = projects.slug(cwd) if cwd else None
        files = transcripts.find_files(self.paths.projects, session_id)
        files.sort(key=lambda file: (file.project != slug, -changed_at(file.path)))
        notes = chats.read_notes(self.paths.chats, session_id) if files else None
        empty: Conversation | None = None
        for file in files:
            folders = self._possible_folders(cwd)
            conversation = transcripts.read_conversation(file, session_id, folders)
            conversation = conversation.with_missing_from(notes)
            if conversation.has_content:
                return conversation
            empty = empty or conversation
        return empty

    def _possible_folders(self, cwd: str | None) -> Iterator[str]:
        yield from (cwd,) if cwd else ()
        yield from self.windows.folders()

    def _restored(self, view: Conversation, cwd: str | None) -> Conversation:
        transcript = self._read_transcript(view.session_id, cwd or view.project_path)
        return compaction.restore(view, transcript) if transcript else view

    def _completed(self, conversation: Conversation, roots: tuple[str, ...]) -> Conversation:
        """Add the session's folders, and the subagents of which there is only a transcript."""
        session_id, children = conversation.session_id, conversation.children
        listed = {transcripts.file_name(child) for child in children}
        files = transcripts.subagent_files(self.paths.projects, session_id)
        unlisted = (file.name for file in files if file.name not in listed)
        if not (conversation.project_path or conversation.folders or roots):
            roots = tuple(filter(None, (self.windows.folder_of(session_id),)))
        resolved = projects.resolve(conversation, roots)
        return replace(resolved, children=(*children, *unlisted))


def _without(conversation: Conversation, failures: list[SourceError]) -> Conversation:
    """Return the copy as one that may be the poorer, because others could not be read."""
    if not failures:
        return conversation
    is_final = all(isinstance(error, DamagedSourceError) for error in failures)
    conversation.skipped[UNREAD_COPY] += len(failures)
    return replace(conversation, is_provisional=not is_final)


def read_single_file(path: Path) -> Conversation | None:
    """Return the session in a file outside of Cursor's folders; None for a file of another kind."""
    if path.name == chats.DATABASE_NAME:
        return projects.resolve(chats.read_conversation(path, path.parent.name), ())
    file = transcripts.from_path(path)
    return transcripts.read_conversation(file, file.name) if file else None
