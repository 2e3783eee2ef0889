"""What is remembered of a private session: its id, and digests by which its forks are recognized.

A fork has an id of its own, but begins with the same messages: with their ids, or at least with
the same prompts at the same times.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from itertools import islice

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Message, Session

REASON = "private: its agent ran with OPENSYNC_HOOKS_PRIVATE"
"""The content of a private session's file; other files hold another reason."""
COPY_REASON = "private: a fork, a copy or a subagent of a private session"
_RANDOM_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|msg_\w{16,}")
"""An id that no other message has by chance; some agents only count."""
_FIRST = 4


@dataclass(frozen=True, slots=True)
class PrivateSession:
    id: str
    digests: frozenset[str] = frozenset()
    """Of its first messages; empty until they were read once."""

    @classmethod
    def parse(cls, content: bytes) -> PrivateSession | None:
        """Return the session in a file of ours; None if the file is damaged."""
        try:
            value = json.loads(content)
            return cls(str(value["id"]), frozenset(value["begins"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def dump(self) -> bytes:
        return json.dumps({"id": self.id, "begins": sorted(self.digests)}).encode()


def digests(session: Session) -> frozenset[str]:
    """Return what a session and its forks have in common; nothing readable."""
    keys = (key for message in islice(session.messages, _FIRST) for key in _keys(message))
    return frozenset(hashlib.sha256(key.encode("utf-8", "replace")).hexdigest() for key in keys)


def _keys(message: Message) -> Iterator[str]:
    yield from filter(_RANDOM_ID.fullmatch, (message.id, *message.aliases))
    if message.role == "user" and message.created_at is not None and message.text:
        yield f"{message.created_at} {message.text}"
