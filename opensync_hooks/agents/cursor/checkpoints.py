"""Where a session of the editor is read on, without decoding the bubbles that were read before.

All rows are taken out as they are. Those of the bubbles before the checkpoint are only hashed, with
their headers: if any of them has changed, has gone or has been added, the session is read whole. So
it is if a hook has reported something of an earlier turn. The place is in front of the last prompt,
as Cursor goes on writing to the turn behind it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial

from opensync_hooks.agents.cursor import sessions
from opensync_hooks.agents.cursor.composer_steps import ComposerSteps, StepPosition
from opensync_hooks.agents.cursor.conversation import (
    RICHEST_ORIGIN,
    Conversation,
    Step,
)
from opensync_hooks.agents.cursor.message_ids import MessageIds
from opensync_hooks.agents.cursor.messages import (
    ConversationMessages,
    MessagePosition,
    runs,
    to_message,
)
from opensync_hooks.agents.cursor.sessions import MessageTotals
from opensync_hooks.agents.digests import RowDigest, of_name
from opensync_hooks.agents.source import NotResumableError, SavedCheckpoint
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Checkpoint, HookFacts, Json, Message, Session, Skipped

_MAX_MASKED = 200
"""Messages with secrets that are masked again each time, so that the secrets are known."""


def read(
    conversation: Conversation, hook_facts: HookFacts, saved: SavedCheckpoint | None
) -> Session:
    """Return a session from its checkpoint on, or whole where that is not possible."""
    steps = conversation.steps
    if (
        not isinstance(steps, ComposerSteps)
        or conversation.origin != RICHEST_ORIGIN
        or conversation.costs
        or not steps.has_rows_in_order
    ):
        return sessions.to_session(conversation, hook_facts)
    if saved:
        tried = steps.with_own_counts()  # if it fails, nothing has been counted
        resumed = replace(conversation, steps=tried, skipped=tried.skipped)
        try:
            return _Reader(resumed, tried, hook_facts, saved).read()
        except NotResumableError:
            pass
    return _Reader(conversation, steps, hook_facts, None).read()


@dataclass(frozen=True, slots=True)
class _LaterMessages:
    """The messages behind a checkpoint; each pass decodes their bubbles anew."""

    messages: ConversationMessages
    steps: ComposerSteps
    start: int
    position: MessagePosition
    model: str | None
    count_before: Callable[[str], int]

    def __iter__(self) -> Iterator[Message]:
        return self.messages.walk(
            self.steps.walk(self.step_position(), self.start), replace(self.position)
        )

    def step_position(self) -> StepPosition:
        return StepPosition(MessageIds(self.count_before), self.model)


class _Reader:
    """Reads one session once. Raises NotResumableError."""

    def __init__(
        self,
        conversation: Conversation,
        steps: ComposerSteps,
        hook_facts: HookFacts,
        saved: SavedCheckpoint | None,
    ) -> None:
        self._conversation = conversation
        self._steps = steps
        self._facts = hook_facts
        self._saved = saved
        self._state: Json = saved.state if saved else {}
        self._start = int(self._state.get("count", 0))
        self._messages = sessions.conversation_messages(conversation, hook_facts)
        self._digest = RowDigest((conversation.created_at, conversation.model))
        self._prompts: list[str] = []
        """The ids of the prompts that were passed over in this read."""

    def read(self) -> Session:
        steps, totals = self._steps, MessageTotals()
        if self._saved:
            self._restore(totals)
        messages, middle = self._later_messages(), self._last_prompt()
        position, step_position = replace(messages.position), messages.step_position()
        passed = self._noted(steps.walk(step_position, self._start, middle))
        for message in self._messages.walk(passed, position):
            totals.add(message)
        names = [*totals.charges]
        state = self._state_at(middle, totals, position, step_position.model)
        later: set[str] = set()
        for message in self._messages.walk(steps.walk(step_position, middle), position):
            totals.add(message)
            later.add(message.id)
        later_charges = totals.charges.keys() - set(names)
        state["turns"], state["reported"] = self._reported(later_charges)
        self._require_new(totals.charges)
        facts = self._new_facts(totals)
        session = sessions.summarize(self._conversation, facts, messages, totals)
        later_charges |= {turn.id for turn in facts.turns} - set(names)
        numbers = {ref.bubble_id: number for number, ref in enumerate(steps.refs[:middle])}
        masked = [*self._state.get("masked", ())]
        checkpoint = Checkpoint(
            state=partial(_with_masked, state, masked, numbers, self._start),
            names=[*map(of_name, names), *map(_prompt_name, self._prompts)],
            later_messages=frozenset(later),
            later_charges=frozenset(later_charges),
        )
        return replace(
            session,
            is_resumed=self._saved is not None,
            masked_before=tuple(map(self._message, masked)),
            checkpoint=checkpoint if middle else None,
        )

    def _restore(self, totals: MessageTotals) -> None:
        """Take over what an earlier read has learned of the bubbles before the checkpoint."""
        state, refs = self._state, self._steps.refs[: self._start]
        self._add_rows(0, self._start)
        turns = self._facts.turns[: state["turns"]]
        if (
            len(refs) < self._start
            or self._digest.hexdigest() != state["digest"]
            or _digest_of(turns) != state["reported"]
        ):
            raise NotResumableError
        skipped = Counter({Skipped(*key): count for *key, count in state["skipped"]})
        self._steps.replace_counts(refs, skipped)
        totals.earliest, totals.latest = state["earliest"], state["latest"]
        totals.duration_ms, totals.last_model = state["duration_ms"], state["last_model"]
        if state["first_prompt"] is not None:
            totals.first_prompt = self._message(state["first_prompt"])

    def _later_messages(self) -> _LaterMessages:
        state, position = self._state, self._messages.start()
        if self._saved:
            position = MessagePosition(state["previous_time"], state["created_at"])
        return _LaterMessages(
            messages=self._messages,
            steps=self._steps,
            start=self._start,
            position=position,
            model=state.get("model"),
            count_before=self._count_before,
        )

    def _last_prompt(self) -> int:
        """Return the number of the bubble in front of which the next read may begin."""
        refs = self._steps.refs
        for number in range(len(refs) - 1, self._start, -1):
            if not refs[number].undone and self._steps.is_prompt(refs[number]):
                return number
        return self._start

    def _add_rows(self, start: int, stop: int) -> None:
        rows = self._steps.rows
        self._digest.add(
            (ref.bubble_id, ref.undone, repr(ref.header), rows.get(ref.bubble_id))
            for ref in self._steps.refs[start:stop]
        )

    def _count_before(self, digest: str) -> int:
        """Return how often a prompt with this digest is before the checkpoint."""
        count = 0
        while self._saved:
            name = _prompt_name(f"{digest}.{count}")
            if not self._saved.known_names([name]):
                break
            count += 1
        return count

    def _noted(self, steps: Iterable[Step]) -> Iterator[Step]:
        for step in steps:
            if step.role == "user" and step.alias:
                self._prompts.append(step.alias)
            yield step

    def _require_new(self, charges: Iterable[str]) -> None:
        """Raise if a call was before the checkpoint, too: then it must not be counted twice."""
        if self._saved and self._saved.known_names(map(of_name, charges)):
            raise NotResumableError

    def _new_facts(self, totals: MessageTotals) -> HookFacts:
        """Return the turns that hooks reported but for those before the checkpoint.

        Raises if one of the latest is not in the messages: it may belong to an earlier prompt.
        """
        if self._saved is None:
            return self._facts
        turns = self._facts.turns
        if any(turn.id not in totals.charges for turn in turns[self._state["turns"] :]):
            raise NotResumableError
        names = {of_name(turn.id): turn for turn in turns}
        before = self._saved.known_names(names)
        later = tuple(turn for name, turn in names.items() if name not in before)
        return replace(self._facts, turns=later)

    def _reported(self, later: Collection[str]) -> tuple[int, str]:
        """Return how many turns were reported before the first of a later message; their digest."""
        turns = self._facts.turns
        is_later = (number for number, turn in enumerate(turns) if turn.id in later)
        count = next(is_later, len(turns))
        return count, _digest_of(turns[:count])

    def _state_at(
        self, number: int, totals: MessageTotals, position: MessagePosition, model: str | None
    ) -> Json:
        """Return what is known once all bubbles before this one have been passed over."""
        self._add_rows(self._start, number)
        skipped = self._steps.skipped_in(self._steps.refs[self._start : number])
        for *key, count in self._state.get("skipped", ()):
            skipped[Skipped(*key)] += count
        first = totals.first_prompt
        first_id = first and first.id
        refs = enumerate(self._steps.refs[:number] if first else ())
        return {
            "count": number,
            "digest": self._digest.hexdigest(),
            "previous_time": position.previous_time,
            "created_at": position.created_at,
            "model": model,
            "earliest": totals.earliest,
            "latest": totals.latest,
            "duration_ms": totals.duration_ms,
            "last_model": totals.last_model,
            "first_prompt": next((at for at, ref in refs if ref.bubble_id == first_id), None),
            "skipped": [[*each, count] for each, count in skipped.items()],
        }

    def _message(self, number: int) -> Message:
        """Return the message that begins with a bubble, with no more than its content."""
        steps = self._steps.walk(StepPosition(), number)
        return to_message(next(runs(steps)))


def _prompt_name(turn_id: str) -> int:
    return of_name(f"prompt {turn_id}")


def _digest_of(turns: Iterable[object]) -> str:
    return hashlib.blake2b(repr(tuple(turns)).encode(), digest_size=16).hexdigest()


def _with_masked(
    state: Json, earlier: list[int], numbers: dict[str, int], start: int, masked: Collection[str]
) -> Json | None:
    """Add the numbers of messages with secrets: of earlier reads, and behind `start`."""
    new = sorted(numbers[name] for name in masked if numbers.get(name, -1) >= start)
    all_masked = [*earlier, *new]
    return {**state, "masked": all_masked} if len(all_masked) <= _MAX_MASKED else None
