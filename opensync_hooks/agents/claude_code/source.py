"""Claude Code: one transcript in JSON lines a session, its subagents' transcripts beside it.

<config>/projects/<project>/<session id>.jsonl
<config>/projects/<project>/<session id>/subagents/agent-<id>.jsonl   and .meta.json
<config>/projects/<project>/agent-<id>.jsonl                          as 2.0 had it
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from opensync_hooks.agents.claude_code import line_types, lines, sessions
from opensync_hooks.agents.safe_open import is_file, is_within, within
from opensync_hooks.agents.source import Located
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Session, Trigger

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SUBAGENT = "agent-"
"""How the name of a subagent's file begins."""
_TAIL = 4 << 20


class ClaudeCodeSource:
    agent = sessions.AGENT

    def __init__(self, config: Path) -> None:
        self._projects = config / "projects"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], home: str) -> ClaudeCodeSource:
        return cls(Path(environ.get("CLAUDE_CONFIG_DIR") or home + "/.claude"))

    def trigger(self, payload: Mapping[str, Any]) -> Trigger | None:
        session_id = payload.get("session_id")
        if not isinstance(session_id, str) or not _SESSION_ID.fullmatch(session_id):
            return None
        event = payload.get("hook_event_name")
        shown = payload.get("last_assistant_message") if event == "Stop" else None
        path = payload.get("transcript_path")
        reason = payload.get("reason") if event == "SessionEnd" else None
        return Trigger(
            agent=self.agent,
            session_id=session_id,
            event=event if isinstance(event, str) else "",
            path=path if isinstance(path, str) else None,
            awaits=line_types.digest(shown) if isinstance(shown, str) and shown.strip() else None,
            end_reason=reason if isinstance(reason, str) else None,
        )

    def find(self, wanted: str) -> Located | None:
        path = Path(wanted)
        wanted = wanted.partition(":")[0]  # a subagent is synced with the session it belongs to
        if path.suffix == ".jsonl" and is_file(path):
            if path.parent.name == "subagents":
                path = path.parent.parent.with_suffix(".jsonl")
            return _locate(path)
        if not _SESSION_ID.fullmatch(wanted):
            return None
        found = (_locate(folder / f"{wanted}.jsonl") for folder in self._folders())
        # `/cd` moves a transcript; where a copy stayed behind, the one last written to is meant.
        return max((one for one in found if one), key=lambda one: one.changed_at, default=None)

    def locate(self, trigger: Trigger) -> Located | None:
        path = Path(trigger.path) if trigger.path else None
        if path and path.name == f"{trigger.session_id}.jsonl" and self._is_ours(path):
            located = _locate(path)
            if located:
                return located
        return self.find(trigger.session_id)

    def _is_ours(self, path: Path) -> bool:
        """A hook's input may be anybody's: no path outside Claude Code's own folder is opened."""
        try:
            folder = Path(os.path.realpath(path.parent))
        except ValueError:  # no path at all
            return False
        return folder.parent == Path(os.path.realpath(self._projects))

    def _folders(self) -> Iterator[Path]:
        return within(self._projects, sorted(self._projects.glob("*/")))

    def sessions(self) -> Iterable[Located]:
        found = (_locate(path) for folder in self._folders() for path in folder.glob("*.jsonl"))
        known = (one for one in found if one and _SESSION_ID.fullmatch(one.session_id))
        return sorted(known, key=lambda one: one.changed_at, reverse=True)

    def settled(self, trigger: Trigger) -> bool:
        """At Stop the last message is normally not written yet, often not even the file."""
        if trigger.awaits is None:
            return True
        located = self.locate(trigger)
        return located is not None and _holds(located.path, trigger.awaits)

    def read(self, located: Located) -> Iterator[Session]:
        if located.session_id.startswith(_SUBAGENT):
            yield from sessions.read_beside(located.path)
        else:
            yield from sessions.read(located.path, located.session_id, _agent_files(located.path))


def _locate(path: Path) -> Located | None:
    """None where no file is. Subagents' files count: they grow while the main one rests."""
    marks = []
    for one in (path, *_agent_files(path)):
        try:
            status = one.stat()
        except OSError:
            if one == path:
                return None
            continue
        marks.append((status.st_mtime_ns, status.st_size))
    changed_at = max(mtime for mtime, _ in marks) // 1_000_000
    fingerprint = f"{len(marks)}:{sum(size for _, size in marks)}:{max(m for m, _ in marks)}"
    return Located(path.stem, path, changed_at, fingerprint)


def _agent_files(path: Path) -> list[Path]:
    folder = path.with_suffix("") / "subagents"
    found = sorted(folder.glob(f"{_SUBAGENT}*.jsonl"))
    return found if found and is_within(path.parent, folder) else []


def _holds(path: Path, awaited: str) -> bool:
    """Whether the end of the transcript has the message, looked for from the last line upwards."""
    try:
        for line in lines.last_values(path, _TAIL):
            if (
                line.get("type") == "assistant"
                and line_types.digest(line_types.text_of(line)) == awaited
            ):
                return True
    except SourceError:
        return False
    return False
