"""The messages of a session, changed or selected lazily: a long session is never in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Message, Part, Reasoning, Text, ToolCall, ToolResult


@runtime_checkable
class SelectableMessages(Protocol):
    """Messages that need not be read one and all."""

    def select(self, is_wanted: Callable[[str], bool]) -> Iterable[Message]:
        """Return those whose ids are wanted, and read no others."""
        ...


def select(messages: Iterable[Message], is_wanted: Callable[[str], bool]) -> Iterable[Message]:
    """Return the messages whose ids are wanted, without reading the others where that is possible.

    Like the messages, they may be walked more than once.
    """
    if isinstance(messages, SelectableMessages):
        return messages.select(is_wanted)
    return SelectedMessages(messages, is_wanted)


@dataclass(frozen=True, slots=True)
class SelectedMessages:
    """Some of the messages of a session, of which all are read."""

    messages: Iterable[Message]
    is_wanted: Callable[[str], bool]

    def __iter__(self) -> Iterator[Message]:
        return (message for message in self.messages if self.is_wanted(message.id))


@dataclass(frozen=True, slots=True)
class MappedMessages:
    """Messages with a function applied to each of them, each time they are walked."""

    messages: Iterable[Message]
    function: Callable[[Message], Message]

    def __iter__(self) -> Iterator[Message]:
        return map(self.function, self.messages)

    def select(self, is_wanted: Callable[[str], bool]) -> Iterable[Message]:
        return replace(self, messages=select(self.messages, is_wanted))


def length(part: Part) -> int:
    """Return about how many characters a part has; 0 for an attachment."""
    match part:
        case Text(text) | Reasoning(text) | ToolResult(output=text):
            return len(text)
        case ToolCall():
            return len(str(part.arguments))
    return 0
