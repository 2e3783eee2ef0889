"""Finds and reads Claude Code's sessions; README.md beside this module describes the files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from opensync_hooks.agents.claude_code import DESCRIPTION, line_types, lines, sessions
from opensync_hooks.agents.claude_code.content import text_of
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.agents.safe_open import is_file, is_within, within
from opensync_hooks.agents.source import Located
from opensync_hooks.errors import SourceError
from opensync_hooks.model import HookEvent, Json, Session, Trigger

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SUBAGENT_PREFIX = "agent-"
_TAIL_BYTES = 4 << 20


class ClaudeCodeSource:
    agent = DESCRIPTION.name

    def __init__(self, config: Path) -> None:
        self._projects = config / "projects"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], home: str) -> ClaudeCodeSource:
        return cls(Path(environ.get("CLAUDE_CONFIG_DIR") or home + "/.claude"))

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
        )
        return HookEvent(trigger)

    def find(self, id_or_path: str) -> Located | None:
        path = Path(id_or_path)
        if path.suffix == ".jsonl" and is_file(path):
            if path.parent.name == "subagents":
                path = path.parent.parent.with_suffix(".jsonl")
            return _located(path)
        session_id = id_or_path.partition(":")[0]  # a subagent is synced with its parent
        if not _SESSION_ID.fullmatch(session_id):
            return None
        copies = (_located(folder / f"{session_id}.jsonl") for folder in self._folders())
        # `/cd` moves a transcript; if a copy stayed behind, the newer one is the session.
        return max(filter(None, copies), key=lambda copy: copy.changed_at, default=None)

    def locate(self, trigger: Trigger) -> Located | None:
        path = Path(trigger.path) if trigger.path else None
        if path and path.name == f"{trigger.session_id}.jsonl" and self._is_in_project(path):
            located = _located(path)
            if located:
                return located
        return self.find(trigger.session_id)

    def sessions(self) -> Iterable[Located]:
        paths = (path for folder in self._folders() for path in folder.glob("*.jsonl"))
        located = (_located(path) for path in paths if _SESSION_ID.fullmatch(path.stem))
        return sorted(filter(None, located), key=lambda session: session.changed_at, reverse=True)

    def is_settled(self, trigger: Trigger) -> bool:
        """At Stop the last message is usually not written yet, and often the file is missing."""
        if trigger.awaits is None:
            return True
        located = self.locate(trigger)
        return located is not None and _ends_with(located.path, trigger.awaits)

    def read(self, located: Located) -> Iterator[Session]:
        if located.session_id.startswith(_SUBAGENT_PREFIX):
            return sessions.read_lone_subagent(located.path)
        return sessions.read(located.path, located.session_id, _subagent_paths(located.path))

    def _folders(self) -> Iterator[Path]:
        return within(self._projects, sorted(self._projects.glob("*/")))

    def _is_in_project(self, path: Path) -> bool:
        """Whether the file is directly in a project's folder: anyone may write a hook's payload."""
        try:
            folder = Path(os.path.realpath(path.parent))
        except ValueError:  # a null byte, which no path has
            return False
        return folder.parent == Path(os.path.realpath(self._projects))


def _located(path: Path) -> Located | None:
    """Return the session in a file, if it is there; its subagents grow while it does not."""
    statuses = []
    for candidate in (path, *_subagent_paths(path)):
        try:
            statuses.append(candidate.stat())
        except OSError:
            if candidate == path:
                return None
    size = sum(status.st_size for status in statuses)
    changed_ns = max(status.st_mtime_ns for status in statuses)
    fingerprint = f"{len(statuses)}:{size}:{changed_ns}"
    return Located(path.stem, path, changed_ns // 1_000_000, fingerprint)


def _subagent_paths(path: Path) -> list[Path]:
    folder = path.with_suffix("") / "subagents"
    paths = sorted(folder.glob(f"{_SUBAGENT_PREFIX}*.jsonl"))
    return paths if paths and is_within(path.parent, folder) else []


def _ends_with(path: Path, digest: str) -> bool:
    """Whether the last megabytes of the transcript hold the response with this digest."""
    try:
        return any(
            line.get("type") == "assistant" and line_types.digest(text_of(line)) == digest
            for line in lines.last_lines(path, _TAIL_BYTES)
        )
    except SourceError:
        return False
