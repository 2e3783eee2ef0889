"""The one list of agents: what each is, how its sessions are read, and how to register with it.

A new agent is one folder beside this module, one script in hooks/ and one entry in `PACKAGES`. No
other module names an agent.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from opensync_hooks.agents import claude_code, cursor, kilo, opencode
from opensync_hooks.agents.description import Description
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import SourceError
from opensync_hooks.hook import paths
from opensync_hooks.model import HookEvent, Json

if TYPE_CHECKING:
    from opensync_hooks.agents.census import Census, TakeCensus
    from opensync_hooks.agents.settings_files.registration import Registration
    from opensync_hooks.agents.source import Located, OpenSource, Source


class _Modules(Protocol):
    """The functions and values that the modules of an agent's folder define."""

    open_source: OpenSource
    """In `source.py`."""
    take_census: TakeCensus
    """In `census.py`."""
    REGISTRATION: Registration
    """In `registration.py`."""


@dataclass(frozen=True, slots=True)
class Agent:
    """What the rest of the package knows of an agent.

    Its modules are imported when they are used: a worker reads sessions of one agent, and importing
    all the others takes longer than delivering a turn.
    """

    description: Description
    package: str

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def label(self) -> str:
        return self.description.label

    @property
    def registration(self) -> Registration:
        return self._import("registration").REGISTRATION

    def source(self, environ: Mapping[str, str] = os.environ) -> Source:
        """Return the agent's sessions, where an environment says that they are."""
        facts = HookNotes.of_user(self.name).facts
        return self._import("source").open_source(environ, paths.home(environ.get), facts)

    def census(self, located: Located, environ: Mapping[str, str] = os.environ) -> Iterator[Census]:
        """Count a session and its subagents without the source. Raises SourceError."""
        take_census, home = self._import("census").take_census, paths.home(environ.get)
        facts = HookNotes.of_user(self.name).facts
        return take_census(located.session_id, located.path, environ, home, facts)

    def _import(self, module: str) -> _Modules:
        return cast("_Modules", import_module(f"{self.package}.{module}"))


PACKAGES = (claude_code, kilo, opencode, cursor)
AGENTS = tuple(Agent(package.DESCRIPTION, package.__name__) for package in PACKAGES)
NAMES = tuple(agent.name for agent in AGENTS)
_BY_NAME = {agent.name: agent for agent in AGENTS}
_LABELS = {agent.description.opensync_name or agent.name: agent.label for agent in AGENTS}
_LABELS |= {agent.name: agent.label for agent in AGENTS}
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_FIELDS = {"session_id", "transcript_path", "hook_event_name"}.union(
    *(agent.description.payload_fields for agent in AGENTS)
)
_FIELD = re.compile(
    rb'"(%s)":\s*"((?:[^"\\]|\\.)*)"' % "|".join(map(re.escape, sorted(_FIELDS))).encode()
)


def get(name: str) -> Agent | None:
    """Return the agent of this name; None for one that this version does not know."""
    return _BY_NAME.get(name)


def opensync_name(agent: str) -> str:
    """Return the source under which OpenSync counts and filters the agent's sessions."""
    entry = get(agent)
    return (entry.description.opensync_name if entry else "") or agent


def source(agent: str, environ: Mapping[str, str] = os.environ) -> Source | None:
    """Return the sessions of the agent with this name; None for an unknown agent."""
    entry = get(agent)
    return entry.source(environ) if entry else None


def all_sources(environ: Mapping[str, str] = os.environ) -> Iterator[Source]:
    return (agent.source(environ) for agent in AGENTS)


def session_variables(agent: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that say where the agent keeps its sessions, as far as they are set."""
    entry = get(agent)
    names = entry.description.variables if entry else ()
    return {name: environ[name] for name in names if name in environ}


def find(session: str, agent: str | None = None) -> tuple[Source, Located] | None:
    """Find a session by its id or its file, in one agent or in all of them.

    Raises SourceError if no agent has it and one could not be read.
    """
    failure: SourceError | None = None
    # Claude Code comes last: it takes any file that ends in `.jsonl`, where Cursor knows its own.
    # Kilo Code comes after OpenCode, which has more exported files.
    for candidate in reversed([*all_sources()]):
        try:
            located = candidate.find(session) if agent in (None, candidate.agent) else None
        except SourceError as error:
            if is_file(Path(session)):  # an unreadable file belongs to the agent that recognised it
                raise
            failure = failure or error
            continue
        if located:
            return candidate, located
    if failure:
        raise failure
    return None


def label(wire_name: str) -> str:
    """Return what its users call an agent; the name itself where another program sent it."""
    return _LABELS.get(wire_name, wire_name)


def parse_event(agent: str, environ: Mapping[str, str], payload: bytes) -> HookEvent | None:
    """Return what a hook's payload says; None if it names no session of an agent that we know."""
    fields = _fields(payload)
    # Cursor also runs the hooks that were registered with Claude Code.
    owners = (entry.name for entry in AGENTS if entry.description.payload_fields & fields.keys())
    reader = source(next(owners, agent), environ)
    event = reader.parse_event(fields) if reader else None
    if event is None:
        return None
    # These two are queued as they are, so only a plain word may pass.
    name, reason = _word(event.trigger.event) or "", _word(event.trigger.end_reason)
    trigger = replace(event.trigger, event=name, end_reason=reason)
    return replace(event, trigger=trigger, is_private=fields.get("private") is True)


def _word(text: str | None) -> str | None:
    return text if text and _WORD.fullmatch(text) else None


def _fields(payload: bytes) -> Json:
    """Return the payload's object; from a truncated one, the fields that name the session."""
    try:
        value = json.loads(payload.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        matches = (match.groups() for match in _FIELD.finditer(payload[:65536]))
        value = {name.decode(): _text(raw) for name, raw in matches}
        value["private"] = payload.startswith(b'{"private":true')
    return value if isinstance(value, dict) else {}


def _text(raw: bytes) -> str:
    """Decode a JSON string's inside; a Windows path with its bare backslashes stays as it is."""
    try:
        return str(json.loads(b'"%s"' % raw))
    except ValueError:
        return raw.decode("utf-8", "replace")
