"""Reads a session back from OpenSync. Each read adds a row to OpenSync's API log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opensync_hooks.destinations.opensync.responses import (
    LOOKUP_PATH,
    ForeignResponseError,
    InvalidArgumentError,
    NotFoundError,
)
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json

if TYPE_CHECKING:
    from opensync_hooks.destinations.opensync.transport import Transport

MAX_LISTED_SESSIONS = 200
"""The server reads the list as a whole, and for a long one it never answers."""


def fetch_session(transport: Transport, external_id: str, remote_id: str | None) -> Json | None:
    """Return `{session, messages}` as OpenSync has them, or None if it has no such session.

    Without the id that `put_session` returned, only the newest sessions are searched: OpenSync
    cannot look up a session by `external_id`. Raises RejectedError for a session that is too large
    for OpenSync itself to open.
    """
    remote_id = remote_id or _listed_id(transport, external_id)
    if not remote_id:
        return None
    try:
        reply = transport.call("GET", f"{LOOKUP_PATH}?id={quote(remote_id, safe='')}")
    except (NotFoundError, InvalidArgumentError):  # deleted; or the id is another deployment's
        return None
    except RejectedError as error:
        raise RejectedError(
            f"{transport.url}: can no longer open this session, so it cannot be compared.",
            "OpenSync opens at most 4,094 messages and 16 MiB.",
        ) from error
    session, messages = reply.get("session"), reply.get("messages")
    if not isinstance(session, dict) or not isinstance(session.get("id"), str):
        raise ForeignResponseError(transport.url)
    if not isinstance(messages, list) or not all(map(_is_message, messages)):
        raise ForeignResponseError(transport.url)
    return reply


def newest_sessions(transport: Transport, limit: int) -> list[Json]:
    """Return the rows of the sessions that were updated last, newest first."""
    sessions = transport.call("GET", f"/api/sessions?limit={limit}").get("sessions")
    return list(filter(_is_session, sessions)) if isinstance(sessions, list) else []


def _listed_id(transport: Transport, external_id: str) -> str | None:
    for session in newest_sessions(transport, MAX_LISTED_SESSIONS):
        if session.get("externalId") == external_id:
            return str(session["id"])
    return None


def _is_session(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str)


def _is_message(value: Any) -> bool:
    parts = value.get("parts", []) if isinstance(value, dict) else None
    return isinstance(parts, list) and all(isinstance(part, dict) for part in parts)
