"""The copies of sessions in all storage layouts: which one is read, and what the others add.

Upgrades copy sessions from layout to layout, users copy databases, and builds of several channels
go on with the same session in files of their own. The copy with the newest content is read, and
what another one has after the last message that both have is added.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from opensync_hooks.agents.json_access import get_str
from opensync_hooks.agents.opencode.layouts import (
    ContentState,
    SessionStamp,
    StorageLayout,
    StoredMessage,
    StoredSession,
    children_by_parent,
    fingerprint,
    with_descendants,
)
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import DamagedSourceError, SourceError

T = TypeVar("T")
_Holders = dict[StorageLayout, ContentState | None]
"""The layouts that have a session; the content is looked at only where there are several."""
_EMPTY = ContentState(has_words=False, newest=0)


@dataclass(frozen=True, slots=True)
class CopiedSession:
    """A session, and the layouts that have it, the one with the newest content first."""

    stamp: SessionStamp
    layouts: tuple[StorageLayout, ...]


class CopyFinder:
    """Finds sessions as they are at one moment.

    A layout that cannot be read hides only itself, and damaged pages hide only their sessions.
    """

    def __init__(self, layouts: Sequence[StorageLayout]) -> None:
        """Take the layouts, the newest generation first: it wins among copies of equal content."""
        self._layouts = layouts
        self.failures: dict[Path, SourceError] = {}
        """The files that could not be read, each with the reason."""

    @property
    def unread(self) -> Literal["damaged", "unavailable"] | None:
        """Why a copy may be missing from what was found."""
        if not self.failures:
            return None
        is_damage = [isinstance(error, DamagedSourceError) for error in self.failures.values()]
        return "damaged" if all(is_damage) else "unavailable"

    def sessions(self) -> list[CopiedSession]:
        holders: dict[str, _Holders] = {}
        for layout in self._layouts:
            for session_id in self._try(layout, layout.session_ids) or ():
                holders.setdefault(session_id, {})[layout] = None
        doubles = [session_id for session_id, copies in holders.items() if len(copies) > 1]
        for layout in self._layouts:
            own = [session_id for session_id in doubles if layout in holders[session_id]]
            contents = self._contents(layout, own)
            for session_id in own:
                if session_id in contents:
                    holders[session_id][layout] = contents[session_id]
                else:
                    del holders[session_id][layout]
        return list(self._choose(holders))

    def family(self, session_id: str) -> list[CopiedSession]:
        """Return the session, then its descendants; empty if it is nowhere.

        Raises SourceError if it is nowhere and a layout could not be read.
        """
        names = {session_id: True}
        for layout in self._layouts:
            for name in self._try(layout, layout.family_ids, session_id) or ():
                names[name] = True
        holders: dict[str, _Holders] = {name: {} for name in names}
        for layout in self._layouts:
            for name, content in self._contents(layout, names).items():
                holders[name][layout] = content
        copies = {copied.stamp.session_id: copied for copied in self._choose(holders)}
        if session_id not in copies:
            if self.failures:
                raise next(iter(self.failures.values()))
            return []
        children = children_by_parent(copies[name].stamp for name in names if name in copies)
        family = with_descendants(copies[session_id].stamp, children)
        return [copies[stamp.session_id] for stamp in family]

    def load(
        self, family: Sequence[CopiedSession]
    ) -> Iterator[tuple[CopiedSession, Callable[[], StoredSession]]]:
        """Yield the sessions, each with what decodes it; a layout has all as of one moment.

        Each session is yielded with the layouts that could be read of it.
        """
        parsers: dict[StorageLayout, Mapping[str, Callable[[], StoredSession]]] = {}
        for layout in self._layouts:
            own = [copied.stamp.session_id for copied in family if layout in copied.layouts]
            loaded = self._try_each(layout, layout.load, own)
            parsers[layout] = {name: parse for few in loaded for name, parse in few.items()}
        for copied in family:
            session_id, (main, *_) = copied.stamp.session_id, copied.layouts
            layouts = [layout for layout in copied.layouts if session_id in parsers[layout]]
            copies = [
                (self._is_taken_over(layout, main), parsers[layout][session_id])
                for layout in layouts
            ]
            if copies:
                decode = partial(unite, copies) if len(copies) > 1 else copies[0][1]
                yield replace(copied, layouts=tuple(layouts)), decode

    def _is_taken_over(self, layout: StorageLayout, by: StorageLayout) -> bool:
        """Whether a newer generation copied all sessions of a layout when it first started."""
        rank = self._layouts.index
        return layout.path == by.path and rank(layout) > rank(by)

    def _choose(self, holders: Mapping[str, _Holders]) -> Iterator[CopiedSession]:
        """Rank the copies of each session, and take the stamp of the best one.

        An empty copy is none: 1.18 has a row in its own table for each session of its API.
        """
        ranked: dict[str, list[StorageLayout]] = {}
        for session_id, copies in holders.items():
            full = [layout for layout in copies if copies[layout] != _EMPTY] or list(copies)[:1]
            if full:
                ranked[session_id] = sorted(full, key=partial(_content, copies), reverse=True)
        for layout in self._layouts:
            own = [session_id for session_id, layouts in ranked.items() if layouts[0] is layout]
            stamps = self._try_each(layout, layout.stamps, own)
            for stamp in (stamp for few in stamps for stamp in few):
                _, *others = layouts = ranked[stamp.session_id]
                if others:
                    contents = [holders[stamp.session_id][other] for other in others]
                    state = fingerprint(stamp.fingerprint, contents)
                    yield CopiedSession(replace(stamp, fingerprint=state), tuple(layouts))
                else:
                    yield CopiedSession(stamp, (layout,))

    def _contents(
        self, layout: StorageLayout, session_ids: Collection[str]
    ) -> dict[str, ContentState]:
        contents = self._try_each(layout, layout.contents, session_ids)
        return {name: content for few in contents for name, content in few.items()}

    def _try_each(
        self,
        layout: StorageLayout,
        call: Callable[[Collection[str]], T],
        session_ids: Collection[str],
    ) -> Iterator[T]:
        """Call a method for all sessions; if that fails in a damaged file, for one at a time."""
        result = self._try(layout, call, session_ids) if session_ids else None
        if result is not None:
            yield result
        elif len(session_ids) > 1 and self._is_damaged(layout):
            for session_id in session_ids:
                yield from self._try_each(layout, call, [session_id])

    def _is_damaged(self, layout: StorageLayout) -> bool:
        return isinstance(self.failures.get(layout.path), DamagedSourceError)

    def _try(self, layout: StorageLayout, call: Callable[..., T], *arguments: object) -> T | None:
        """Call a method of the layout; return None if it cannot be read, now or before."""
        if layout.path in self.failures and not self._is_damaged(layout):
            return None
        try:
            return call(*arguments)
        except SourceError as error:
            self.failures[layout.path] = error
            return None


def _content(copies: _Holders, layout: StorageLayout) -> ContentState:
    return copies[layout] or _EMPTY


def unite(copies: Sequence[tuple[bool, Callable[[], StoredSession]]]) -> StoredSession:
    """Return the first copy, with the parts that only others have, and with what they went on with.

    A message that a copy has between two that the first one has, too, was deleted in the first. So
    was one of a copy that was taken over (the flag), if the first one has gone on after it.
    """
    session, *others = (parse() for _, parse in copies)
    for (is_taken_over, _), other in zip(copies[1:], others, strict=True):
        own = {message.id for message in session.messages}
        shared = [index for index, message in enumerate(other.messages) if message.id in own]
        if not shared:
            continue
        fuller = {message.id: message for message in other.messages if message.parts}
        messages = [
            message if message.parts else fuller.get(message.id, message)
            for message in session.messages
        ]
        later = other.messages[shared[-1] + 1 :]
        if is_taken_over:
            later = _with_deleted(later, session, {message.id for message in other.messages})
        if later:
            messages = sorted([*messages, *later], key=lambda message: message.created_at)
        session = replace(session, messages=tuple(messages))
    return session


def _with_deleted(
    later: Sequence[StoredMessage], session: StoredSession, taken_over: set[str]
) -> tuple[StoredMessage, ...]:
    """Mark what is older than the first response that the session has got since it was taken over.

    OpenCode deletes what was undone when the next prompt arrives.
    """
    responses = (
        message.created_at
        for message in session.messages
        if message.id not in taken_over and get_str(message.info, "role") == "assistant"
    )
    went_on_at = min(responses, default=0)
    return tuple(replace(message, is_undone=message.created_at < went_on_at) for message in later)
