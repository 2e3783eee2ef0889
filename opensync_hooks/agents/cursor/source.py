"""Cursor: the editor's database, the command line's chats, and the transcripts of both.

One id names a session everywhere. What only hooks are told, the tokens of each turn above all, is
in our notebook.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from opensync_hooks.agents.cursor import conversation, locations
from opensync_hooks.agents.cursor.conversation import Conversation, known_model
from opensync_hooks.agents.cursor.locations import Places
from opensync_hooks.agents.cursor.paths import Roots
from opensync_hooks.agents.json_access import count, string, strings
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.agents.source import Located
from opensync_hooks.model import HookEvent, HookFacts, Json, Session, Trigger, TurnUsage, Usage

_LONGEST_ID = 1_000
_LONG_AGO_MS = 3_600_000
"""Nobody is still writing what has not changed for so long; a crash leaves a turn half written."""
_MOST_FAMILY = 1_000
"""Sessions that are delivered with one: its subagents, theirs, and so on."""

HookFactsLookup = Callable[[str], HookFacts]
"""What hooks have reported about the session with this id."""


def _no_facts(_session_id: str) -> HookFacts:
    return HookFacts()


class Cursor:
    agent = conversation.AGENT

    def __init__(self, roots: Roots, hook_facts: HookFactsLookup) -> None:
        self._places = Places.of(roots)
        self._roots = roots
        self._hook_facts = hook_facts

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], home: str, hook_facts: HookFactsLookup = _no_facts
    ) -> Cursor:
        return cls(Roots.of(environ, home), hook_facts)

    def parse_event(self, payload: Json) -> HookEvent | None:
        session_id = string(payload, "conversation_id") or string(payload, "session_id")
        if session_id is None or len(session_id) > _LONGEST_ID:
            return None
        event = string(payload, "hook_event_name") or ""
        turn = string(payload, "generation_id") if event.lower() == "stop" else None
        trigger = Trigger(
            agent=self.agent,
            session_id=session_id,
            event=event,
            # Rows are written some time after the hook has run, also where no turn is named.
            awaits=turn or "",
            end_reason=string(payload, "reason") if event.lower() == "sessionend" else None,
        )
        facts = HookFacts(
            turns=tuple(_turns(payload, turn)),
            cwd=next(iter(strings(payload, "workspace_roots")), None),
            agent_version=string(payload, "cursor_version"),
        )
        return HookEvent(trigger, facts)

    def find(self, wanted: str) -> Located | None:
        path = Path(wanted)
        if path.suffix in (".db", ".jsonl", ".txt") and is_file(path):
            found = locations.locate_file(path)
            inside = found is not None and self._is_inside(path)
            return (self._locate(found.session_id) if found and inside else None) or found
        return self._locate(wanted)

    def locate(self, trigger: Trigger) -> Located | None:
        """By the id alone: the path in a hook's input may be anybody's."""
        return self._locate(trigger.session_id)

    def _locate(self, session_id: str) -> Located | None:
        return self._places.locate(session_id, self._hook_facts(session_id).cwd)

    def sessions(self) -> Iterable[Located]:
        return sorted(self._places.all(), key=lambda one: one.changed_at, reverse=True)

    def is_settled(self, trigger: Trigger) -> bool:
        """Whether the last turn is written whole, and is the one that has just ended."""
        hook_facts = self._hook_facts(trigger.session_id)
        found = self._places.richest(trigger.session_id, hook_facts.cwd)
        if found is None or not found.is_settled:
            return False
        # Only where earlier turns bear the names that hooks gave them can the last one be missed.
        bear_names = any(turn.id in found.requests for turn in hook_facts.turns)
        return not bear_names or not trigger.awaits or trigger.awaits in found.requests

    def read(self, located: Located) -> Iterator[Session]:
        if located.path in self._roots.databases and located.session_id == located.path.name:
            self._places.ask(located.path)
        if located.path not in self._roots.databases and not self._is_inside(located.path):
            lone = locations.lone(located.path)
            yield from (conversation.session(lone, HookFacts()),) if lone else ()
            return
        family: list[tuple[str, Conversation | None]] = [(located.session_id, None)]
        seen: set[str] = set()
        while family and len(seen) < _MOST_FAMILY:
            session_id, parent = family.pop(0)
            told = None if session_id in seen else self._told(session_id, parent)
            seen.add(session_id)
            if told:
                found = conversation.session(told, self._hook_facts(session_id))
                newest = max(found.updated_at or 0, located.changed_at)
                yield replace(found, is_partial=found.is_partial and _is_recent(newest))
                family += ((child, told) for child in told.children)

    def _told(self, session_id: str, parent: Conversation | None) -> Conversation | None:
        hook_facts = self._hook_facts(session_id)
        told = self._places.richest(
            session_id, hook_facts.cwd or (parent.project_path if parent else None)
        )
        if told is None:
            return None
        return replace(told, parent_id=told.parent_id or (parent.session_id if parent else None))

    def _is_inside(self, path: Path) -> bool:
        folders = (*self._roots.projects, *self._roots.chats)
        return any(path.resolve().is_relative_to(folder.resolve()) for folder in folders)


def _is_recent(at: int) -> bool:
    return time.time() * 1000 - at < _LONG_AGO_MS


def _turns(payload: Json, turn: str | None) -> Iterator[TurnUsage]:
    """The tokens of the turn that has ended. Zero is unknown, as after an abort.

    `input_tokens` counts what came from the cache, too: in recordings it is never the smaller one.
    Should a version leave that out, the smaller one is all there is.
    """
    read, written = count(payload, "cache_read_tokens"), count(payload, "cache_write_tokens")
    whole = count(payload, "input_tokens")
    usage = Usage(
        input_tokens=whole - read - written if whole >= read + written else whole,
        output_tokens=count(payload, "output_tokens"),
        cache_read_tokens=read,
        cache_write_5m_tokens=written,
    )
    if turn and (usage.prompt_tokens or usage.output_tokens):
        yield TurnUsage(turn, known_model(string(payload, "model")), usage)
