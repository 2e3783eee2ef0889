"""Cleans a session of what the user's settings keep at home."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from opensync_hooks.config import Config
from opensync_hooks.model import Message, Session
from opensync_hooks.privacy.cleaning import clean_message, clean_session
from opensync_hooks.privacy.redaction.memory import SecretMemory


def redact(session: Session, config: Config) -> Session:
    """Return the session cleaned; each message counts its own redacted, and may have no part."""
    cleaned = clean_session(session, config)
    return replace(cleaned, messages=_RedactedMessages(session.messages, config))


@dataclass(frozen=True, slots=True)
class _RedactedMessages:
    """Messages cleaned one after the other: what was masked in one is masked in all that follow.

    Each pass begins anew, so that it gives the same result as the one before.
    """

    messages: Iterable[Message]
    config: Config

    def __iter__(self) -> Iterator[Message]:
        memory = SecretMemory()
        for message in self.messages:
            counts = Counter[str]()
            yield replace(clean_message(message, self.config, counts, memory), redacted=counts)
