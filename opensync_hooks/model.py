"""The vocabulary of the package: sessions of any agent, and what hooks report, as frozen values.

Sources create these values; everything else only reads them. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from operator import add, attrgetter
from typing import Any, Literal, NamedTuple, get_args

from opensync_hooks.dataclass import dataclass

Json = dict[str, Any]
"""A JSON object, decoded."""
Role = Literal["user", "assistant", "system"]


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one API call, each counted in one field; reasoning is part of output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    web_searches: int = 0
    """Searches that the provider ran and bills beside the tokens."""

    @property
    def prompt_tokens(self) -> int:
        """Everything the model read: new input, cache reads and cache writes."""
        cached = self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + cached

    @property
    def completion_tokens(self) -> int:
        return self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(add, _counts(self), _counts(other)))

    def largest(self, other: Usage) -> Usage:
        """Return the larger one of each count."""
        return Usage(*map(max, _counts(self), _counts(other)))


_counts = attrgetter(*Usage.__slots__)


@dataclass(frozen=True, slots=True)
class Charge:
    """The tokens, and maybe the price, of one API call."""

    id: str
    """The same in every copy of the call, in forks and in resumed files."""
    model: str | None
    usage: Usage
    cost: float | None = None
    """In USD, if the agent itself states it; else the price table decides."""
    list_price: float | None = None
    """In USD by the price table, where the agent states the cost; 0 was paid by other means."""
    at: int | None = None
    """When the call was made; it is priced as of that day."""
    terms: tuple[str, ...] = ()
    """What the call says of its price: `fast`, `batch`, `us`, or another word of the provider's."""
    made_in: str | None = None
    """The session that made the call, if the agent says that this one copied it."""
    steps: tuple[Usage, ...] = ()
    """The requests that the usage is the sum of: each one's length decides its price tier."""
    basis: Literal["agent", "list", "user", "estimate"] | None = None
    """Who states the cost of a priced call: the agent, the price table, config.toml, or nobody."""


@dataclass(frozen=True, slots=True)
class AgentTotal:
    """What the agent says that the session had cost at one point, subagents and all."""

    cost: float
    """USD, of every call up to then, also of those that left no message and of those copied."""
    charge_id: str
    """The last call before that point; empty if there was none."""
    is_guess: bool = False
    """The agent did not know the price of one of the models."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    text: str
    is_doubtful: bool = False
    """It may be answer instead: its agent wrote both into one text."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A request of the model's to a tool."""

    id: str
    name: str
    arguments: Any
    category: str = ""
    """The tool's purpose, in one vocabulary for agents whose tools have many names for it."""
    title: str = ""
    """The text that the agent shows in place of the arguments: a file's name, "2 todos"."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The outcome of a tool call, as text."""

    call_id: str
    name: str
    output: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file or an image in the conversation, without its content."""

    media_type: str
    size: int | None
    """In bytes; None if the agent noted only the name."""
    name: str = ""


Part = Text | Reasoning | ToolCall | ToolResult | Attachment


@dataclass(frozen=True, slots=True)
class Message:
    """One prompt, one response of the model, or one text that the agent injected."""

    id: str
    """The agent's own id of the message, stable within the session."""
    role: Role
    parts: tuple[Part, ...]
    created_at: int | None = None
    model: str | None = None
    charge: Charge | None = None
    duration_ms: int | None = None
    undone: bool = False
    """The user went back to a point before this message and continued from there."""
    aliases: tuple[str, ...] = ()
    """Other ids of this message or its pieces: a destination with one of them has the message."""
    spare: bool = False
    """A poorer copy, only for a destination that has no copy of this message yet."""
    redacted: Mapping[str, int] = field(default_factory=dict)
    """The number of secrets that were taken out of it, by kind."""

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.parts if isinstance(part, Text))


SkippedKind = Literal["unreadable", "unplaced", "unknown", "left out"]
"""Why something in an agent's files did not become part of a session.

unreadable   a damaged line, a missing row, an unknown form: perhaps something that was said
unplaced     an utterance without a place in the conversation
unknown      bookkeeping that the source has never met; the session is complete without it
left out     nothing that anybody said, such as context for the model
"""

SKIPPED_KINDS: tuple[SkippedKind, ...] = get_args(SkippedKind)


class Skipped(NamedTuple):
    """The key under which a source counts what it skips, in a Counter."""

    kind: SkippedKind
    name: str
    """Shown to the user after the number, such as `unreadable line` or `line of type banner`."""

    @property
    def is_loss(self) -> bool:
        """Whether the session is incomplete without it."""
        return self.kind in ("unreadable", "unplaced")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place in a session from which its source can read on, once all before it is confirmed."""

    state: Callable[[Collection[str]], Json | None]
    """Returns what the source has to be given then; nothing of it is text of the session.

    Takes the ids of messages with secrets that are masked wherever they return; None: too many.
    """
    names: Sequence[int]
    """Digests of the names that lines behind it may refer to: those that are new in this read."""
    later_messages: frozenset[str]
    later_charges: frozenset[str]


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation."""

    id: str
    agent: str
    messages: Iterable[Message] = ()
    """May be iterated more than once; each pass may read the disk."""
    charges: tuple[Charge, ...] = ()
    """Every API call of this session, also of undone messages; messages repeat their own."""
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
    """The agent had not written all of it when it was read; the rest follows soon, or never."""
    skipped: Mapping[Skipped, int] = field(default_factory=dict)
    """How often the source skipped what; some sources count while the messages are walked."""
    stored_ids: frozenset[str] | None = None
    """Of all messages that the agent has, readable or not: it deleted any other. None: unknown."""
    origin: str | None = None
    """Which of the agent's copies this was read from, where it keeps several; one on a line."""
    read_copies: tuple[str, ...] = ()
    """All of the copies that it was read from, where what they have is united."""
    richer_origin: str | None = None
    """A copy that holds more. Once that one has been delivered, this one is not delivered."""
    folders: tuple[str, ...] = ()
    """Other folders that were open in it: a rule on any of them holds for the session."""
    agent_totals: tuple[AgentTotal, ...] = ()
    unread_copy: Literal["damaged", "unavailable"] | None = None
    """Why a file that may have a newer copy of it could not be read."""
    is_resumed: bool = False
    """Messages and charges are only those behind the checkpoint of an earlier read."""
    continues: bool = False
    """It is the next section of a long session; what follows is resumed at its checkpoint."""
    masked_before: Iterable[Message] = field(default=(), compare=False)
    """The messages before that with secrets that are masked wherever they return."""
    checkpoint: Checkpoint | None = field(default=None, compare=False)
    """Where a later read can go on; None if it has to begin anew."""


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
    roots: tuple[str, ...] = ()
    """Every folder of the session's window, in the agent's order."""
    answers: tuple[str, ...] = ()
    """Digests of answers, by which an answer is told from a thought in the same text."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A request to sync one session, and what must be on the disk before it is read."""

    agent: str
    session_id: str
    event: str = ""
    path: str | None = None
    awaits: str | None = None
    """Identifies what the agent has shown but may not have written yet: a digest, a turn's id."""
    end_reason: str | None = None
    is_begin: bool = False
    """A turn begins: its prompt is delivered while it runs, even if no event tells of its end."""


@dataclass(frozen=True, slots=True)
class HookEvent:
    """Everything that one hook call reports."""

    trigger: Trigger
    facts: HookFacts | None = None
    is_request: bool = True
    """Whether the session is due; otherwise its facts are recorded, for an event that follows."""
    is_private: bool = False
    """The user asked for this session to stay on the machine."""
