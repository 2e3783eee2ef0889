"""Turns a stored session into a Session: its title, its totals, and what was undone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import TypeVar

from opensync_hooks.agents import titles
from opensync_hooks.agents.json_access import get_int, get_str
from opensync_hooks.agents.opencode.layouts import (
    UNREADABLE_MESSAGE,
    SessionHeader,
    StoredMessage,
    StoredSession,
)
from opensync_hooks.agents.opencode.messages import MessageConverter, injected_id
from opensync_hooks.agents.opencode.product import Product
from opensync_hooks.agents.opencode.usage import charge_of
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Charge, Message, Session, Skipped

_DEFAULT_TITLE = re.compile(
    r"(?:New|Child) [Ss]ession - \d{4}-\d\d-\d\dT[\d:.]+Z(?P<fork> \(fork #\d+\))?"
)
_AGENT_SUFFIX = re.compile(r"\((@[^()]+ subagent)\)$")
_SHORT_ID_LENGTH = 16
"""`ses_` and the twelve digits after it, which encode the time and tell sessions apart."""

_WITHOUT_WORDS = Skipped("unreadable", "session without its words")
"""Counted for a session that has lost its words, in half a migration."""

T = TypeVar("T")


def read_session(stored: StoredSession, product: Product) -> Session:
    reader = SessionReader(stored.header, product, Counter(stored.skipped))
    for number, (message, undone) in enumerate(_with_undone(stored)):
        reader.add(number, message, undone=undone)
    has_all_ids = reader.has_parts and not stored.skipped[UNREADABLE_MESSAGE]
    ids = [message.id for message in stored.messages]
    return replace(reader.session(), stored_ids=stored_ids(ids) if has_all_ids else None)


def stored_ids(ids: Sequence[str]) -> frozenset[str]:
    """Return what the messages with these ids are delivered as.

    What OpenCode added to a prompt is delivered under an id of its own.
    """
    return frozenset((*ids, *map(injected_id, ids)))


@dataclass(slots=True)
class SessionReader:
    """Converts the messages of one session, in their order, and learns the rest from them.

    Each is added with its number in the session, and `facts` are the numbers of those from which
    everything but the totals can be learned again.
    """

    header: SessionHeader
    product: Product
    skipped: Counter[Skipped]
    messages: list[Message] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    created_at: int | None = None
    updated_at: int | None = None
    duration_ms: int = 0
    has_stored: bool = False
    """Whether the session has any message, readable or not."""
    has_parts: bool = False
    is_resumed: bool = False
    """Whether the messages are only those behind the checkpoint of an earlier read."""
    _converter: MessageConverter = field(init=False)
    _prompt: tuple[str, int] | None = None
    """The text of the first prompt that has one, and the number of its message."""
    _folders: dict[str, dict[str, int]] = field(default_factory=lambda: {"cwd": {}, "root": {}})
    _names: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The last model and provider."""

    def __post_init__(self) -> None:
        self._converter = MessageConverter(self.skipped)

    @property
    def facts(self) -> set[int]:
        named = [number for _, number in self._names.values()]
        folders = [number for numbers in self._folders.values() for number in numbers.values()]
        return {*named, *folders, *([self._prompt[1]] if self._prompt else [])}

    def add(self, number: int, stored: StoredMessage, *, undone: bool = False) -> None:
        info, charge, self.has_stored = stored.info, None, True
        if info and info.get("role") == "assistant":
            charge = charge_of(stored, self.header.version, self.product)
            self._update(get_int(info, "time", "completed"))
        messages = [*self._converter.convert(stored, charge, undone=undone)]
        for message in messages:
            self._update(message.created_at)
            self.created_at = self.created_at or message.created_at
            self.duration_ms += message.duration_ms or 0
        self.messages += messages
        self.charges += [charge] if charge else []
        self.has_parts = self.has_parts or bool(stored.parts)
        self._learn(number, stored, messages)

    def learn(self, number: int, stored: StoredMessage) -> None:
        """Learn again what a message of an earlier read says of the session and of later ones."""
        converter = MessageConverter(Counter())
        self._learn(number, stored, [*converter.convert(stored, None, undone=False)])
        self._converter.learn(stored)

    def _learn(self, number: int, stored: StoredMessage, messages: Iterable[Message]) -> None:
        info = stored.info
        if info and info.get("role") == "assistant":
            for name, numbers in self._folders.items():
                if folder := get_str(info, "path", name):
                    numbers.setdefault(folder, number)
            for key in ("modelID", "providerID"):
                if value := get_str(info, key):
                    self._names[key] = (value, number)
        prompts = (message.text for message in messages if message.role == "user")
        if self._prompt is None and (prompt := _first(prompts)):
            self._prompt = (prompt, number)

    def _update(self, time: int | None) -> None:
        self.updated_at = _latest(self.updated_at, time)

    def session(self) -> Session:
        header, skipped = self.header, self.skipped
        is_empty = not (self.messages or self.charges or skipped or self.is_resumed)
        if is_empty and (self.has_stored or _had_words(header)):
            skipped[_WITHOUT_WORDS] += 1
        folders = [header.directory, *self._folders["cwd"], *self._folders["root"], header.worktree]
        return Session(
            id=header.id,
            agent=self.product.description.name,
            messages=tuple(self.messages),
            charges=tuple(self.charges),
            title=_title(header, self._prompt[0] if self._prompt else None),
            project_path=_first(folders),
            folders=tuple(dict.fromkeys(folder for folder in folders if folder and folder != "/")),
            model=self._names.get("modelID", (None,))[0],
            provider=self._names.get("providerID", (None,))[0],
            created_at=header.created_at or self.created_at,
            updated_at=_latest(self.updated_at, header.updated_at),
            duration_ms=self.duration_ms,
            agent_version=header.version,
            parent_id=header.parent_id,
            forked_from=header.forked_from,
            skipped=skipped,
            is_resumed=self.is_resumed,
        )


def _latest(*times: int | None) -> int | None:
    return max((time for time in times if time is not None), default=None)


def _had_words(header: SessionHeader) -> bool:
    """Whether something was said once: OpenCode titles a session by its first prompt."""
    return bool(header.title and not _DEFAULT_TITLE.fullmatch(header.title))


def _with_undone(stored: StoredSession) -> Iterator[tuple[StoredMessage, bool]]:
    """Yield each message with whether the user has undone it."""
    revert, undone = stored.header.revert, False
    for message in stored.messages:
        if revert and revert.message_id == message.id:
            yield message, undone or not revert.is_within_message
            undone = True
        else:
            yield message, undone or message.is_undone


def _title(header: SessionHeader, prompt: str | None) -> str | None:
    """Return OpenCode's title, or else the first prompt. A child's title also names its parent."""
    title = header.title
    default = _DEFAULT_TITLE.fullmatch(title or "")
    if not title or default:
        line = titles.one_line(prompt)
        fork = (default and default["fork"]) or ""
        title = f"{line}{fork}" if line else None
    if header.parent_id is None:
        return title
    parent = header.parent_id[:_SHORT_ID_LENGTH]
    if title and _AGENT_SUFFIX.search(title):
        return _AGENT_SUFFIX.sub(lambda suffix: f"({suffix[1]} of {parent})", title)
    return titles.of_subagent(title, parent)


def _first(values: Iterable[T | None]) -> T | None:
    """Return the first value that is not empty."""
    return next((value for value in values if value), None)
