"""Matches prompts that were typed while the agent worked with the lines that repeat them.

Such a prompt is written when it is queued (`enqueue`), and again as a user line or an attachment
when it reaches the model. Versions differ in what they write: often the second line is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import field

from opensync_hooks.agents.claude_code.content import text_of
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json


@dataclass(frozen=True, slots=True)
class QueuedPrompt:
    id: str
    text: str


@dataclass(slots=True)
class PromptQueue:
    """The queue of one session, as its `queue-operation` lines describe it."""

    _waiting: list[QueuedPrompt] = field(default_factory=list)
    _dequeued: list[QueuedPrompt] = field(default_factory=list)
    """The next user line repeats the first of these, perhaps with its placeholders expanded."""
    _absorbed: list[QueuedPrompt] = field(default_factory=list)
    """These went to the model among the results of tools."""
    _texts: set[str] = field(default_factory=set)
    """Of all prompts that were ever queued."""
    _file_of: dict[tuple[str | None, ...], int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether no prompt is waiting for the line that repeats it."""
        return not (self._waiting or self._dequeued or self._absorbed)

    def is_new(self, line: Json, file: int) -> bool:
        """Whether no other copy of the transcript has this operation, which has no uuid."""
        key = get_str(line, "operation"), get_str(line, "timestamp"), text_of(line)
        return self._file_of.setdefault(key, file) == file

    def enqueue(self, line: Json) -> QueuedPrompt:
        text = text_of(line)
        prompt = QueuedPrompt(queued_id(line), text)
        self._waiting.append(prompt)
        self._texts.add(text)
        return prompt

    def is_first_mention(self, line: Json) -> bool:
        """Whether a prompt leaves the queue in this line that no earlier one has put there."""
        text = text_of(line)
        return line.get("operation") == "remove" and bool(text) and text not in self._texts

    def apply(self, line: Json) -> Iterator[QueuedPrompt]:
        """Follow an operation on the queue; yields the prompts that the user took back."""
        match line.get("operation"):
            case "dequeue":
                self._move(text_of(line), self._dequeued)
            case "remove":
                self._move(text_of(line), self._absorbed)
            case "popAll":  # back into the input line, to be edited
                yield from self._waiting
                self._waiting.clear()

    def _move(self, text: str, target: list[QueuedPrompt]) -> None:
        if self._waiting:
            target.append(_pop(self._waiting, text) or self._waiting.pop(0))

    def match(self, text: str, *, by_order: bool) -> QueuedPrompt | None:
        """Take out the queued prompt that a line repeats.

        `by_order`: the line may be one whose text was expanded after it was queued.
        """
        for prompts in (self._dequeued, self._absorbed, self._waiting):
            if prompt := _pop(prompts, text):
                return prompt
        return self._dequeued.pop(0) if by_order and self._dequeued else None


def queued_id(line: Json) -> str:
    """Return the id of the prompt that an operation puts into the queue."""
    key = f"{get_str(line, 'timestamp')} {text_of(line)}".encode("utf-8", "surrogatepass")
    return f"queued-{hashlib.sha256(key).hexdigest()[:24]}"


def _pop(prompts: list[QueuedPrompt], text: str) -> QueuedPrompt | None:
    for index, prompt in enumerate(prompts):
        if prompt.text.strip() == text.strip():
            return prompts.pop(index)
    return None
