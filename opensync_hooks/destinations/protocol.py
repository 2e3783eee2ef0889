"""What delivery needs of a place that sessions go to.

Both implementations, OpenSync over HTTP and the embedded store, take the bodies of OpenSync's own
routes. `extra` is for what OpenSync has no fields for: the store keeps it, the client drops it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json


@dataclass(frozen=True, slots=True)
class BatchReply:
    """What a batch stored. OpenSync answers `ok` even if it was nothing: look at `errors`."""

    sessions: int
    messages: int
    errors: tuple[str, ...] = ()


class Destination(Protocol):
    """Takes sessions and messages. Each call is complete in itself and safe to repeat.

    All calls raise UnreachableError, KeyRefusedError or UnusableDestinationError; `put_session` and
    `put_message` also raise RejectedError for a body that will never be accepted as it is.
    """

    @property
    def name(self) -> str:
        """The name for the user; the ledger keeps its records under it."""
        ...

    @property
    def is_on_own_disk(self) -> bool:
        """Whether what is stored stays on this machine, where only the user can read it."""
        ...

    @property
    def keeps_extra(self) -> bool:
        """Whether `extra` is stored; if not, a change of it alone need not be sent."""
        ...

    @property
    def messages_per_transaction(self) -> int:
        """How many messages to store together; 1 if each call is confirmed by itself."""
        ...

    def transaction(self) -> AbstractContextManager[object]:
        """Store all calls inside together: nothing is confirmed before the end."""
        ...

    def put_session(self, body: Json, extra: Json) -> str:
        """Insert or update a session by its `externalId`; return the destination's own id."""
        ...

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:
        """Insert or update a message with its parts by its `externalId`; return its own id.

        `replaces`: an older version may be stored already, and must not survive.
        """
        ...

    def put_batch(self, body: Json) -> BatchReply:
        """Store lists of sessions and messages. A repeated message loses its parts on OpenSync.

        Only for what must not be sent otherwise: a new title, and the cheapest check of a key.
        """
        ...


class ReadableDestination(Destination, Protocol):
    """A destination that can return what it has stored."""

    def newest(self, limit: int) -> list[Json]:
        """Return the sessions that were updated last, newest first, without their messages."""
        ...

    def lacks(self, external_id: str) -> bool:
        """Return whether there is certainly no such session; False where asking costs too much."""
        ...

    def fetch(self, external_id: str, remote_id: str | None) -> Json | None:
        """Return `{session, messages}` in OpenSync's shapes; None for an unknown session.

        `remote_id` is what `put_session` returned, if that is known.
        """
        ...


def set_title(destination: Destination, session_id: str, title: str) -> None:
    """Change a session's title. By `put_session`, OpenSync would lose the session's search text."""
    destination.put_batch({"sessions": [{"externalId": session_id, "title": title}]})
