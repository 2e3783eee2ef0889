"""The common form of OpenCode's storage layouts: messages as OpenCode 1.x shapes them.

A message has an `info` with role, model, tokens and times, and parts of type text, tool, file and
others.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from opensync_hooks.agents.json_access import as_dict, get_dict, get_int, get_str
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json, Skipped

UNREADABLE_MESSAGE = Skipped("unreadable", "unreadable message")
UNREADABLE_SESSION = Skipped("unreadable", "unreadable session file")
UNREADABLE_PART = Skipped("unreadable", "unreadable part")
"""Names under which skipped content is counted."""
BOOKKEEPING = ("step-start", "step-finish", "patch", "snapshot")
"""Types of parts without words of anybody."""


@dataclass(frozen=True, slots=True)
class RevertPoint:
    """The message that the user went back to; all after it goes once the session continues."""

    message_id: str
    is_within_message: bool
    """Only some parts of the message itself are undone; OpenCode does not say which."""

    @classmethod
    def parse(cls, raw: Any) -> RevertPoint | None:
        """Read the object, or its JSON, that a session has under `revert`."""
        revert = as_dict(raw)
        message_id = get_str(revert, "messageID")
        return cls(message_id, bool(get_str(revert, "partID"))) if message_id else None


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """A session apart from its messages. Times are in ms since 1970 UTC."""

    id: str
    title: str | None = None
    directory: str | None = None
    worktree: str | None = None
    """The folder of its project, which even a session without a directory may have."""
    parent_id: str | None = None
    forked_from: str | None = None
    version: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    revert: RevertPoint | None = None

    @classmethod
    def parse(cls, session_id: str, info: Json) -> SessionHeader:
        """Read a session as OpenCode's JSON files and `opencode export` have it."""
        return cls(
            id=session_id,
            title=get_str(info, "title"),
            directory=get_str(info, "directory"),
            parent_id=get_str(info, "parentID"),
            version=get_str(info, "version"),
            created_at=get_int(info, "time", "created"),
            updated_at=get_int(info, "time", "updated"),
            revert=RevertPoint.parse(info.get("revert")),
        )


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: str
    info: Json | None
    """None if it cannot be read."""
    parts: tuple[Json, ...] = ()
    is_torn: bool = False
    """Some parts of it cannot be read."""
    is_undone: bool = False
    """Whether the copy with the newest content has deleted it."""

    @property
    def created_at(self) -> int:
        return get_int(self.info, "time", "created") or 0


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One session as it is stored; `skipped` counts what could not be read of it."""

    header: SessionHeader
    messages: tuple[StoredMessage, ...]
    skipped: Counter[Skipped]


@dataclass(frozen=True, slots=True)
class SessionStamp:
    """Changes with the session, and is found without reading all of it."""

    session_id: str
    parent_id: str | None
    path: Path
    changed_at: int
    fingerprint: str


class ContentState(NamedTuple):
    """How much a copy of a session is worth; of two copies, the greater one is read."""

    has_words: bool
    newest: int
    """The latest time in its newest messages and their parts, in ms; 0 without any message."""

    @classmethod
    def judge(cls, newest: Iterable[Json | None], parts: Iterable[Json | None]) -> ContentState:
        """Judge by the newest messages and parts, and by parts from anywhere in the session.

        OpenCode's own times count: an import sets those of the rows, and a copy those of the files.
        """
        times = [
            get_int(value, "time", name) or 0
            for value in newest
            for name in get_dict(value, "time")
        ]
        return cls(
            any(part and part.get("type") not in BOOKKEEPING for part in parts),
            max(times, default=0),
        )


@dataclass(frozen=True, slots=True)
class TailState:
    """Whether the last message of a session is complete, and when it last changed, in ms."""

    is_final: bool
    changed_at: int

    @classmethod
    def of_message(cls, info: Json, changed_at: int) -> TailState:
        """Judge the last message: a step that ended with tool calls is followed by another."""
        has_failed = bool(info.get("error"))
        has_ended = has_failed or get_int(info, "time", "completed") is not None
        goes_on = get_str(info, "finish") == "tool-calls" and not has_failed
        return cls(info.get("role") == "assistant" and has_ended and not goes_on, changed_at)


class StorageLayout(Protocol):
    """One place with sessions. Every method raises SourceError if it cannot be read now."""

    path: Path
    label: str
    """The name of the place for the user."""

    def session_ids(self) -> Collection[str]:
        """Return the ids of all sessions here, subagents included."""
        ...

    def family_ids(self, session_id: str) -> list[str]:
        """Return the id if the session is here, then the ids of its descendants that are here."""
        ...

    def stamps(self, session_ids: Collection[str]) -> list[SessionStamp]:
        """Return the stamps of those sessions that are here."""
        ...

    def contents(self, session_ids: Collection[str]) -> dict[str, ContentState]:
        """Return what those sessions that are here have in content."""
        ...

    def load(self, session_ids: Collection[str]) -> Mapping[str, Callable[[], StoredSession]]:
        """Return a function for each session that is here, which parses what was stored now."""
        ...

    def tail(self, session_id: str) -> TailState | None: ...


def fingerprint(*values: object) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def families(stamps: list[SessionStamp]) -> Iterator[list[SessionStamp]]:
    """Yield each session whose parent is not among the stamps, followed by its descendants."""
    session_ids = {stamp.session_id for stamp in stamps}
    children = children_by_parent(stamps)
    for stamp in stamps:
        if stamp.parent_id not in session_ids:
            yield with_descendants(stamp, children)


def children_by_parent(stamps: Iterable[SessionStamp]) -> dict[str | None, list[SessionStamp]]:
    children: dict[str | None, list[SessionStamp]] = {}
    for stamp in stamps:
        children.setdefault(stamp.parent_id, []).append(stamp)
    return children


def with_descendants(
    root: SessionStamp, children: dict[str | None, list[SessionStamp]]
) -> list[SessionStamp]:
    """Return the root and its descendants; each once, even if the parents form a circle."""
    family = {root.session_id: root}
    pending = [root]
    for stamp in pending:
        for child in children.get(stamp.session_id, ()):
            if child.session_id not in family:
                family[child.session_id] = child
                pending.append(child)
    return list(family.values())
