"""The turns of a graph: times, and the words of turns whose messages a compaction removed.

    turn           1 {1 user message, 2 steps*, 3 request id}
    user message   1 text, 25 when it was sent
    step           1 answer {1 text, 2 start, 3 end} or
                   2 call {1 shell {1 {1 command}}, 57 id, 59 start, 60 end} or 3 thought {1 text}

A root lists all its turns also after a compaction, but they hold no results that can be read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field

from opensync_hooks.agents.cursor import prompts, protobuf, timestamps, tools
from opensync_hooks.agents.cursor.conversation import Step, answer_parts, text_parts
from opensync_hooks.agents.cursor.message_ids import MessageIds
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Part, Reasoning, ToolCall

Blobs = Mapping[str, bytes]
GetBlobs = Callable[[Iterable[str]], Blobs]
"""Leaves out the blobs that do not exist."""
BLOB_ID_LENGTH = 32
_ANSWER, _CALL, _THOUGHT = 1, 2, 3
_SHELL = 1
"""The one kind of call whose arguments are known."""


@dataclass(frozen=True, slots=True)
class TurnStep:
    parts: tuple[Part, ...]
    key: str
    """The text of an answer, or the id of a call."""
    started_at: int | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Turn:
    prompt: str
    request_id: str | None
    sent_at: int | None
    steps: tuple[TurnStep, ...] = field(repr=False)

    def matches(self, words: str, request_id: str | None) -> bool:
        if self.request_id and request_id:
            return self.request_id == request_id
        return self.prompt.split() == words.split()

    def times(self, keys: Iterable[str]) -> tuple[int | None, int | None]:
        """Return when the steps with these texts and call ids began and ended."""
        names = {key.strip() for key in keys}
        steps = [step for step in self.steps if step.key.strip() in names]
        started = (step.started_at for step in steps)
        ended = (step.ended_at for step in steps)
        return min(filter(None, started), default=None), max(filter(None, ended), default=None)

    def restored(self, ids: MessageIds) -> Iterator[Step]:
        """Yield the turn as steps, divided as the model's responses were."""
        prompt_id = ids.prompt(self.prompt)
        request_id = self.request_id
        parts = text_parts(self.prompt)
        yield Step(prompt_id, "user", parts, self.sent_at, request_id=request_id)
        response: list[TurnStep] = []
        for step in self.steps:
            if response and _is_call(response[-1]) and not _is_call(step):
                yield _to_step(ids, response)
                response = []
            response.append(step)
        if response:
            yield _to_step(ids, response)


@dataclass(slots=True)
class TurnCursor:
    """Walks the turns beside the messages, of which a compaction may have removed some."""

    pending: deque[Turn]
    turn: Turn | None = None
    """The turn of the last prompt."""
    is_certain: bool = True
    """Every prompt so far had its turn. If not, its words may be here in another form."""

    def advance(self, words: str, request_id: str | None) -> list[Turn]:
        """Go to the turn with this prompt; return those that were passed on the way."""
        matches = (turn.matches(words, request_id) for turn in self.pending)
        index = next((number for number, is_match in enumerate(matches) if is_match), None)
        if index is None:
            self.turn, self.is_certain = None, False
            return []
        passed = [self.pending.popleft() for _ in range(index)]
        self.turn = self.pending.popleft()
        return passed if self.is_certain else []

    def rest(self) -> Iterable[Turn]:
        return self.pending if self.is_certain else ()


def _is_call(step: TurnStep) -> bool:
    return any(isinstance(part, ToolCall) for part in step.parts)


def _to_step(ids: MessageIds, response: list[TurnStep]) -> Step:
    parts = tuple(part for step in response for part in step.parts)
    ended_at = max(filter(None, (step.ended_at for step in response)), default=None)
    return Step(ids.within_turn(), "assistant", parts, response[0].started_at, ended_at)


def load(root_fields: Iterable[bytes], get_blobs: GetBlobs) -> tuple[Turn, ...]:
    """Load the turns with these blob ids. One without its blob, or of another kind, is left out."""
    ids = [value.hex() for value in root_fields if len(value) == BLOB_ID_LENGTH]
    blobs = get_blobs(ids)
    turns = (protobuf.first(blobs[blob_id], 1) for blob_id in ids if blob_id in blobs)
    return tuple(_turn(turn, get_blobs) for turn in turns if turn)


def _turn(turn: bytes, get_blobs: GetBlobs) -> Turn:
    prompt_id = protobuf.first(turn, 1).hex()
    step_ids = [
        value.hex() for number, value in protobuf.fields(turn) if number == 2 and value
        and isinstance(value, bytes)
    ]  # fmt: skip
    blobs = get_blobs([prompt_id, *step_ids])
    prompt = blobs.get(prompt_id, b"")
    steps = [_step(blobs[step_id]) for step_id in step_ids if step_id in blobs]
    return Turn(
        prompt=prompts.parse(_text(prompt, 1)).text,
        request_id=_text(turn, 3) or None,
        sent_at=timestamps.valid_ms(protobuf.first_int(prompt, 25)),
        steps=tuple(step for step in steps if step),
    )


def _step(blob: bytes) -> TurnStep | None:
    for kind, value in protobuf.fields(blob):
        if not isinstance(value, bytes):
            continue
        if kind == _ANSWER:
            text = _text(value, 1)
            return TurnStep(tuple(answer_parts(text)), text, _time(value, 2), _time(value, 3))
        if kind == _CALL:
            call_id, call = _text(value, 57), _call(value)
            return TurnStep((call,), call_id, _time(value, 59), _time(value, 60))
        if kind == _THOUGHT:
            text = _text(value, 1)
            return TurnStep((Reasoning(text),) if text.strip() else (), "", None, None)
    return None


def _call(value: bytes) -> ToolCall:
    """Return the call. Arguments of an unknown kind may be contents of a file and stay here."""
    call_id = _text(value, 57)
    command = _text(protobuf.first(protobuf.first(value, _SHELL), 1), 1)
    if command:
        return ToolCall(call_id, "Shell", {"command": command}, tools.category("Shell"))
    return ToolCall(call_id, "tool", {})


def _text(message: bytes, number: int) -> str:
    return protobuf.first(message, number).decode("utf-8", "replace")


def _time(message: bytes, number: int) -> int | None:
    return timestamps.valid_ms(protobuf.first_int(message, number))
