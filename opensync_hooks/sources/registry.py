"""Every agent that there is a source for, by the name it has on the wire."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from opensync_hooks import folders
from opensync_hooks.model import Trigger
from opensync_hooks.sources import Located, Source
from opensync_hooks.sources.claude_code import ClaudeCode

NAMES = ("claude-code",)
_FIELD = re.compile(rb'"(session_id|transcript_path|hook_event_name)":\s*"((?:[^"\\]|\\.)*)"')


def source(agent: str, environ: Mapping[str, str] = os.environ) -> Source | None:
    """The source as it looks from an environment; None for an agent that has none."""
    if agent == ClaudeCode.agent:
        return ClaudeCode.from_environ(environ, folders.home(environ.get))
    return None


def all_sources(environ: Mapping[str, str] = os.environ) -> Iterator[Source]:
    for name in NAMES:
        found = source(name, environ)
        if found:
            yield found


def find(wanted: str, agent: str | None = None) -> tuple[Source, Located] | None:
    """The session with this id or path, with the agent it belongs to."""
    for one in all_sources():
        located = one.find(wanted) if agent in (None, one.agent) else None
        if located:
            return one, located
    return None


def trigger(agent: str, environ: Mapping[str, str], payload: bytes) -> Trigger | None:
    """What a hook asks for. Cursor runs Claude Code's hooks too: its payload is not Claude's."""
    value = _fields(payload)
    if "cursor_version" in value:
        agent = "cursor"
    found = source(agent, environ)
    return found.trigger(value) if found else None


def _fields(payload: bytes) -> dict[str, Any]:
    """The payload's object; of one that was cut short, the fields that name the session."""
    try:
        value = json.loads(payload.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        found = (match.groups() for match in _FIELD.finditer(payload[:65536]))
        value = {name.decode(): json.loads(b'"%s"' % text) for name, text in found}
    return value if isinstance(value, dict) else {}
