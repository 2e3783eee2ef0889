"""OpenSync read back: what it holds of one session. Each read is a row in its API log."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.errors import RejectedError, UnreachableError, WrongAddressError
from opensync_hooks.model import Json

MOST_LISTED = 200
"""Of the newest sessions: the list is read whole by the server, and a long one never answers."""


class Reader(OpenSyncClient):
    """A Client that also reads."""

    def fetch(self, external_id: str, remote_id: str | None) -> Json | None:
        """`{session, messages}`, or None for what is not there. Raises RejectedError for a session
        that OpenSync itself cannot open any more.

        `remote_id` is what `put_session` answered; without it only the newest sessions are looked
        through, for OpenSync finds nothing by our own id.
        """
        asked = remote_id or self._listed(external_id)
        return self._get(asked) if asked else None

    def _listed(self, external_id: str) -> str | None:
        listed = self._call("GET", f"/api/sessions?limit={MOST_LISTED}").get("sessions")
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and one.get("externalId") == external_id:
                return str(one["id"])
        return None

    def _get(self, remote_id: str) -> Json | None:
        try:
            held = self._call("GET", f"/api/sessions/get?id={quote(remote_id, safe='')}")
        except RejectedError as error:
            if "ArgumentValidationError" in str(error):  # the id of another deployment
                return None
            raise RejectedError(
                f"{self.name}: cannot open this session any more, so it cannot be compared.",
                "OpenSync opens 4,094 messages and 16 MiB at most.",
            ) from error
        except WrongAddressError:
            self.put_batch({})  # where this is no OpenSync, it is what raises
            return None
        if not _is_whole(held):
            raise UnreachableError(f"{self.name}: an answer that is not OpenSync's.")
        return held


def _is_whole(held: Json) -> bool:
    """Whether the answer has the shape that can be compared."""
    session, messages = held.get("session"), held.get("messages")
    if not isinstance(session, dict) or not isinstance(session.get("id"), str):
        return False
    return isinstance(messages, list) and all(map(_is_message, messages))


def _is_message(held: Any) -> bool:
    parts = held.get("parts", []) if isinstance(held, dict) else None
    return isinstance(parts, list) and all(isinstance(part, dict) for part in parts)
