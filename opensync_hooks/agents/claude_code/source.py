"""Finds and reads Claude Code's sessions; README.md beside this module describes the files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from opensync_hooks.agents.claude_code import DESCRIPTION, line_types, lines
from opensync_hooks.agents.claude_code.config_folders import config_folders
from opensync_hooks.agents.claude_code.content import text_of
from opensync_hooks.agents.claude_code.session_files import (
    TranscriptSet,
    find_files,
    own_transcript,
    project_folders,
    session_ids,
)
from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.agents.source import Located, SavedCheckpoint
from opensync_hooks.errors import SourceError
from opensync_hooks.model import HookEvent, HookFacts, Json, Session, Trigger

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SUBAGENT_PREFIX = "agent-"
_TAILS = (64 << 10, 4 << 20)
"""How many last bytes of a transcript are searched for a response; mostly the first do."""


class ClaudeCodeSource:
    agent = DESCRIPTION.name

    def __init__(self, *configs: Path) -> None:
        self._projects = [config / "projects" for config in configs]
        self._real_projects = {os.path.realpath(projects) for projects in self._projects}

    def parse_event(self, payload: Json) -> HookEvent | None:
        session_id = get_str(payload, "session_id")
        if session_id is None or not _SESSION_ID.fullmatch(session_id):
            return None
        event = get_str(payload, "hook_event_name") or ""
        shown = get_str(payload, "last_assistant_message") if event == "Stop" else None
        trigger = Trigger(
            agent=self.agent,
            session_id=session_id,
            event=event,
            path=get_str(payload, "transcript_path"),
            awaits=line_types.digest(shown) if shown and shown.strip() else None,
            end_reason=get_str(payload, "reason") if event == "SessionEnd" else None,
            is_begin=event == "UserPromptSubmit",
        )
        return HookEvent(trigger)

    def find(self, id_or_path: str) -> Located | None:
        path = Path(id_or_path)
        if path.suffix == ".jsonl" and is_file(path):
            path = own_transcript(path)
            files = self._files(path.stem, path)
        else:
            session_id = id_or_path.partition(":")[0]  # a subagent is synced with its parent
            files = self._files(session_id) if _SESSION_ID.fullmatch(session_id) else None
        return files.located if files else None

    def locate(self, trigger: Trigger) -> Located | None:
        """Return the session by its id alone: `/cd` moves transcripts, and payloads may lie."""
        return self.find(trigger.session_id) if _SESSION_ID.fullmatch(trigger.session_id) else None

    def sessions(self) -> Iterable[Located]:
        folders_of: dict[str, list[Path]] = {}
        for folder in self._project_folders():
            for session_id in filter(_SESSION_ID.fullmatch, dict.fromkeys(session_ids(folder))):
                folders_of.setdefault(session_id, []).append(folder)
        files = (find_files(session_id, folders) for session_id, folders in folders_of.items())
        located = (session.located for session in files if session)
        return sorted(located, key=lambda session: session.changed_at, reverse=True)

    def is_settled(self, trigger: Trigger) -> bool:
        """At Stop the last message is usually not written yet, and often the file is missing."""
        if trigger.awaits is None:
            return True
        files = self._files(trigger.session_id)
        return files is not None and any(
            _ends_with(path, trigger.awaits) for path in files.transcripts
        )

    def read(self, located: Located) -> Iterator[Session]:
        return self.resume(located, lambda _: None, lambda *_: True)

    def resume(
        self,
        located: Located,
        checkpoint_of: Callable[[str], SavedCheckpoint | None],
        is_due: Callable[[str, str], bool],
        *,
        divides: bool = False,
    ) -> Iterator[Session]:
        from opensync_hooks.agents.claude_code import sessions  # noqa: PLC0415 - lists need none of it

        files = self._files(located.session_id, located.path)
        if files is None:
            raise SourceError(f"{located.path}: no longer there.")
        if located.session_id.startswith(_SUBAGENT_PREFIX):
            return sessions.read_lone_subagent(files)
        return sessions.read(files, checkpoint_of, is_due, divides=divides)

    def _files(self, session_id: str, path: Path | None = None) -> TranscriptSet | None:
        """Return a session's files in all projects; only those beside `path` if it is elsewhere."""
        if path and not self._is_in_project(path):
            return find_files(session_id, (path.parent,))
        return find_files(session_id, self._project_folders())

    def _project_folders(self) -> list[Path]:
        return [folder for projects in self._projects for folder in project_folders(projects)]

    def _is_in_project(self, path: Path) -> bool:
        """Whether the file is in a project's folder, which may be a link."""
        folders = path.parent.parent, Path(os.path.realpath(path.parent)).parent
        return any(os.path.realpath(folder) in self._real_projects for folder in folders)


def _ends_with(path: Path, digest: str) -> bool:
    """Whether the last megabytes of the transcript hold the response with this digest."""
    try:
        return any(
            line.get("type") == "assistant" and line_types.digest(text_of(line)) == digest
            for tail in _TAILS
            for line in lines.last_lines(path, tail)
        )
    except SourceError:
        return False


def open_source(
    environ: Mapping[str, str], home: str, _hook_facts: HookFactsLookup = lambda _: HookFacts()
) -> ClaudeCodeSource:
    return ClaudeCodeSource(*config_folders(environ.get("CLAUDE_CONFIG_DIR"), home))
