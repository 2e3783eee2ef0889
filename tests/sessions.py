"""Sessions as a source reads them, and shorthand for what is in them."""

from __future__ import annotations

from collections.abc import Iterator

from opensync_hooks.agents.source import Source
from opensync_hooks.model import Message, Session, ToolResult


def family(source: Source, session_id: str) -> list[Session]:
    """Return the session and the subagents that are delivered with it."""
    located = source.find(session_id)
    assert located, session_id
    return list(source.read(located))


def only(source: Source, session_id: str) -> Session:
    (session,) = family(source, session_id)
    return session


def everything(source: Source) -> Iterator[Session]:
    """Yield all sessions of the source, the oldest first."""
    for located in reversed(list(source.sessions())):
        yield from source.read(located)


def dialogue(session: Session) -> list[tuple[str, str]]:
    """Return the role and the text of each message."""
    return [(message.role, message.text) for message in session.messages]


def outputs(session: Session) -> list[str]:
    parts = (part for message in session.messages for part in message.parts)
    return [part.output for part in parts if isinstance(part, ToolResult)]


def kinds(message: Message) -> list[str]:
    return [type(part).__name__ for part in message.parts]
