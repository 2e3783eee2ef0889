"""Compares the census of a session with what the reader read, and with what a destination stores.

A comparison with the reader alone would miss whatever the reader misses.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import field, replace

from opensync_hooks.agents.census import UNITS, Census, Counts
from opensync_hooks.cli.verify.comparison import Difference
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.diff import MessageDiff, SessionDiff
from opensync_hooks.messages import MappedMessages
from opensync_hooks.model import Json, Message, ToolCall, ToolResult
from opensync_hooks.pricing import estimate
from opensync_hooks.system.formatting import count

_UNIT_OF_ROLE = {"user": "utterances", "assistant": "responses"}
_UNIT_OF_PART = {"tool-call": "tool_calls", "tool-result": "tool_results"}
_MAX_NAMED = 5


@dataclass(slots=True)
class SessionCount:
    """One session, counted while it is compared: as it is read, as it is sent, as it is stored."""

    session_id: str
    read: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    """Without what stays at home on purpose, or is billed to another session."""
    stored: Counter[str] = field(default_factory=Counter)
    is_stored: bool = True
    is_richer: bool = False
    """Whether a copy of the session is stored that has more than the one on the disk."""
    has_estimate: bool = False
    """Whether the tokens are an estimate, which nothing on the disk can confirm."""

    def watch(self, changes: SessionDiff) -> SessionDiff:
        """Return the diff; whoever walks its messages has them counted as read."""
        for charge in changes.session.charges:
            self.read["prompt_tokens"] += charge.usage.prompt_tokens
            self.read["completion_tokens"] += charge.usage.completion_tokens
        self.sent["prompt_tokens"] += changes.costs.usage.prompt_tokens
        self.sent["completion_tokens"] += changes.costs.usage.completion_tokens
        self.has_estimate = self.has_estimate or estimate.MARK in (changes.session.provider or "")
        return replace(
            changes,
            session=replace(
                changes.session,
                messages=MappedMessages(changes.session.messages, self._add_read),
            ),
        )

    def _add_read(self, message: Message) -> Message:
        self.read[_UNIT_OF_ROLE.get(message.role, "")] += 1
        self.read["tool_calls"] += sum(isinstance(part, ToolCall) for part in message.parts)
        self.read["tool_results"] += sum(isinstance(part, ToolResult) for part in message.parts)
        return message

    def watch_messages(self, diffs: Iterable[MessageDiff]) -> Iterator[MessageDiff]:
        """Yield the messages, and count them as sent."""
        for diff in diffs:
            if not diff.is_withheld:
                self.sent += _units([diff.body])
            yield diff

    def add_stored(self, session: Json, rows: Iterable[Json]) -> None:
        self.stored += _units(rows)
        self.stored["prompt_tokens"] += _number(session.get("promptTokens"))
        self.stored["completion_tokens"] += _number(session.get("completionTokens"))


def compare(census: Census, session: SessionCount, *, is_explained: bool) -> Iterator[Difference]:
    """Yield the units of which the reader, or the destination, has another number than the disk.

    `is_explained`: what the destination lacks of the session is named otherwise.
    """
    if not census.is_understood:
        reason = describe_unknown([census]) or "it is empty"
        description = f"nothing in it is understood: {reason}"
        yield Difference("nothing understood", census.session_id, description)
        return
    for unit in ("utterances",) if session.is_richer else UNITS:
        if session.has_estimate and unit.endswith("_tokens"):
            continue
        low = getattr(census.counts, unit)
        high = low + getattr(census.optional, unit)
        read = session.read[unit]
        delivered = session.stored[unit] + read - session.sent[unit]
        if session.is_richer:
            read, high = delivered, max(high, delivered)
        is_read, is_delivered = low <= read <= high, low <= delivered <= high
        if is_read and (is_delivered or is_explained or not session.is_stored):
            continue
        facts = [f"{count(low, unit[:-1].replace('_', ' '))} on disk"]
        facts += [f"{read} read"] if read != delivered or not session.is_stored else []
        facts += [f"{delivered} delivered"] if session.is_stored else []
        yield Difference("census", census.session_id, f"census: {', '.join(facts)}")


def compare_unread(
    main_id: str, censuses: Mapping[str, Census], sessions: Container[str]
) -> Iterator[Difference]:
    """Yield the session and the subagents that are on the disk, but were not read at all.

    `sessions`: the ids of what was read. An excluded subagent has no census any more.
    """
    missing = [census for session_id, census in censuses.items() if session_id not in sessions]
    subagents = len(censuses.keys() - {main_id})
    unread = sum(census.session_id != main_id for census in missing)
    if unread:
        description = f"census: {count(subagents, 'subagent')} on disk, {subagents - unread} read"
        yield Difference("census", main_id, description)
    for census in missing:
        if census.counts != Counts() or not census.is_understood:
            utterances = count(census.counts.utterances, "utterance")
            responses = count(census.counts.responses, "response")
            description = f"census: {utterances} and {responses} on disk, nothing read"
            yield Difference("census", census.session_id, description)


def describe_unknown(censuses: Iterable[Census]) -> str:
    """Return what no census recognizes, with counts and the version that wrote it; or nothing."""
    unknown, versions = Counter[str](), set[str]()
    unreadable = 0
    for census in censuses:
        unknown.update(census.unknown)
        unreadable += census.unreadable
        versions |= {census.agent_version} if census.unknown and census.agent_version else set()
    names = [f"{name} ({number})" for name, number in unknown.most_common(_MAX_NAMED)]
    names += [f"{len(unknown) - _MAX_NAMED} more"] if len(unknown) > _MAX_NAMED else []
    names += [count(unreadable, "unreadable line")] if unreadable else []
    written_by = f", written by {', '.join(sorted(versions))}" if versions else ""
    return ", ".join(names) + written_by


def _units(rows: Iterable[Json]) -> Counter[str]:
    """Count messages in the form in which they are sent and stored."""
    units: Counter[str] = Counter()
    for row in rows:
        units[_UNIT_OF_ROLE.get(str(row.get("role")), "")] += 1
        parts = row.get("parts")
        for part in parts if isinstance(parts, list) else ():
            units[_UNIT_OF_PART.get(str(part.get("type")), "")] += 1
    return units


def _number(stored: object) -> int:
    """Return a stored number; 0 for whatever else a destination may return."""
    return int(stored) if isinstance(stored, int | float) and math.isfinite(stored) else 0
