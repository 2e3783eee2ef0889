"""Sessions as a source reads them, and what they say in the words of the tests."""

from __future__ import annotations

from collections.abc import Iterator

from opensync_hooks.agents.source import Source
from opensync_hooks.model import Message, Session, ToolResult


def family(source: Source, wanted: str) -> list[Session]:
    """The session that is found, and the subagents that are delivered with it."""
    located = source.find(wanted)
    assert located, wanted
    return list(source.read(located))


def only(source: Source, wanted: str) -> Session:
    (session,) = family(source, wanted)
    return session


def everything(source: Source) -> Iterator[Session]:
    """All that there is, the oldest first."""
    for located in reversed(list(source.sessions())):
        yield from source.read(located)


def told(session: Session) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in session.messages]


def outputs(session: Session) -> list[str]:
    parts = (part for message in session.messages for part in message.parts)
    return [part.output for part in parts if isinstance(part, ToolResult)]


def kinds(message: Message) -> list[str]:
    return [type(part).__name__ for part in message.parts]
