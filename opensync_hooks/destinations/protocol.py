"""Where sessions go: the three calls that the OpenSync client and the embedded store share.

Bodies are what OpenSync's own routes take. `extra` is what OpenSync has no field for: the embedded
store keeps it, the client leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from opensync_hooks.model import Json


@dataclass(frozen=True, slots=True)
class BatchReply:
    """What a batch stored. OpenSync says `ok` also when it stored nothing: look at `errors`."""

    sessions: int
    messages: int
    errors: tuple[str, ...] = ()


class Destination(Protocol):
    """Takes sessions and messages, each call complete in itself and safe to repeat.

    All three raise UnreachableError, KeyRefusedError or WrongAddressError; the first two also
    RejectedError for a body that will never be taken as it is.
    """

    @property
    def name(self) -> str:
        """What the user calls it; also tells one destination's confirmations from another's."""
        ...

    @property
    def keeps_extra(self) -> bool:
        """Whether `extra` is kept; where it is not, a change of it is no reason to send."""
        ...

    def put_session(self, body: Json, extra: Json) -> str:
        """Insert or update by `externalId`; the destination's own id of the session."""
        ...

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:
        """Insert or update by `externalId`, parts and all.

        `replaces`: an older version of this message may be there already, and must not win.
        """
        ...

    def put_batch(self, body: Json) -> BatchReply:
        """Only for what must not go the other way: a new title, and the cheapest check of a key."""
        ...


class ReadableDestination(Destination, Protocol):
    """A destination that tells what it holds."""

    def fetch(self, external_id: str, remote_id: str | None, /) -> Json | None:
        """`{session, messages}` in OpenSync's own shapes; None for what is not there."""
        ...


def rename(destination: Destination, session_id: str, title: str) -> None:
    """Change a title without losing the session's search text, which put_session would reset."""
    destination.put_batch({"sessions": [{"externalId": session_id, "title": title}]})
