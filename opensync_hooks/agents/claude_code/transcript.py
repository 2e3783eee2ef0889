"""The first pass over the copies of one transcript, or over a section of it."""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, starmap
from operator import itemgetter
from pathlib import Path

from opensync_hooks.agents.claude_code import DESCRIPTION, line_types, lines, unknown
from opensync_hooks.agents.claude_code.checkpoints import (
    CheckpointRecorder,
    ResumedRead,
)
from opensync_hooks.agents.claude_code.index import TranscriptIndex
from opensync_hooks.agents.claude_code.lines import Span
from opensync_hooks.agents.claude_code.messages import (
    IndexedFile,
    TranscriptMessages,
    charges,
    duration,
)
from opensync_hooks.agents.claude_code.projects import project_path
from opensync_hooks.agents.claude_code.thread import Thread
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.agents.source import NotResumableError, SavedCheckpoint
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Checkpoint, Json, Session, Skipped

_REST_SECONDS = 20
"""How long Claude Code may take to finish a line: no longer than the queue looks again for it."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The indexed copies of one transcript, up to their lengths at that time."""

    files: tuple[IndexedFile, ...]
    index: TranscriptIndex
    skipped: Mapping[Skipped, int]
    checkpoint: Checkpoint | None = None
    resumed: ResumedRead | None = None
    end: int = 0
    """Where the next section begins."""
    continues: bool = False
    ahead: TranscriptIndex | None = None
    """What the lines behind `end` say of folders: rules hold for all of them."""

    @property
    def is_being_written(self) -> bool:
        """Whether the rest of a torn last line may still come; at rest, the line is lost."""
        changed_at = max(file.changed_at for file in self.files)
        return lines.TORN in self.skipped and 0 <= time.time() - changed_at < _REST_SECONDS

    def session(self, session_id: str, thread: Thread) -> Session:
        is_partial = self.is_being_written
        indexed = tuple(thread.messages.values())
        resumed = self.resumed
        earlier: Json = resumed.saved.state if resumed else {}
        made_in = next((part.made_in for part in indexed[::-1] if part.made_in), None)
        folder = self.index.relocated_cwd or next(iter(thread.folders), None)
        return Session(
            id=session_id,
            agent=DESCRIPTION.name,
            messages=TranscriptMessages(self.files, indexed),
            charges=tuple(chain.from_iterable(map(charges, indexed))),
            agent_totals=tuple(thread.agent_totals),
            forked_from=made_in or earlier.get("forked_from"),
            project_path=project_path(folder, self.index.worktrees),
            model=thread.model,
            provider="anthropic" if (thread.model or "").startswith("claude") else None,
            created_at=thread.began_at,
            updated_at=thread.updated_at,
            duration_ms=sum(
                (duration(message) or 0 for message in indexed), earlier.get("duration_ms", 0)
            ),
            git_branch=thread.git_branch if thread.git_branch != "HEAD" else None,
            agent_version=thread.version,
            is_partial=is_partial,
            skipped={
                skipped: number
                for skipped, number in self.skipped.items()
                if not (is_partial and skipped == lines.TORN)
            },
            folders=self._folders(thread),
            is_resumed=resumed is not None,
            continues=self.continues,
            masked_before=TranscriptMessages(
                self.files, resumed.masked_before() if resumed else ()
            ),
            checkpoint=self.checkpoint,
        )

    def _folders(self, thread: Thread) -> tuple[str, ...]:
        """Return every folder that the session worked in, also the repository of a worktree."""
        index, ahead = self.index, self.ahead or TranscriptIndex()
        relocated = ahead.relocated_cwd or index.relocated_cwd
        named = (*thread.folders, *ahead.main.folders, relocated)
        folders, worktrees = dict.fromkeys(filter(None, named)), index.worktrees | ahead.worktrees
        projects = (project_path(folder, worktrees) for folder in folders)
        return tuple(dict.fromkeys(filter(None, (*folders, *projects))))


def load(
    paths: Sequence[Path],
    saved: SavedCheckpoint | None = None,
    section_bytes: int | None = None,
    *,
    is_subagent_file: bool,
) -> Transcript:
    """Index the copies of a transcript as one: each line once, in the order of their times.

    `section_bytes`: end at the first checkpoint behind so many, where it is a single file.
    """
    if len(paths) == 1:
        try:
            return _load_one(paths[0], saved, section_bytes, is_subagent_file=is_subagent_file)
        except NotResumableError:
            return _load_one(paths[0], None, is_subagent_file=is_subagent_file)
    index, skipped = TranscriptIndex(), Counter[Skipped]()
    files, scans = [], []
    with ExitStack() as stack:
        for path in paths:
            file = stack.enter_context(open_regular(path))
            end = os.fstat(file.fileno()).st_size
            scans.append(lines.scan(file, end, lambda reason: skipped.update((reason,))))
            files.append(IndexedFile.describing(path, file))
        for span, line in _merge(scans):
            index.add(span, line, is_subagent_file=is_subagent_file)
            skipped.update(unknown.skipped(line))
    for thread in (index.main, *index.sidechains.values()):
        thread.mark_undone()
    return Transcript(tuple(files), index, skipped)


def _load_one(
    path: Path,
    saved: SavedCheckpoint | None,
    section_bytes: int | None = None,
    end: int | None = None,
    *,
    is_subagent_file: bool,
) -> Transcript:
    """Index a transcript that has no copy, from its checkpoint on. Raises NotResumableError.

    `section_bytes`: end at the first checkpoint behind so many. `end`: where it is to end.
    """
    resumed = ResumedRead(saved) if saved else None
    index, skipped, offset = TranscriptIndex(), Counter[Skipped](), 0
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if resumed:
            index, skipped, offset = resumed.begin(file, size)
        recorder = CheckpointRecorder(index, skipped, resumed)
        stop = size if end is None else end
        section_end = size if section_bytes is None else offset + section_bytes
        scan = lines.scan(file, stop, lambda reason: skipped.update((reason,)), offset=offset)
        for span, line in scan:
            if resumed:
                resumed.check(line, index, is_subagent_file=is_subagent_file)
            boundary = recorder.move_to(span, line)
            if boundary == span.offset > section_end:
                stop = boundary
                break
            if boundary > section_end:  # operations on the queue lie between
                return _load_one(path, saved, end=boundary, is_subagent_file=is_subagent_file)
            recorder.add(span, line, is_subagent_file=is_subagent_file)
            skipped.update(unknown.skipped(line))
        checkpoint = recorder.finish(file, stop, size, is_subagent_file=is_subagent_file)
        files = (IndexedFile.describing(path, file),)
    return Transcript(files, index, skipped, checkpoint, resumed, stop, continues=stop < size)


def _merge(scans: Sequence[Iterable[tuple[Span, Json]]]) -> Iterator[tuple[Span, Json]]:
    """Yield the lines of all copies by their times, those of each copy in its own order."""
    timed = heapq.merge(*starmap(_timed, enumerate(scans)), key=itemgetter(0))
    return (record for _, record in timed)


def _timed(
    number: int, scan: Iterable[tuple[Span, Json]]
) -> Iterator[tuple[int, tuple[Span, Json]]]:
    """Yield each line with the latest time so far: times step back at times, and may be missing.

    `number`: that of the file among the copies of the transcript.
    """
    latest = 0
    for span, line in scan:
        latest = max(latest, line_types.timestamp(line) or 0)
        yield latest, (span._replace(file=number), line)
