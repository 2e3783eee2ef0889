"""The messages of a conversation: prompts, and between them each run of steps as one answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from opensync_hooks.agents.cursor.conversation import Conversation, Step
from opensync_hooks.dataclass import dataclass
from opensync_hooks.messages import length
from opensync_hooks.model import Charge, Message, TurnUsage, Usage

_MAX_PARTS = 500
_MAX_LENGTH = 2_000_000


@dataclass(slots=True)
class MessagePosition:
    """The times that messages behind a place take over from those before it."""

    previous_time: int | None = None
    created_at: int | None = None


@dataclass(frozen=True, slots=True)
class ConversationMessages:
    """Prompts, and between them each run of assistant steps as the one answer that users see."""

    conversation: Conversation
    turns: Mapping[str, TurnUsage] = field(default_factory=dict)
    """What hooks reported, by the turn's id."""

    def __iter__(self) -> Iterator[Message]:
        return self.walk(self.conversation.steps, self.start())

    def walk(self, all_steps: Iterable[Step], position: MessagePosition) -> Iterator[Message]:
        """Yield the messages of some steps, and move the position along."""
        turn: TurnUsage | None = None
        for steps in runs(all_steps):
            first = steps[0]
            if first.role == "user" and not first.undone:
                turn = self.turns.get(first.request_id or "")
            is_answer = first.role == "assistant" and any(step.parts for step in steps)
            message = to_message(
                steps, position.previous_time, turn if is_answer and not first.undone else None
            )
            if message.charge and turn and message.charge.id == turn.id:
                turn = None  # an answer in two messages is charged once
            times = (position.previous_time, *_times(steps))
            position.previous_time = max(filter(None, times), default=None)
            position.created_at = message.created_at or position.created_at
            if message.parts:
                yield self._priced(replace(message, created_at=position.created_at))

    def start(self) -> MessagePosition:
        """Return the beginning, with a time for messages before the first one that has a time."""
        times = (step.created_at for step in self.conversation.steps if not step.undone)
        first = next(filter(None, times), None)
        created_at = min(filter(None, (self.conversation.created_at, first)), default=None)
        return MessagePosition(created_at=created_at)

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


def runs(steps: Iterable[Step]) -> Iterator[list[Step]]:
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


def to_message(
    steps: list[Step], previous_time: int | None = None, turn: TurnUsage | None = None
) -> Message:
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
