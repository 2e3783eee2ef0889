"""Counts of a session's raw data, by which `verify` and `doctor` judge readers and deliveries.

A reader cannot say whether it read everything. Each agent therefore has a census beside its reader:
a small count by the documented formats alone, which shares no code with the reader. What a census
does not recognize, it counts by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Literal

from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json

Unit = Literal[
    "utterances",
    "responses",
    "tool_calls",
    "tool_results",
    "prompt_tokens",
    "completion_tokens",
]


_UNPRINTABLE = re.compile(r"[^\w .:/-]")
"""A damaged file may have anything in the place of a type."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a session consists of, as the agent's files, a reader or a destination have it."""

    utterances: int = 0
    """Prompts that a person typed, also those that were queued while the agent worked."""
    responses: int = 0
    """Model responses, each API call once."""
    tool_calls: int = 0
    tool_results: int = 0
    prompt_tokens: int = 0
    """Everything that the model read, cached or not."""
    completion_tokens: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, unit) + getattr(other, unit) for unit in UNITS))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, unit) - getattr(other, unit) for unit in UNITS))


UNITS = tuple(unit.name for unit in fields(Counts))


@dataclass(frozen=True, slots=True)
class Census:
    """The counts of one session, without those of its subagents."""

    session_id: str
    """As the session is called at a destination."""
    counts: Counts = field(default_factory=Counts)
    """What has to arrive."""
    optional: Counts = field(default_factory=Counts)
    """What may arrive beside it: commands that began no turn, responses without content."""
    subagents: int = 0
    """Sessions that this one started, however deep."""
    recognized: int = 0
    """How many lines, rows or parts the census recognizes."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Types of lines, rows and parts, and fields, that the census does not know, with counts."""
    unreadable: int = 0
    """Lines and rows that are damaged."""
    agent_version: str | None = None

    @property
    def is_understood(self) -> bool:
        """Whether the session is empty because nothing happened, or is not empty at all."""
        has_content = self.counts != Counts() or self.optional != Counts()
        return has_content or bool(self.recognized and not self.unknown and not self.unreadable)


@dataclass(slots=True)
class Tally:
    """Adds up one census."""

    sure: Counter[str] = field(default_factory=Counter)
    optional: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    recognized: int = 0
    unreadable: int = 0
    agent_version: str | None = None

    def add(self, unit: Unit, number: int = 1, *, is_sure: bool = True) -> None:
        (self.sure if is_sure else self.optional)[unit] += number

    def census(self, session_id: str, subagents: int = 0) -> Census:
        return Census(
            session_id=session_id,
            counts=Counts(**self.sure),
            optional=Counts(**self.optional),
            subagents=subagents,
            recognized=self.recognized,
            unknown={_UNPRINTABLE.sub("?", name)[:60]: n for name, n in self.unknown.items() if n},
            unreadable=self.unreadable,
            agent_version=self.agent_version,
        )


TakeCensus = Callable[[str, Path, Mapping[str, str], str, HookFactsLookup], Iterator[Census]]
"""Yields the census of a session, then those of its subagents. Raises SourceError.

Takes the session's id, the file where it was located, an environment, and the user's home folder.
Where an agent may have several copies of a session, the census looks for them itself.
"""


def as_count(value: object) -> int:
    """Return a number of tokens; 0 for what a damaged record may hold instead."""
    return value if type(value) is int and 0 < value < 10**12 else 0


def as_text(value: object) -> str:
    """Return a text; an empty one for any other value."""
    return value if isinstance(value, str) else ""


def as_dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def dicts_in(value: object, key: str) -> list[Json]:
    """Return the objects in the list that an object has under a key."""
    elements = as_dict(value).get(key)
    return (
        [element for element in elements if isinstance(element, dict)]
        if isinstance(elements, list)
        else []
    )
