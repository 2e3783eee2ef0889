"""What every layout of OpenCode's data is turned into first: messages as OpenCode 1.x shapes them.

A message has an `info` with role, model, tokens, times; and parts of type text, tool, file, others.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.values import number, parse, text


@dataclass(frozen=True, slots=True)
class Revert:
    """Where the user went back to; what follows is deleted once the session goes on."""

    message_id: str
    is_within: bool
    """Only parts of the message itself are taken back, and which ones is not told apart."""

    @classmethod
    def of(cls, value: Any) -> Revert | None:
        """From the object, or the JSON, that a session has under `revert`."""
        value = value if isinstance(value, dict) else parse(value)
        message_id = text(value, "messageID")
        return cls(message_id, bool(text(value, "partID"))) if message_id else None


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a session besides its messages. Times are ms since 1970 UTC."""

    id: str
    title: str | None = None
    directory: str | None = None
    parent_id: str | None = None
    forked_from: str | None = None
    version: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    revert: Revert | None = None

    @classmethod
    def of_info(cls, session_id: str, info: Value) -> Head:
        """From a session as OpenCode's files and its `export` have it."""
        return cls(
            id=session_id,
            title=text(info, "title"),
            directory=text(info, "directory"),
            parent_id=text(info, "parentID"),
            version=text(info, "version"),
            created_at=number(info, "time", "created"),
            updated_at=number(info, "time", "updated"),
            revert=Revert.of(info.get("revert")),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    info: Value
    parts: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One session. `entries` can be walked once, which also completes `skipped`."""

    head: Head
    entries: Iterable[Entry]
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Mark:
    """Tells whether anything of one session has changed, without reading all of it."""

    session_id: str
    parent_id: str | None
    path: Path
    changed_at: int
    digest: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """The end of a session: whether its last message is complete, and when it last changed."""

    is_final: bool
    at: int

    @classmethod
    def of_info(cls, info: Value | None, at: int) -> Pulse:
        """A step that ended with a call of tools is followed by the next one."""
        info = info or {}
        ended = bool(info.get("error")) or number(info, "time", "completed") is not None
        goes_on = text(info, "finish") == "tool-calls" and not info.get("error")
        return cls(info.get("role") == "assistant" and ended and not goes_on, at)


class Layout(Protocol):
    """One place with sessions in it. Every method raises SourceError if it cannot be read now."""

    path: Path

    def marks(self, hidden: Container[str]) -> Iterable[Mark]:
        """All sessions that lie here, children too, but for those that are `hidden`."""
        ...

    def family(self, session_id: str) -> list[Mark]:
        """The session, then all that it started, also through others; empty if it is not here."""
        ...

    def records(self, session_ids: list[str]) -> Iterator[Record]:
        """These sessions, all in one state."""
        ...

    def pulse(self, session_id: str) -> Pulse | None: ...


def digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def families(marks: Iterable[Mark]) -> Iterator[list[Mark]]:
    """Each session whose parent is not there, followed by all that it started."""
    marks = list(marks)
    known = {mark.session_id for mark in marks}
    children = by_parent(marks)
    for mark in marks:
        if mark.parent_id not in known:
            yield offspring(mark, children)


def by_parent(marks: Iterable[Mark]) -> dict[str | None, list[Mark]]:
    children: dict[str | None, list[Mark]] = {}
    for mark in marks:
        children.setdefault(mark.parent_id, []).append(mark)
    return children


def offspring(root: Mark, children: dict[str | None, list[Mark]]) -> list[Mark]:
    """The root, then its children with theirs; each once, also where parents go in a circle."""
    found = {root.session_id: root}
    waiting = [root]
    for mark in waiting:
        fresh = [one for one in children.get(mark.session_id, ()) if one.session_id not in found]
        found |= {one.session_id: one for one in fresh}
        waiting += fresh
    return list(found.values())
