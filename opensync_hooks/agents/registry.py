"""Every agent that there is a source for, by the name it has on the wire."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from opensync_hooks.agents.claude_code.source import ClaudeCode
from opensync_hooks.agents.cursor.source import Cursor
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.agents.opencode.source import OpenCodeSource
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.errors import SourceError
from opensync_hooks.hook import paths
from opensync_hooks.model import Trigger
from opensync_hooks.privacy.exclusion import Exclusions

_SOURCES: dict[str, Callable[[Mapping[str, str], str], Source]] = {
    ClaudeCode.agent: ClaudeCode.from_environ,
    OpenCodeSource.agent: OpenCodeSource.from_environ,
    Cursor.agent: Cursor.from_environ,
}
NAMES = tuple(_SOURCES)
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_FIELD = re.compile(
    rb'"(session_id|conversation_id|transcript_path|hook_event_name|cursor_version)":'
    rb'\s*"((?:[^"\\]|\\.)*)"'
)


def source(agent: str, environ: Mapping[str, str] = os.environ) -> Source | None:
    """The source as it looks from an environment; None for an agent that has none."""
    made = _SOURCES.get(agent)
    return made(environ, paths.home(environ.get)) if made else None


def all_sources(environ: Mapping[str, str] = os.environ) -> Iterator[Source]:
    for name in NAMES:
        found = source(name, environ)
        if found:
            yield found


def find(wanted: str, agent: str | None = None) -> tuple[Source, Located] | None:
    """The session with this id or path, with the agent it belongs to.

    Cursor knows its transcripts by their folder; Claude Code would take any that ends in `.jsonl`.
    Raises SourceError where it may be in what cannot be read now, and is nowhere else.
    """
    trouble: SourceError | None = None
    for one in sorted(all_sources(), key=lambda one: one.agent != Cursor.agent):
        try:
            located = one.find(wanted) if agent in (None, one.agent) else None
        except SourceError as error:
            if is_file(Path(wanted)):  # that is this agent's own
                raise
            trouble = trouble or error
            continue
        if located:
            return one, located
    if trouble:
        raise trouble
    return None


def trigger(agent: str, environ: Mapping[str, str], payload: bytes) -> Trigger | None:
    """What a hook asks for. Cursor runs Claude Code's hooks too: its payload is not Claude's."""
    value = _fields(payload)
    if "cursor_version" in value or "conversation_id" in value:
        agent = Cursor.agent
    found = source(agent, environ)
    asked = found.trigger(value) if found else None
    if asked is None:
        return None
    # These two are queued as they are, and nothing but a plain word belongs there.
    return replace(asked, event=_word(asked.event) or "", end_reason=_word(asked.end_reason))


def _word(text: str | None) -> str | None:
    return text if text and _WORD.fullmatch(text) else None


def heed(agent: str, environ: Mapping[str, str], payload: bytes) -> Trigger | None:
    """What a hook asks for, after what it alone can say has been noted. Raises OSError."""
    found = trigger(agent, environ, payload)
    if found and _fields(payload).get("private") is True:  # as the hook left it
        Exclusions.of_user().keep_private(found.agent, found.session_id)
        return None
    if found is None or found.hook_facts is None:
        return found
    HookNotes.of_user(found.agent).add(found.session_id, found.hook_facts)
    return replace(found, hook_facts=None)


def _fields(payload: bytes) -> dict[str, Any]:
    """The payload's object; of one that was cut short, the fields that name the session."""
    try:
        value = json.loads(payload.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        found = (match.groups() for match in _FIELD.finditer(payload[:65536]))
        value = {name.decode(): _text(raw) for name, raw in found}
        value["private"] = payload.startswith(b'{"private":true')
    return value if isinstance(value, dict) else {}


def _text(raw: bytes) -> str:
    """What stands between the quotes; where it is no JSON, as it is: a path of Windows, say."""
    try:
        return str(json.loads(b'"%s"' % raw))
    except ValueError:
        return raw.decode("utf-8", "replace")
