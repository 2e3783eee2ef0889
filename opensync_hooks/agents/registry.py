"""The one list of agents: what each is, how its sessions are read, and how to register with it.

A new agent is one folder beside this module, one script in hooks/ and one entry in `AGENTS`. No
other module names an agent.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from opensync_hooks.agents import claude_code, cursor, kilo, opencode
from opensync_hooks.agents.census import Census, TakeCensus
from opensync_hooks.agents.claude_code.census import take_census as take_claude_code_census
from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.cursor.census import take_census as take_cursor_census
from opensync_hooks.agents.cursor.registration import CursorRegistration
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.description import Description
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.agents.opencode.census import take_census as take_opencode_census
from opensync_hooks.agents.opencode.inspection import inspect_opencode_storage
from opensync_hooks.agents.opencode.registration import OpenCodeRegistration
from opensync_hooks.agents.opencode.source import OpenCodeSource
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.agents.settings_files.registration import Registration
from opensync_hooks.agents.source import Located, Source, StorageRemark
from opensync_hooks.errors import SourceError
from opensync_hooks.hook import paths
from opensync_hooks.model import HookEvent, HookFacts, Json


@dataclass(frozen=True, slots=True)
class Agent:
    """What the rest of the package knows of an agent."""

    description: Description
    open_source: Callable[[Mapping[str, str], str], Source]
    """Takes an environment and the path of the user's home folder."""
    registration: Registration
    take_census: TakeCensus
    inspect_storage: Callable[[Mapping[str, str], str], Iterable[StorageRemark]] = lambda *_: ()
    """Takes the same; returns what `doctor` has to tell about the files."""

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def label(self) -> str:
        return self.description.label

    def source(self, environ: Mapping[str, str] = os.environ) -> Source:
        """Return the agent's sessions, where an environment says that they are."""
        return self.open_source(environ, paths.home(environ.get))

    def census(self, located: Located, environ: Mapping[str, str] = os.environ) -> Iterator[Census]:
        """Count a session and its subagents without the source. Raises SourceError."""
        home = paths.home(environ.get)
        return self.take_census(located.session_id, located.path, environ, home)


def _cursor_facts(session_id: str) -> HookFacts:
    return HookNotes.of_user(cursor.DESCRIPTION.name).facts(session_id)


def _cursor_source(environ: Mapping[str, str], home: str) -> CursorSource:
    return CursorSource.from_environ(environ, home, _cursor_facts)


AGENTS = (
    Agent(
        claude_code.DESCRIPTION,
        ClaudeCodeSource.from_environ,
        ClaudeCodeRegistration(),
        take_claude_code_census,
    ),
    Agent(
        kilo.DESCRIPTION,
        partial(OpenCodeSource.from_environ, product=kilo.KILO),
        OpenCodeRegistration(kilo.KILO),
        partial(take_opencode_census, name=kilo.DESCRIPTION.name),
        partial(inspect_opencode_storage, product=kilo.KILO),
    ),
    Agent(
        opencode.DESCRIPTION,
        OpenCodeSource.from_environ,
        OpenCodeRegistration(),
        take_opencode_census,
        inspect_opencode_storage,
    ),
    Agent(
        cursor.DESCRIPTION,
        _cursor_source,
        CursorRegistration(),
        partial(take_cursor_census, hook_facts=_cursor_facts),
    ),
)
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
