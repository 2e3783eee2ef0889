"""Cursor's sessions: in the editor's database, in the command line's chats, and in transcripts.

One id names a session in all of them. What only hooks report, above all the tokens of each turn, is
passed in.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from opensync_hooks.agents.cursor import (
    answers,
    checkpoints,
    conversation,
    copies,
    locations,
    projects,
    sessions,
)
from opensync_hooks.agents.cursor.conversation import model_name
from opensync_hooks.agents.cursor.copies import SessionCopies
from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.agents.json_access import get_count, get_str, get_strs
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.agents.source import Located, SavedCheckpoint
from opensync_hooks.model import HookEvent, HookFacts, Json, Session, Trigger, TurnUsage, Usage

_MAX_ID_LENGTH = 1_000
_ABANDONED_MS = 3_600_000
"""Nobody is still writing a turn that has not changed for so long: a crash left it incomplete."""
_MAX_FAMILY = 1_000
"""A session is delivered with at most so many subagents, theirs included."""


class CursorSource:
    agent = conversation.AGENT

    def __init__(self, paths: CursorPaths, hook_facts: HookFactsLookup) -> None:
        self._paths = paths
        self._hook_facts = hook_facts
        self._copies = SessionCopies.at(paths)

    def parse_event(self, payload: Json) -> HookEvent | None:
        session_id = get_str(payload, "conversation_id") or get_str(payload, "session_id")
        if session_id is None or len(session_id) > _MAX_ID_LENGTH:
            return None
        event = get_str(payload, "hook_event_name") or ""
        is_stop, is_answer = event.lower() == "stop", event.lower() == "afteragentresponse"
        is_begin = event.lower() == "beforesubmitprompt"
        answer = get_str(payload, "text") if is_answer else None
        turn_id = get_str(payload, "generation_id") if is_stop else None
        trigger = Trigger(
            agent=self.agent,
            session_id=session_id,
            event=event,
            # Cursor writes rows some time after the hook has run, also if the hook names no turn.
            awaits=None if is_begin else turn_id or (event if is_stop else ""),
            end_reason=get_str(payload, "reason") if event.lower() == "sessionend" else None,
            is_begin=is_begin,
        )
        usage = _usage(payload)
        has_tokens = usage.prompt_tokens or usage.output_tokens  # zero is unknown: an aborted turn
        turn = TurnUsage(turn_id or "", model_name(get_str(payload, "model")), usage)
        paths = map(projects.uri_path, get_strs(payload, "workspace_roots"))
        roots = tuple(path for path in paths if path)
        facts = HookFacts(
            turns=(turn,) if turn_id and has_tokens else (),
            cwd=next(iter(roots), None),
            agent_version=get_str(payload, "cursor_version"),
            roots=roots,
            answers=(answers.digest(answer),) if answer else (),
        )
        # `stop` follows an answer at once.
        return HookEvent(trigger, facts, is_request=not is_answer)

    def find(self, id_or_path: str) -> Located | None:
        path = Path(id_or_path)
        if path.suffix not in (".db", ".jsonl", ".txt") or not is_file(path):
            located = locations.locate(self._paths, id_or_path)
            return located or locations.locate_in_windows(self._paths, id_or_path)
        located = locations.locate_file(path)
        if located and self._is_ours(path):
            return locations.locate(self._paths, located.session_id) or located
        return located

    def locate(self, trigger: Trigger) -> Located | None:
        """Find the session by its id alone: the path in a payload may belong to anyone."""
        return locations.locate(self._paths, trigger.session_id)

    def sessions(self) -> Iterable[Located]:
        all_sessions = locations.all_sessions(self._paths)
        return sorted(all_sessions, key=lambda located: located.changed_at, reverse=True)

    def is_settled(self, trigger: Trigger) -> bool | None:
        """Return whether the last turn is complete, and is the one that has just ended."""
        hook_facts = self._hook_facts(trigger.session_id)
        copy = self._copies.read(trigger.session_id, _roots(hook_facts))
        if copy is None or not copy.is_settled or copy.is_provisional:
            return False
        if not trigger.awaits or trigger.awaits in copy.request_ids:
            return True
        # A turn can only be missed if earlier ones bear the ids that hooks reported.
        has_ids = not {turn.id for turn in hook_facts.turns}.isdisjoint(copy.request_ids)
        return False if has_ids else None

    def read(self, located: Located) -> Iterator[Session]:
        return self.resume(located, lambda _: None, lambda *_: True)

    def resume(
        self,
        located: Located,
        checkpoint_of: Callable[[str], SavedCheckpoint | None],
        is_due: Callable[[str, str], bool],  # noqa: ARG002 - nothing tells that it has not changed
        *,
        divides: bool = False,  # noqa: ARG002 - all rows of a session are taken out at once
    ) -> Iterator[Session]:
        if located.session_id == located.path.name == locations.DATABASE_NAME:
            locations.raise_unreadable(located.path)
        if located.path not in self._paths.databases and not self._is_ours(located.path):
            copy = copies.read_single_file(located.path)
            if copy:
                yield sessions.to_session(copy, HookFacts())
            return
        yield from self._read_family(located, checkpoint_of)

    def _read_family(
        self, located: Located, checkpoint_of: Callable[[str], SavedCheckpoint | None]
    ) -> Iterator[Session]:
        """Yield the session, then its subagents, theirs, and so on, each once."""
        no_parent: tuple[str | None, tuple[str, ...]] = (None, ())
        pending = deque([(located.session_id, *no_parent)])
        seen: set[str] = set()
        while pending and len(seen) < _MAX_FAMILY:
            session_id, parent_id, parent_folders = pending.popleft()
            if session_id in seen:
                continue
            seen.add(session_id)
            hook_facts = self._hook_facts(session_id)
            copy = self._copies.read(session_id, _roots(hook_facts) or parent_folders)
            if copy is None:
                continue
            copy = answers.prove(copy, hook_facts.answers)
            copy = replace(copy, parent_id=copy.parent_id or parent_id)
            session = checkpoints.read(copy, hook_facts, checkpoint_of(session_id))
            changed_at = max(session.updated_at or 0, located.changed_at)
            is_abandoned = time.time() * 1000 - changed_at >= _ABANDONED_MS
            is_partial = copy.is_provisional or (session.is_partial and not is_abandoned)
            yield replace(session, is_partial=is_partial)
            folders = tuple(filter(None, (copy.project_path, *copy.folders)))
            pending.extend((child, session_id, folders) for child in copy.children)

    def _is_ours(self, path: Path) -> bool:
        folders = (*self._paths.projects, *self._paths.chats, *self._paths.window_storages)
        return any(path.resolve().is_relative_to(folder.resolve()) for folder in folders)


def _roots(facts: HookFacts) -> tuple[str, ...]:
    """Return the window's folders; notes of earlier versions have the first one alone."""
    return facts.roots or tuple(filter(None, (facts.cwd,)))


def _usage(payload: Json) -> Usage:
    """Return the tokens of the turn that has ended.

    `input_tokens` includes cached tokens in every recording. Should a version leave them out, it is
    smaller than their sum and is all there is.
    """
    read = get_count(payload, "cache_read_tokens")
    written = get_count(payload, "cache_write_tokens")
    total = get_count(payload, "input_tokens")
    return Usage(
        input_tokens=total - read - written if total >= read + written else total,
        output_tokens=get_count(payload, "output_tokens"),
        cache_read_tokens=read,
        cache_write_5m_tokens=written,
    )


def open_source(
    environ: Mapping[str, str], home: str, hook_facts: HookFactsLookup = lambda _: HookFacts()
) -> CursorSource:
    return CursorSource(CursorPaths.from_environ(environ, home), hook_facts)
