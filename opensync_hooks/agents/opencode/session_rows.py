"""The rows of one session as they are in the database, decoded only where that is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from itertools import islice
from typing import Any

from opensync_hooks.agents.opencode.layouts import SessionHeader, StoredMessage, StoredSession
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Skipped

MessageRow = tuple[Any, ...]
"""Everything that decides what is read of one message: first its id, then the values of its row,
and the rows of its parts."""


@dataclass(frozen=True, slots=True)
class SessionRows:
    """All rows of one session as of one moment; called, it decodes them all."""

    header: SessionHeader
    messages: Sequence[MessageRow] = field(repr=False)
    to_message: Callable[[MessageRow, Counter[Skipped]], StoredMessage | None] = field(repr=False)
    """Counts what it cannot read; None for a message without an id."""
    form: str
    """The form of the rows; messages of the same rows in the same form are the same."""
    count_orphans: Callable[[Counter[Skipped]], None] = field(default=lambda _: None, repr=False)
    """Counts the rows that belong to no message."""
    unknown: Counter[Skipped] = field(default_factory=Counter, repr=False)
    """Rows in tables, and values in columns, that no version has had."""

    def __call__(self) -> StoredSession:
        skipped: Counter[Skipped] = Counter()
        messages = tuple(message for _, message in self.decode(0, len(self.messages), skipped))
        outside = self.skipped_outside(has_messages=bool(messages))
        return StoredSession(self.header, messages, skipped + outside)

    def decode(
        self, start: int, end: int, skipped: Counter[Skipped]
    ) -> Iterator[tuple[int, StoredMessage]]:
        """Yield the readable messages among some of the rows, each with the number of its row."""
        for number, row in enumerate(islice(self.messages, start, end), start):
            message = self.to_message(row, skipped)
            if message is not None:
                yield number, message

    def skipped_outside(self, *, has_messages: bool) -> Counter[Skipped]:
        """Count what is in no message. A session that lost all its messages has no orphans."""
        skipped = Counter(self.unknown)
        if has_messages:
            self.count_orphans(skipped)
        return +skipped
