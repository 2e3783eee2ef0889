"""A transcript file as sessions: the conversation, then each subagent that it started."""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain
from operator import itemgetter
from pathlib import Path

from opensync_hooks.agents import titles
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
from opensync_hooks.agents.claude_code.session_files import TranscriptSet
from opensync_hooks.agents.claude_code.thread import Thread
from opensync_hooks.agents.json_access import as_dict, get_str
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.agents.source import NotResumableError, SavedCheckpoint
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Checkpoint, Json, Session, Skipped

_MAX_META_BYTES = 1 << 20
_REST_SECONDS = 20
"""How long Claude Code may take to finish a line: no longer than the queue looks again for it."""


@dataclass(frozen=True, slots=True)
class _Transcript:
    """The indexed copies of one transcript, up to their lengths at that time."""

    files: tuple[IndexedFile, ...]
    index: TranscriptIndex
    skipped: Mapping[Skipped, int]
    checkpoint: Checkpoint | None = None
    resumed: ResumedRead | None = None

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
            masked_before=TranscriptMessages(
                self.files, resumed.masked_before() if resumed else ()
            ),
            checkpoint=self.checkpoint,
        )

    def _folders(self, thread: Thread) -> tuple[str, ...]:
        """Return every folder that the session worked in, also the repository of a worktree."""
        folders = dict.fromkeys(filter(None, (*thread.folders, self.index.relocated_cwd)))
        projects = (project_path(folder, self.index.worktrees) for folder in folders)
        return tuple(dict.fromkeys(filter(None, (*folders, *projects))))


def read(
    files: TranscriptSet,
    checkpoint_of: Callable[[str], SavedCheckpoint | None],
    is_due: Callable[[str, str], bool],
) -> Iterator[Session]:
    """Yield the session, unless its own transcript is gone, then its subagents and theirs."""
    session_id = files.located.session_id
    if files.transcripts:
        saved = checkpoint_of(session_id)
        yield from _main(session_id, _load(files.transcripts, saved, is_subagent_file=False))
    for paths in files.subagents.values():
        subagent_id = _subagent_id(paths, session_id)
        if is_due(subagent_id, _fingerprint(paths)):
            saved = checkpoint_of(subagent_id)
            yield _subagent(_load(paths, saved, is_subagent_file=True), paths, session_id)


def read_lone_subagent(files: TranscriptSet) -> Iterator[Session]:
    """Yield the subagent in a file beside its session's, where 2.0 put it, as a session of its own.

    There may be thousands of such files, too many to search for a session's own at each hook.
    """
    transcript = _load(files.transcripts, is_subagent_file=True)
    thread, root_id = transcript.index.main, transcript.index.session_id
    yield replace(
        transcript.session(files.located.session_id, thread),
        title=_subagent_title(root_id, thread.first_prompt) if root_id else None,
        parent_id=root_id,
    )


def _main(session_id: str, transcript: _Transcript) -> Iterator[Session]:
    index = transcript.index
    title = titles.one_line(index.title)
    yield replace(transcript.session(session_id, index.main), title=title)
    for root, thread in index.sidechains.items():
        yield replace(
            transcript.session(f"{session_id}:agent-{root}", thread),
            title=_subagent_title(session_id, thread.first_prompt),
            parent_id=session_id,
            skipped={},  # counted with the session that the file belongs to
        )


def _fingerprint(paths: Sequence[Path]) -> str:
    """Return what changes with the files of a subagent, also with the note on it."""
    statuses = []
    for path in (*paths, _meta_path(paths)):
        with suppress(FileNotFoundError):
            status = path.stat()
            statuses.append(f"{status.st_size}:{status.st_mtime_ns}")
    return " ".join(statuses)


def _meta_path(paths: Sequence[Path]) -> Path:
    return paths[-1].with_suffix(".meta.json")


def _subagent_id(paths: Sequence[Path], root_id: str) -> str:
    return f"{root_id}:{paths[-1].stem}"


def _subagent(transcript: _Transcript, paths: Sequence[Path], root_id: str) -> Session:
    """Return a subagent from its own file, whose lines name the root session, not the parent."""
    thread = transcript.index.main
    meta = _read_meta(_meta_path(paths))
    outer = get_str(meta, "parentAgentId")
    return replace(
        transcript.session(_subagent_id(paths, root_id), thread),
        title=_subagent_title(root_id, get_str(meta, "description") or thread.first_prompt),
        parent_id=f"{root_id}:agent-{outer}" if outer else root_id,
    )


def _load(
    paths: Sequence[Path], saved: SavedCheckpoint | None = None, *, is_subagent_file: bool
) -> _Transcript:
    """Index the copies of a transcript as one: each line once, in the order of their times."""
    if len(paths) == 1:
        try:
            return _load_one(paths[0], saved, is_subagent_file=is_subagent_file)
        except NotResumableError:
            return _load_one(paths[0], None, is_subagent_file=is_subagent_file)
    index, skipped = TranscriptIndex(), Counter[Skipped]()
    files, scans = [], []
    with ExitStack() as stack:
        for number, path in enumerate(paths):
            file = stack.enter_context(open_regular(path))
            end = os.fstat(file.fileno()).st_size
            scans.append(lines.scan(file, end, lambda reason: skipped.update((reason,)), number))
            files.append(IndexedFile.describing(path, file))
        for span, line in _merge(scans):
            index.add(span, line, is_subagent_file=is_subagent_file)
            skipped.update(unknown.skipped(line))
    for thread in (index.main, *index.sidechains.values()):
        thread.mark_undone()
    return _Transcript(tuple(files), index, skipped)


def _load_one(path: Path, saved: SavedCheckpoint | None, *, is_subagent_file: bool) -> _Transcript:
    """Index a transcript that has no copy, from its checkpoint on. Raises NotResumableError."""
    resumed = ResumedRead(saved) if saved else None
    index, skipped, offset = TranscriptIndex(), Counter[Skipped](), 0
    with open_regular(path) as file:
        end = os.fstat(file.fileno()).st_size
        if resumed:
            index, skipped, offset = resumed.begin(file, end)
        recorder = CheckpointRecorder(index, skipped, resumed)
        scan = lines.scan(file, end, lambda reason: skipped.update((reason,)), offset=offset)
        for span, line in scan:
            if resumed:
                resumed.check(line, index, is_subagent_file=is_subagent_file)
            recorder.add(span, line, is_subagent_file=is_subagent_file)
            skipped.update(unknown.skipped(line))
        checkpoint = recorder.finish(file, end, is_subagent_file=is_subagent_file)
        indexed = IndexedFile.describing(path, file)
    return _Transcript((indexed,), index, skipped, checkpoint, resumed)


def _merge(scans: Sequence[Iterable[tuple[Span, Json]]]) -> Iterator[tuple[Span, Json]]:
    """Yield the lines of all copies by their times, those of each copy in its own order."""
    timed = heapq.merge(*map(_timed, scans), key=itemgetter(0))
    return (record for _, record in timed)


def _timed(scan: Iterable[tuple[Span, Json]]) -> Iterator[tuple[int, tuple[Span, Json]]]:
    """Yield each line with the latest time so far: times step back at times, and may be missing."""
    latest = 0
    for span, line in scan:
        latest = max(latest, line_types.timestamp(line) or 0)
        yield latest, (span, line)


def _read_meta(path: Path) -> Json:
    """Return Claude Code's note on a subagent; empty if the file is missing or half written."""
    try:
        with open_regular(path) as file:
            return as_dict(file.read(_MAX_META_BYTES))
    except (SourceError, OSError):
        return {}


def _subagent_title(root_id: str, subject: str) -> str:
    return titles.of_subagent(titles.one_line(subject), root_id[:8])
