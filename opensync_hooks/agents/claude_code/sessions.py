"""A transcript file as sessions: the conversation, then each subagent that it started."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from opensync_hooks.agents import titles
from opensync_hooks.agents.claude_code import DESCRIPTION, lines
from opensync_hooks.agents.claude_code.index import TranscriptIndex
from opensync_hooks.agents.claude_code.messages import (
    TranscriptMessages,
    charge,
    duration,
    file_identity,
)
from opensync_hooks.agents.claude_code.projects import project_path
from opensync_hooks.agents.claude_code.thread import Thread
from opensync_hooks.agents.json_access import as_dict, get_str
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Json, Session

_MAX_META_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Transcript:
    """An indexed file. The index is valid for this very file, up to its length at that time."""

    path: Path
    index: TranscriptIndex
    identity: tuple[int, int]
    skipped: Mapping[str, int]

    def session(self, session_id: str, thread: Thread) -> Session:
        indexed = tuple(thread.messages.values())
        folder = self.index.relocated_cwd or next(iter(thread.folders), None)
        return Session(
            id=session_id,
            agent=DESCRIPTION.name,
            messages=TranscriptMessages(self.path, self.identity, indexed),
            charges=tuple(filter(None, map(charge, indexed))),
            project_path=project_path(folder, self.index.worktrees),
            model=thread.model,
            provider="anthropic" if (thread.model or "").startswith("claude") else None,
            created_at=thread.created_at,
            updated_at=thread.updated_at,
            duration_ms=sum(duration(message) or 0 for message in indexed),
            git_branch=thread.git_branch if thread.git_branch != "HEAD" else None,
            agent_version=thread.version,
            skipped=self.skipped,
            folders=self._folders(thread),
        )

    def _folders(self, thread: Thread) -> tuple[str, ...]:
        """Return every folder that the session worked in, also the repository of a worktree."""
        folders = dict.fromkeys(filter(None, (*thread.folders, self.index.relocated_cwd)))
        projects = (project_path(folder, self.index.worktrees) for folder in folders)
        return tuple(dict.fromkeys(filter(None, (*folders, *projects))))


def read(path: Path, session_id: str, subagent_paths: Iterable[Path]) -> Iterator[Session]:
    """Yield the session in the file at `path`, then its subagents and theirs."""
    transcript = _load(path, is_subagent_file=False)
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
    for subagent_path in subagent_paths:
        yield _subagent(subagent_path, session_id)


def read_lone_subagent(path: Path) -> Iterator[Session]:
    """Yield the subagent in a file beside its session's, where 2.0 put it, as a session of its own.

    There may be thousands of such files, too many to search for a session's own at each hook.
    """
    transcript = _load(path, is_subagent_file=True)
    thread, root_id = transcript.index.main, transcript.index.session_id
    yield replace(
        transcript.session(path.stem, thread),
        title=_subagent_title(root_id, thread.first_prompt) if root_id else None,
        parent_id=root_id,
    )


def _subagent(path: Path, root_id: str) -> Session:
    """Return a subagent from its own file, whose lines name the root session, not the parent."""
    transcript = _load(path, is_subagent_file=True)
    thread = transcript.index.main
    meta = _read_meta(path.with_suffix(".meta.json"))
    outer = get_str(meta, "parentAgentId")
    return replace(
        transcript.session(f"{root_id}:{path.stem}", thread),
        title=_subagent_title(root_id, get_str(meta, "description") or thread.first_prompt),
        parent_id=f"{root_id}:agent-{outer}" if outer else root_id,
    )


def _load(path: Path, *, is_subagent_file: bool) -> _Transcript:
    index, skipped = TranscriptIndex(), Counter[str]()
    with open_regular(path) as file:
        end = os.fstat(file.fileno()).st_size
        for span, line in lines.scan(file, end, lambda reason: skipped.update((reason,))):
            index.add(span, line, is_subagent_file=is_subagent_file)
        identity = file_identity(file)
    for thread in (index.main, *index.sidechains.values()):
        thread.mark_undone()
    return _Transcript(path, index, identity, skipped)


def _read_meta(path: Path) -> Json:
    """Return Claude Code's note on a subagent; empty if the file is missing or half written."""
    try:
        with open_regular(path) as file:
            return as_dict(file.read(_MAX_META_BYTES))
    except (SourceError, OSError):
        return {}


def _subagent_title(root_id: str, subject: str) -> str:
    return titles.of_subagent(titles.one_line(subject), root_id[:8])
