"""A session as any of Cursor's copies holds it: steps in order, combined into messages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from opensync_hooks.agents import titles
from opensync_hooks.dataclass import dataclass
from opensync_hooks.messages import length
from opensync_hooks.model import (
    Charge,
    HookFacts,
    Message,
    Part,
    Reasoning,
    Role,
    Session,
    Skipped,
    Text,
    TurnUsage,
    Usage,
)

AGENT = "cursor"
RICHEST_ORIGIN = "database"
_DEFAULT_NAMES = ("New Agent", "New Chat")
_AUTOMATIC_MODELS = ("", "default", "auto")
_THOUGHT_TAG = re.compile(r"(?<!`)<(/?think(?:ing)?)>(?!`)", re.IGNORECASE)
_MAX_PARTS = 500
_MAX_LENGTH = 2_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """A prompt, a note, or one piece of an answer; without parts if its record is missing."""

    id: str
    role: Role
    parts: tuple[Part, ...] = ()
    created_at: int | None = None
    ended_at: int | None = None
    model: str | None = None
    usage: Usage | None = None
    request_id: str | None = None
    """Of a prompt: the id under which hooks report the turn."""
    alias: str | None = None
    undone: bool = False
    spare: bool = False

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Conversation:
    """One copy of a session. `steps` may be iterated more than once."""

    session_id: str
    origin: str
    steps: Iterable[Step] = ()
    name: str | None = None
    project_path: str | None = None
    """What the window was opened on: a folder, or a file that lists folders."""
    folders: tuple[str, ...] = ()
    """Other folders that the session names, such as its repositories."""
    git_branch: str | None = None
    model: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    parent_id: str | None = None
    children: tuple[str, ...] = ()
    is_settled: bool = True
    is_provisional: bool = False
    """A richer copy may be readable later."""
    request_ids: frozenset[str] = frozenset()
    """The turns that this copy holds, by the ids that hooks report."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """USD by model, where Cursor itself states what the session cost."""
    skipped: Counter[Skipped] = field(default_factory=Counter)
    """Complete once the steps were walked."""

    @property
    def has_content(self) -> bool:
        return any(step.parts and not step.undone for step in self.steps)

    def with_missing_from(self, other: Conversation | None) -> Conversation:
        """Return this copy with what only the other one knows about the session."""
        if other is None:
            return self
        return replace(
            self,
            name=self.name or other.name,
            project_path=self.project_path or other.project_path,
            folders=(*self.folders, *other.folders),
            git_branch=self.git_branch or other.git_branch,
            model=self.model or other.model,
            created_at=self.created_at or other.created_at,
            updated_at=max(self.updated_at or 0, other.updated_at or 0) or None,
            parent_id=self.parent_id or other.parent_id,
            children=self.children or other.children,
        )


def model_name(name: str | None) -> str | None:
    """Return the name, unless it stands for whichever model Cursor chose."""
    return None if name is None or name.lower() in _AUTOMATIC_MODELS else name


def text_parts(text: str | None) -> tuple[Part, ...]:
    return (Text(text),) if text and text.strip() else ()


def answer_parts(text: str | None) -> Iterator[Part]:
    """Separate an answer from the thoughts that some models write into it between tags."""
    pieces = _THOUGHT_TAG.split(text or "")
    if len(pieces) == 1:
        yield from text_parts(text)
        return
    tags = ["", *pieces[1::2], ""]
    for words, before, after in zip(map(str.strip, pieces[::2]), tags, tags[1:], strict=False):
        is_opened, is_closed = before[:1] not in ("", "/"), after.startswith("/")
        if words and (is_opened or is_closed):
            yield Reasoning(words, is_doubtful=not (is_opened and is_closed))
        else:
            yield from text_parts(words)


def to_session(conversation: Conversation, hook_facts: HookFacts) -> Session:
    """Return the session with every message, and with the tokens that hooks reported."""
    messages = ConversationMessages(conversation, {turn.id: turn for turn in hook_facts.turns})
    charges: dict[str, Charge] = {}
    times: list[int] = []
    first_prompt = last_model = None
    duration = 0
    for message in messages:
        if message.charge:
            charges[message.charge.id] = message.charge
        if message.created_at:
            times.append(message.created_at)
        duration += message.duration_ms or 0
        last_model = message.model or last_model
        if first_prompt is None and message.role == "user" and not message.undone:
            first_prompt = message.text
    for turn in hook_facts.turns:
        model = turn.model or conversation.model
        charges.setdefault(turn.id, Charge(turn.id, model, turn.usage))
    for model, cost in conversation.costs.items():
        charge_id = f"{conversation.session_id}:{model}"
        charges[charge_id] = Charge(charge_id, model_name(model), Usage(), cost)
    return Session(
        id=conversation.session_id,
        agent=AGENT,
        messages=messages,
        charges=tuple(charges.values()),
        title=_title(conversation, first_prompt),
        project_path=conversation.project_path,
        folders=conversation.folders,
        model=conversation.model or last_model,
        provider=AGENT,
        created_at=conversation.created_at or min(times, default=None),
        updated_at=max((*times, conversation.updated_at or 0)) or None,
        duration_ms=duration or None,
        git_branch=conversation.git_branch,
        agent_version=hook_facts.agent_version,
        parent_id=conversation.parent_id,
        is_partial=not conversation.is_settled,
        skipped=+conversation.skipped,
        origin=conversation.origin,
        # The editor loses its database at times. Messages of the other copies have other ids, so
        # everything that was delivered would arrive a second time, and poorer.
        richer_origin=None if conversation.origin == RICHEST_ORIGIN else RICHEST_ORIGIN,
    )


def _title(conversation: Conversation, first_prompt: str | None) -> str | None:
    name = None if conversation.name in _DEFAULT_NAMES else conversation.name
    title = titles.one_line(name or first_prompt)
    if conversation.parent_id:
        return titles.of_subagent(title, conversation.parent_id[:8])
    return title


@dataclass(frozen=True, slots=True)
class ConversationMessages:
    """Prompts, and between them each run of assistant steps as the one answer that users see."""

    conversation: Conversation
    turns: Mapping[str, TurnUsage] = field(default_factory=dict)
    """What hooks reported, by the turn's id."""

    def __iter__(self) -> Iterator[Message]:
        turn: TurnUsage | None = None
        previous_time: int | None = None
        created_at = self._start()
        for steps in _runs(self.conversation.steps):
            first = steps[0]
            if first.role == "user" and not first.undone:
                turn = self.turns.get(first.request_id or "")
            is_answer = first.role == "assistant" and any(step.parts for step in steps)
            message = _to_message(
                steps, previous_time, turn if is_answer and not first.undone else None
            )
            if message.charge and turn and message.charge.id == turn.id:
                turn = None  # an answer in two messages is charged once
            previous_time = max(filter(None, (previous_time, *_times(steps))), default=None)
            created_at = message.created_at or created_at
            if message.parts:
                yield self._priced(replace(message, created_at=created_at))

    def _start(self) -> int | None:
        """Return a time for messages before the first one that has a time."""
        times = (step.created_at for step in self.conversation.steps if not step.undone)
        first = next(filter(None, times), None)
        return min(filter(None, (self.conversation.created_at, first)), default=None)

    def _priced(self, message: Message) -> Message:
        """Fill in the conversation's model, and the cost of a call where Cursor states costs."""
        model = message.model or self.conversation.model
        charge = message.charge
        if charge is not None:
            # Cursor states the cost of the whole session: no single call is priced again.
            cost = 0.0 if self.conversation.costs else None
            charge = replace(charge, model=charge.model or model, cost=cost, at=message.created_at)
        is_answer = message.role == "assistant"
        return replace(message, model=model if is_answer else message.model, charge=charge)


def _runs(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Group consecutive assistant steps; every other step is alone.

    An answer of hours continues in a second message, because a message that is too long is cut.
    """
    run: list[Step] = []
    part_count = total_length = 0
    for step in steps:
        is_full = part_count >= _MAX_PARTS or total_length >= _MAX_LENGTH
        if not run or is_full or not _continues(run[0], step):
            if run:
                yield run
            run, part_count, total_length = [], 0, 0
        run.append(step)
        part_count += len(step.parts)
        total_length += sum(map(length, step.parts))
    if run:
        yield run


def _continues(first: Step, step: Step) -> bool:
    is_answer = first.role == step.role == "assistant"
    return is_answer and (first.undone, first.spare) == (step.undone, step.spare)


def _times(steps: list[Step]) -> list[int]:
    times = (time for step in steps for time in (step.created_at, step.ended_at))
    return [time for time in times if time is not None]


def _to_message(steps: list[Step], previous_time: int | None, turn: TurnUsage | None) -> Message:
    first, times = steps[0], _times(steps)
    model = next((step.model for step in reversed(steps) if step.model), None)
    started_at = previous_time if first.role == "assistant" else None
    return Message(
        id=first.id,
        role=first.role,
        parts=tuple(part for step in steps for part in step.parts),
        created_at=next((step.created_at for step in steps if step.created_at), None),
        model=model,
        charge=_charge(steps, turn, model),
        duration_ms=max(0, max(times) - started_at) if times and started_at else None,
        undone=first.undone,
        aliases=(*(step.id for step in steps[1:]), *((first.alias,) if first.alias else ())),
        spare=first.spare,
    )


def _charge(steps: list[Step], turn: TurnUsage | None, model: str | None) -> Charge | None:
    """Return what a hook reported about the turn, else what the steps themselves count."""
    if turn is not None:
        return Charge(turn.id, turn.model or model, turn.usage)
    usages = [step.usage for step in steps if step.usage is not None]
    return Charge(steps[0].id, model, sum(usages, Usage())) if usages else None
