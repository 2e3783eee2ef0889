"""The one vocabulary of the package: what a session of any agent is, as frozen values.

Sources make these values, every other room only reads them. Times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Json = dict[str, Any]
"""A JSON object, decoded."""
Role = Literal["user", "assistant", "system"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one API call, each in exactly one field; but reasoning is part of output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        """Everything the model read: fresh input, cache reads and cache writes."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
        )

    @property
    def completion_tokens(self) -> int:
        return self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_5m_tokens + other.cache_write_5m_tokens,
            self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """What one API call cost. `id` is the same in every copy of the call: forks, resumed files."""

    id: str
    model: str | None
    usage: Usage
    cost: float | None = None
    """USD as the agent itself states it; without it the price table decides."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asked a tool to do."""

    id: str
    name: str
    arguments: Any
    category: str = ""
    """What the tool does, in one vocabulary for agents that name one action in many ways."""
    title: str = ""
    """What the agent shows in place of the arguments: a file's name, "2 todos"."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a tool call, as text."""

    call_id: str
    name: str
    output: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file or an image that went into the conversation; never its content."""

    media_type: str
    size: int | None
    """In bytes; None where the agent noted only the name."""
    name: str = ""


Part = Text | Reasoning | ToolCall | ToolResult | Attachment


def length(part: Part) -> int:
    """About how many letters a part has; an attachment has none of its own."""
    match part:
        case Text(text) | Reasoning(text):
            return len(text)
        case ToolCall():
            return len(str(part.arguments))
        case ToolResult():
            return len(part.output)
    return 0


@dataclass(frozen=True, slots=True)
class Message:
    """One prompt, one model response, or one text that was injected by the agent."""

    id: str
    """Stable within the session: the agent's own id of the message."""
    role: Role
    parts: tuple[Part, ...]
    created_at: int | None = None
    model: str | None = None
    charge: Charge | None = None
    duration_ms: int | None = None
    undone: bool = False
    """The user went back to a point before this message and took another way from there."""
    aliases: tuple[str, ...] = ()
    """Other ids for this message, or for pieces of it: whoever has one of them has the message."""
    spare: bool = False
    """A poorer copy, for a destination that has nothing of this message yet."""
    redacted: Mapping[str, int] = field(default_factory=dict)
    """The secrets that were taken out of it, by kind."""

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation. `messages` may be walked more than once and may read the disk each time."""

    id: str
    agent: str
    messages: Iterable[Message] = ()
    charges: tuple[Charge, ...] = ()
    """Every API call of this session, also of undone messages; the same ones that messages hold."""
    title: str | None = None
    project_path: str | None = None
    model: str | None = None
    provider: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    duration_ms: int | None = None
    git_branch: str | None = None
    agent_version: str | None = None
    end_reason: str | None = None
    parent_id: str | None = None
    """The session that started this one as its subagent."""
    forked_from: str | None = None
    is_partial: bool = False
    """The agent had not written all of it when it was read; the rest comes soon, or never."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """What the source could not read, by name, each with its count."""
    origin: str | None = None
    """Which of the agent's copies this was read from, where the agent keeps several."""
    richer_origin: str | None = None
    """A copy that holds more. Once that one has been delivered, this one is not delivered."""

    def map_messages(self, function: Callable[[Message], Message]) -> Session:
        """Return the session with a function applied to every message, each time it is walked."""
        return replace(self, messages=_MappedMessages(self.messages, function))


@dataclass(frozen=True, slots=True)
class _MappedMessages:
    """Maps lazily: a long session is never in memory as a whole."""

    messages: Iterable[Message]
    function: Callable[[Message], Message]

    def __iter__(self) -> Iterator[Message]:
        return map(self.function, self.messages)


@dataclass(frozen=True, slots=True)
class TurnUsage:
    """The tokens of one prompt and of everything it set off, where only a hook reports them."""

    id: str
    model: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class HookFacts:
    """Everything that hooks have reported about one session and no file of the agent repeats."""

    turns: tuple[TurnUsage, ...] = ()
    cwd: str | None = None
    agent_version: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """What one hook call asks for: this session, and what must be on disk before it is read."""

    agent: str
    session_id: str
    event: str = ""
    path: str | None = None
    awaits: str | None = None
    """Stands for what the agent had shown but perhaps not written yet: a digest, or a turn's id."""
    end_reason: str | None = None


@dataclass(frozen=True, slots=True)
class HookEvent:
    """Everything that one hook call reports."""

    trigger: Trigger
    facts: HookFacts | None = None
    is_private: bool = False
    """The user asked for this session to stay on the machine."""
