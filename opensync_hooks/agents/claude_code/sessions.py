"""A transcript file as sessions: the conversation, then each subagent that it started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from opensync_hooks.agents import titles
from opensync_hooks.agents.claude_code.folders import folders_ahead
from opensync_hooks.agents.claude_code.session_files import TranscriptSet
from opensync_hooks.agents.claude_code.transcript import Transcript, load
from opensync_hooks.agents.json_access import as_dict, get_str
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.agents.source import SavedCheckpoint
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Json, Session

_MAX_META_BYTES = 1 << 20
_SECTION_BYTES = 16 << 20
"""A session is divided behind the turn that exceeds it, where that is allowed."""


def read(
    files: TranscriptSet,
    checkpoint_of: Callable[[str], SavedCheckpoint | None],
    is_due: Callable[[str, str], bool],
    *,
    divides: bool,
) -> Iterator[Session]:
    """Yield the session, unless its own transcript is gone, then its subagents and theirs."""
    session_id = files.located.session_id
    if files.transcripts:
        yield from _sections(session_id, files.transcripts, checkpoint_of, divides=divides)
    for paths in files.subagents.values():
        subagent_id = _subagent_id(paths, session_id)
        if is_due(subagent_id, _fingerprint(paths)):
            saved = checkpoint_of(subagent_id)
            yield _subagent(load(paths, saved, is_subagent_file=True), paths, session_id)


def read_lone_subagent(files: TranscriptSet) -> Iterator[Session]:
    """Yield the subagent in a file beside its session's, where 2.0 put it, as a session of its own.

    There may be thousands of such files, too many to search for a session's own at each hook.
    """
    transcript = load(files.transcripts, is_subagent_file=True)
    thread, root_id = transcript.index.main, transcript.index.session_id
    yield replace(
        transcript.session(files.located.session_id, thread),
        title=_subagent_title(root_id, thread.first_prompt) if root_id else None,
        parent_id=root_id,
    )


def _sections(
    session_id: str,
    paths: Sequence[Path],
    checkpoint_of: Callable[[str], SavedCheckpoint | None],
    *,
    divides: bool,
) -> Iterator[Session]:
    """Yield the session; a long one in sections, so that no more than one is in memory."""
    saved, ahead = checkpoint_of(session_id), None
    divides = divides or saved is not None
    while True:
        section_bytes = _SECTION_BYTES if divides else None
        transcript = load(paths, saved, section_bytes, is_subagent_file=False)
        if not transcript.continues:
            yield from _main(session_id, transcript)
            return
        ahead = ahead or folders_ahead(paths[0], transcript.end)
        yield from _main(session_id, replace(transcript, ahead=ahead))
        saved = checkpoint_of(session_id)
        if saved is None or saved.state["offset"] != transcript.end:  # not all was confirmed
            saved, divides = None, False


def _main(session_id: str, transcript: Transcript) -> Iterator[Session]:
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


def _subagent(transcript: Transcript, paths: Sequence[Path], root_id: str) -> Session:
    """Return a subagent from its own file, whose lines name the root session, not the parent."""
    thread = transcript.index.main
    meta = _read_meta(_meta_path(paths))
    outer = get_str(meta, "parentAgentId")
    return replace(
        transcript.session(_subagent_id(paths, root_id), thread),
        title=_subagent_title(root_id, get_str(meta, "description") or thread.first_prompt),
        parent_id=f"{root_id}:agent-{outer}" if outer else root_id,
    )


def _read_meta(path: Path) -> Json:
    """Return Claude Code's note on a subagent; empty if the file is missing or half written."""
    try:
        with open_regular(path) as file:
            return as_dict(file.read(_MAX_META_BYTES))
    except (SourceError, OSError):
        return {}


def _subagent_title(root_id: str, subject: str) -> str:
    return titles.of_subagent(titles.one_line(subject), root_id[:8])
