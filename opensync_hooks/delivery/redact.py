"""Cleans a session of what the user's settings keep at home."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.messages import SelectedMessages, select
from opensync_hooks.model import Message, Session
from opensync_hooks.privacy.cleaning import clean_message, clean_session
from opensync_hooks.privacy.redaction.memory import SecretMemory


def redact(session: Session, config: Config, masked: set[str] | None = None) -> Session:
    """Return the session cleaned; each message counts its own redacted, and may have no part.

    Each walk over the messages adds to `masked` the ids of those with secrets that are masked
    wherever they return.
    """
    masked = set() if masked is None else masked
    messages = _RedactedMessages(session.messages, session.masked_before, config, masked)
    return replace(clean_session(session, config), messages=messages)


@dataclass(frozen=True, slots=True)
class _RedactedMessages:
    """Messages cleaned one after the other: what was masked in one is masked in all that follow.

    Each pass begins anew, so that it gives the same result as the one before.
    """

    messages: Iterable[Message]
    masked_before: Iterable[Message]
    config: Config
    masked: set[str]

    def __iter__(self) -> Iterator[Message]:
        memory = SecretMemory()
        for message in self.masked_before:
            clean_message(message, self.config, memory=memory)
        for message in self.messages:
            counts, size = Counter[str](), memory.size
            cleaned = clean_message(message, self.config, counts, memory)
            if memory.size > size:
                self.masked.add(message.id)
            yield cleaned

    def select(self, is_wanted: Callable[[str], bool]) -> Iterable[Message]:
        """Return some of the messages, after a walk over all has shown which have secrets."""

        def is_needed(message_id: str) -> bool:
            return is_wanted(message_id) or message_id in self.masked

        needed = replace(self, messages=select(self.messages, is_needed))
        return SelectedMessages(needed, is_wanted)
