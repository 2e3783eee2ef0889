"""A record as a Session value: its title, its totals, what was taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from opensync_hooks.agents import titles
from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.layouts import Entry, Head, Record
from opensync_hooks.agents.opencode.messages import Reader
from opensync_hooks.agents.opencode.usage import charge
from opensync_hooks.agents.opencode.values import number, text
from opensync_hooks.model import Charge, Message, Session

AGENT = "opencode"
_UNTITLED = re.compile(r"(?:New|Child) [Ss]ession - \d{4}-\d\d-\d\dT[\d:.]+Z")
_OF_AGENT = re.compile(r"\((@[^()]+ subagent)\)$")
_TIME_OF_ID = 16
"""`ses_` and the twelve digits behind it, which stand for the time and tell sessions apart."""

T = TypeVar("T")


def session(record: Record) -> Session:
    """The record's one walk; nothing is left on the disk to be read."""
    head, read = record.head, Reader(record.skipped)
    told: list[Message] = []
    paid: list[Charge] = []
    answers: list[Value] = []
    for entry, undone in _entries(record):
        cost = charge(entry) if entry.info.get("role") == "assistant" else None
        told += read.messages(entry, cost, undone=undone)
        paid += [cost] if cost else []
        answers += [entry.info] if entry.info.get("role") == "assistant" else []
    return Session(
        id=head.id,
        agent=AGENT,
        messages=tuple(told),
        charges=tuple(paid),
        title=_title(head, told),
        project_path=head.directory or _first(text(info, "path", "cwd") for info in answers),
        model=_first(text(info, "modelID") for info in reversed(answers)),
        provider=_first(text(info, "providerID") for info in reversed(answers)),
        created_at=head.created_at or _first(message.created_at for message in told),
        updated_at=_latest(head, told, answers),
        duration_ms=sum(message.duration_ms or 0 for message in told),
        agent_version=head.version,
        parent_id=head.parent_id,
        forked_from=head.forked_from,
        skipped=record.skipped,
    )


def _entries(record: Record) -> Iterator[tuple[Entry, bool]]:
    """Each entry, and whether the user has taken it back."""
    revert, undone = record.head.revert, False
    for entry in record.entries:
        here = revert if revert and revert.message_id == entry.id else None
        yield entry, undone or (here is not None and not here.is_within)
        undone = undone or here is not None


def _latest(head: Head, told: Iterable[Message], answers: Iterable[Value]) -> int | None:
    times = [number(info, "time", "completed") for info in answers]
    times += [head.updated_at, *(message.created_at for message in told)]
    return max((at for at in times if at is not None), default=None)


def _title(head: Head, told: Iterable[Message]) -> str | None:
    """OpenCode's own, unless it had no time to find one. A child's also names its parent."""
    own = head.title if head.title and not _UNTITLED.fullmatch(head.title) else None
    own = own or titles.one_line(_first(one.text for one in told if one.role == "user"))
    if head.parent_id is None:
        return own
    parent = head.parent_id[:_TIME_OF_ID]
    named, count = _OF_AGENT.subn(lambda of: f"({of[1]} of {parent})", own or "")
    return named if count else titles.of_subagent(own, parent)


def _first(values: Iterable[T | None]) -> T | None:
    """The first that is there and says something."""
    return next((value for value in values if value), None)
