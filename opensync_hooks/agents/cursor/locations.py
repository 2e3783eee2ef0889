"""The places that a session can be in, and the richest one that it is in.

    database     the editor's rows: everything the window shows
    graph        the model's own view, in the editor's database or in a chat of the command line:
                 results, but no times; what came before a compaction is gone from it
    transcript   text and calls; often hollow where there is a database

A lower place is asked only where the higher ones have nothing. Trouble with a place is an error, no
reason to go on to the next: a session is not delivered poor because the editor was writing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from opensync_hooks.agents.cursor import chats, composer, graph, projects, state_db, transcripts
from opensync_hooks.agents.cursor.conversation import Conversation, Step
from opensync_hooks.agents.cursor.paths import Roots
from opensync_hooks.agents.cursor.projects import Windows
from opensync_hooks.agents.cursor.transcripts import File
from opensync_hooks.agents.source import Located
from opensync_hooks.errors import SourceError


@dataclass(frozen=True, slots=True)
class Places:
    roots: Roots
    windows: Windows

    @classmethod
    def of(cls, roots: Roots) -> Places:
        storages = (path.parent.parent / "workspaceStorage" for path in roots.databases)
        return cls(roots, Windows(tuple(dict.fromkeys(storages)), roots.databases))

    def locate(self, session_id: str, cwd: str | None = None) -> Located | None:
        """Where the session lies, best place first, and a mark of all of its places together."""
        files = (*chats.files(self.roots.chats, session_id), *self._transcripts(session_id, cwd))
        in_files = (_of_files(session_id, _beside(path)) for path in files)
        marks = [*self._heads(session_id), *(one for one in in_files if one is not None)]
        if not marks:
            return None
        below = [file.path for file in transcripts.below(self.roots.projects, session_id)]
        marks += filter(None, (_of_files(session_id, below),))
        return replace(
            marks[0],
            changed_at=max(one.changed_at for one in marks),
            fingerprint=_digest("".join(one.fingerprint for one in marks)),
        )

    def _heads(self, session_id: str) -> Iterator[Located]:
        for path in self.roots.databases:
            head = state_db.head(path, session_id)
            if head:
                yield Located(session_id, path, head.changed_at, head.mark)

    def _transcripts(self, session_id: str, cwd: str | None) -> list[Path]:
        return [file.path for file in self._ordered(session_id, cwd)]

    def _ordered(self, session_id: str, cwd: str | None) -> list[File]:
        """Two where it was resumed from another folder: the hook's own first, then the newest."""
        slug = projects.slug(cwd) if cwd else None
        found = transcripts.files(self.roots.projects, session_id)
        return sorted(found, key=lambda one: (one.project != slug, -_changed_at(one.path)))

    def all(self) -> Iterator[Located]:
        """Every session that is not another one's subagent, and not empty.

        A database that cannot be read now stands for its sessions, and for those that only files
        seem to have, as they may be in it: to read it names the reason.
        """
        seen: set[str] = set()
        unreadable = False
        for path in self.roots.databases:
            try:
                heads = list(state_db.heads(path))
            except SourceError:
                unreadable = True
                yield Located(path.name, path, int(_changed_at(path) * 1000), "")
                continue
            # One whose parent is gone, or does not name it, is found nowhere but here.
            children = {one for head in heads if not head.is_empty for one in head.children}
            for head in heads:
                is_own = head.session_id not in children and head.session_id not in seen
                if is_own and not head.is_empty:
                    yield Located(head.session_id, path, head.changed_at, head.mark)
            seen.update(head.session_id for head in heads if not head.is_empty)
        if unreadable:
            return
        known = {transcripts.file_name(session_id) for session_id in seen}
        found = (self.locate(session_id) for session_id in self._in_files(known))
        yield from (one for one in found if one)

    def ask(self, database: Path) -> NoReturn:
        """Raises SourceError: why nobody can say what sessions are in it."""
        list(state_db.heads(database))
        raise SourceError(f"{database}: could not be read a moment ago.", "It is read again later.")

    def _in_files(self, known: set[str]) -> Iterator[str]:
        """Those that only files have. A subagent is its parent's, where that is still there."""
        files = list(transcripts.all_files(self.roots.projects))
        own = {session_id: None for session_id, _ in chats.all_files(self.roots.chats)}
        own |= {file.name: None for file in files if file.parent is None}
        alone = {
            file.name: None
            for file in files
            if file.parent and file.parent not in known | own.keys()
        }
        yield from (name for name in own | alone if transcripts.file_name(name) not in known)

    def richest(self, session_id: str, cwd: str | None = None) -> Conversation | None:
        """The session from the best place that says something. Raises SourceError."""
        hollow: Conversation | None = None
        for path in self.roots.databases:
            rows = state_db.rows(path, session_id)
            if rows is None:
                continue
            whole = composer.conversation(session_id, rows)
            if whole.says_something:
                return self._completed(whole, cwd)
            hollow = whole.over(hollow)
            blobs = state_db.graph(path, session_id)
            if blobs:
                told = graph.conversation(session_id, blobs).over(whole)
                return self._completed(self._with_transcript(told, cwd), cwd)
        found = self._of_files(session_id, cwd)
        found = found.over(hollow) if found else hollow
        return self._completed(found, cwd) if found else None

    def _of_files(self, session_id: str, cwd: str | None) -> Conversation | None:
        files = chats.files(self.roots.chats, session_id)
        files.sort(key=lambda path: (chats.cwd(path) != cwd, -_changed_at(path)))
        told = (chats.conversation(path, session_id) for path in files)
        best = next((one for one in told if one.says_something), None)
        return self._with_transcript(best, cwd) if best else self._transcript(session_id, cwd)

    def _transcript(self, session_id: str, cwd: str | None) -> Conversation | None:
        told = (
            transcripts.conversation(file, session_id, self._folders(cwd))
            for file in self._ordered(session_id, cwd)
        )
        found = list(told)
        return next((one for one in found if one.says_something), found[0] if found else None)

    def _folders(self, cwd: str | None) -> Iterator[str]:
        yield from (cwd,) if cwd else ()
        yield from self.windows.folders()

    def _with_transcript(self, told: Conversation, cwd: str | None) -> Conversation:
        """The graph with the turns that a compaction took out of it, from where they still are."""
        other = self._transcript(told.session_id, cwd or told.project_path)
        if other is None:
            return told
        return replace(told, steps=tuple(_joined(list(told.steps), other.steps))).over(other)

    def _completed(self, found: Conversation, cwd: str | None) -> Conversation:
        """With its folder, and with subagents that only have a transcript."""
        known = {transcripts.file_name(child) for child in found.children}
        below = transcripts.below(self.roots.projects, found.session_id)
        more = (file.name for file in below if file.name not in known)
        path = found.project_path or cwd or self.windows.folder_of(found.session_id)
        return replace(found, project_path=path, children=(*found.children, *more))


def lone(path: Path) -> Conversation | None:
    """The session in a file that lies outside of Cursor's folders; None for another kind."""
    if path.name == "store.db":
        return chats.conversation(path, path.parent.name)
    file = transcripts.of_path(path)
    return transcripts.conversation(file, file.name) if file else None


def locate_file(path: Path) -> Located | None:
    """The session that the file at this path holds."""
    file = transcripts.of_path(path)
    name = path.parent.name if path.name == "store.db" else file.name if file else None
    return _of_files(name, _beside(path)) if name and path.is_file() else None


def _of_files(session_id: str, paths: Iterable[Path]) -> Located | None:
    marks = []
    first, changed_at = None, 0
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        first = first or path
        marks.append((path.name, status.st_size, status.st_mtime_ns))
        changed_at = max(changed_at, status.st_mtime_ns // 1_000_000)
    return Located(session_id, first, changed_at, _digest(str(marks))) if first else None


def _beside(path: Path) -> list[Path]:
    """The file, and what changes instead of it: a database's log."""
    return [path, path.with_name(path.name + "-wal")] if path.suffix == ".db" else [path]


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _digest(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()[:32]


def _joined(told: list[Step], other: Iterable[Step]) -> Iterator[Step]:
    """The other's turns up to the first that both have, then `told`.

    A graph that lost its beginning counts its equal prompts anew, so the two are matched from the
    end; what only the transcript has is for a destination that has nothing of it.
    """
    turns, known = _turns(other), _turns(told)
    place = len(turns)
    same: dict[int, Step] = {}
    for index in range(len(known) - 1, -1, -1):
        wanted = _words(known[index])
        found = next((i for i in range(place - 1, -1, -1) if _words(turns[i]) == wanted), None)
        if wanted and found is not None:
            place, same[index] = found, turns[found][0]
    for turn in turns[:place] if same else ():
        yield from (replace(step, spare=True) for step in turn)
    for index, turn in enumerate(known):
        yield from _as_said(turn, same.get(index))


def _turns(steps: Iterable[Step]) -> list[list[Step]]:
    """Each prompt with what follows it."""
    found: list[list[Step]] = []
    for step in steps:
        if step.role == "user" or not found:
            found.append([])
        found[-1].append(step)
    return found


def _words(turn: list[Step]) -> str:
    return " ".join(turn[0].text.split()) if turn[0].role == "user" else ""


def _as_said(turn: list[Step], prompt: Step | None) -> Iterator[Step]:
    """The turn under the name, and at the time, that the same prompt has in the transcript."""
    for step in turn:
        old, _, rest = step.id.partition("/")
        at = step.created_at or (prompt.created_at if prompt and not rest else None)
        name = "/".join(filter(None, (prompt.id, rest))) if prompt and old else step.id
        yield replace(step, id=name, created_at=at)
