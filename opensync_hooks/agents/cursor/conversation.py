"""A session as any of Cursor's places holds it: steps in order, put together to messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from opensync_hooks.agents import titles
from opensync_hooks.model import (
    Charge,
    HookFacts,
    Message,
    Part,
    Role,
    Session,
    Text,
    TurnUsage,
    Usage,
    length,
)

AGENT = "cursor"
RICHEST_ORIGIN = "database"
_NO_TITLES = ("New Agent", "New Chat")
_NO_MODELS = ("", "default", "auto")
_MOST_PARTS = 500
_MOST_LETTERS = 2_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """A prompt, a note, or one piece of an answer; without parts where its row is missing."""

    id: str
    role: Role
    parts: tuple[Part, ...] = ()
    created_at: int | None = None
    ended_at: int | None = None
    model: str | None = None
    usage: Usage | None = None
    request_id: str | None = None
    """Of the prompt's turn, as hooks name it, too."""
    alias: str | None = None
    undone: bool = False
    spare: bool = False

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Conversation:
    """One session in one place. `steps` may be walked more than once."""

    session_id: str
    origin: str
    steps: Iterable[Step] = ()
    name: str | None = None
    project_path: str | None = None
    git_branch: str | None = None
    model: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    parent_id: str | None = None
    children: tuple[str, ...] = ()
    is_settled: bool = True
    requests: frozenset[str] = frozenset()
    """The turns that are there, by the names that hooks know, too."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """USD by model, where Cursor itself states what the session cost."""
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def says_something(self) -> bool:
        return any(step.parts and not step.undone for step in self.steps)

    def over(self, other: Conversation | None) -> Conversation:
        """The same, with what only the other knows about the session."""
        if other is None:
            return self
        return replace(
            self,
            name=self.name or other.name,
            project_path=self.project_path or other.project_path,
            git_branch=self.git_branch or other.git_branch,
            model=self.model or other.model,
            created_at=self.created_at or other.created_at,
            updated_at=max(one.updated_at or 0 for one in (self, other)) or None,
            parent_id=self.parent_id or other.parent_id,
            children=self.children or other.children,
        )


def known_model(name: str | None) -> str | None:
    """The name, unless it stands for whichever model Cursor chose."""
    return None if name is None or name.lower() in _NO_MODELS else name


@dataclass(frozen=True, slots=True)
class Messages:
    """Prompts, and between them each run of assistant steps as the one answer that users see."""

    conversation: Conversation
    turns: Mapping[str, TurnUsage] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Message]:
        turn: TurnUsage | None = None
        before: int | None = None
        said_at = self._start()
        for steps in _runs(self.conversation.steps):
            first = steps[0]
            if first.role == "user" and not first.undone:
                turn = self.turns.get(first.request_id or "")
            whole = first.role == "assistant" and any(step.parts for step in steps)
            message = _message(steps, before, turn if whole and not first.undone else None)
            turn = None if message.charge and turn and message.charge.id == turn.id else turn
            before = max(filter(None, (before, *_times(steps))), default=None)
            said_at = message.created_at or said_at
            if message.parts:
                yield self._charged(replace(message, created_at=said_at))

    def _start(self) -> int | None:
        """The time of what was said before anything that has one: the clock here knows nothing."""
        dated = (step.created_at for step in self.conversation.steps if not step.undone)
        first = next(filter(None, dated), None)
        return min(filter(None, (self.conversation.created_at, first)), default=None)

    def _charged(self, message: Message) -> Message:
        """Where Cursor states the cost of the whole session, no single call is priced again."""
        model = message.model or self.conversation.model
        of_answer = message.role == "assistant"
        charge = message.charge
        if charge is not None:
            charge = replace(
                charge, model=charge.model or model, cost=0.0 if self.conversation.costs else None
            )
        return replace(message, model=model if of_answer else message.model, charge=charge)


def _runs(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Consecutive assistant steps together, everything else alone.

    An answer of hours goes on in a second message: what one message cannot hold would be cut.
    """
    run: list[Step] = []
    parts = size = 0
    for step in steps:
        is_full = parts >= _MOST_PARTS or size >= _MOST_LETTERS
        if not run or is_full or not _goes_on(run[0], step):
            if run:
                yield run
            run, parts, size = [], 0, 0
        run.append(step)
        parts += len(step.parts)
        size += sum(map(length, step.parts))
    if run:
        yield run


def _goes_on(first: Step, step: Step) -> bool:
    together = first.role == step.role == "assistant"
    return together and (first.undone, first.spare) == (step.undone, step.spare)


def _times(steps: list[Step]) -> list[int]:
    found = (at for step in steps for at in (step.created_at, step.ended_at))
    return [at for at in found if at is not None]


def _message(steps: list[Step], before: int | None, turn: TurnUsage | None) -> Message:
    first, times = steps[0], _times(steps)
    model = next((step.model for step in reversed(steps) if step.model), None)
    began = before if first.role == "assistant" else None
    aliases = (step.alias for step in steps[:1] if step.alias)
    return Message(
        id=first.id,
        role=first.role,
        parts=tuple(part for step in steps for part in step.parts),
        created_at=next((step.created_at for step in steps if step.created_at), None),
        model=model,
        charge=_charge(steps, turn, model),
        duration_ms=max(0, max(times) - began) if times and began else None,
        undone=first.undone,
        aliases=(*(step.id for step in steps[1:]), *aliases),
        spare=first.spare,
    )


def _charge(steps: list[Step], turn: TurnUsage | None, model: str | None) -> Charge | None:
    """What the hook was told of the turn; else what the steps themselves count."""
    if turn is not None:
        return Charge(turn.id, turn.model or model, turn.usage)
    counted = [step.usage for step in steps if step.usage is not None]
    return Charge(steps[0].id, model, sum(counted, Usage())) if counted else None


def session(found: Conversation, hook_facts: HookFacts) -> Session:
    """The session with every message, and the tokens that hooks were told of, once a turn."""
    messages = Messages(found, {turn.id: turn for turn in hook_facts.turns})
    charges: dict[str, Charge] = {}
    times: list[int] = []
    prompt = spoke_with = None
    duration = 0
    for message in messages:
        if message.charge:
            charges[message.charge.id] = message.charge
        times += [message.created_at] if message.created_at else []
        duration += message.duration_ms or 0
        spoke_with = message.model or spoke_with
        if prompt is None and message.role == "user" and not message.undone:
            prompt = message.text
    for turn in hook_facts.turns:
        model = turn.model or found.model
        charges.setdefault(turn.id, Charge(turn.id, model, turn.usage))
    for model, cost in found.costs.items():
        name = f"{found.session_id}:{model}"
        charges[name] = Charge(name, known_model(model), Usage(), cost)
    return Session(
        id=found.session_id,
        agent=AGENT,
        messages=messages,
        charges=tuple(charges.values()),
        title=_title(found, prompt),
        project_path=found.project_path,
        model=found.model or spoke_with,
        provider=AGENT,
        created_at=found.created_at or min(times, default=None),
        updated_at=max((*times, found.updated_at or 0)) or None,
        duration_ms=duration or None,
        git_branch=found.git_branch,
        agent_version=hook_facts.agent_version,
        parent_id=found.parent_id,
        is_partial=not found.is_settled,
        skipped=found.skipped,
        origin=found.origin,
        # The editor loses or resets its database at times. The messages of its other copies have
        # other ids: all that was delivered would be delivered again, and poorer.
        richer_origin=None if found.origin == RICHEST_ORIGIN else RICHEST_ORIGIN,
    )


def _title(found: Conversation, prompt: str | None) -> str | None:
    named = None if found.name in _NO_TITLES else found.name
    own = titles.one_line(named or prompt)
    return titles.of_subagent(own, found.parent_id[:8]) if found.parent_id else own


def text_parts(text: str | None) -> tuple[Part, ...]:
    return (Text(text),) if text and text.strip() else ()
