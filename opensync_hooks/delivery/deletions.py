"""Messages that were delivered and that the agent has deleted since: they are marked as undone.

An undo only hides messages, but the next prompt deletes them. By then their text is only at the
destination, and is read back from there.
"""

from __future__ import annotations

from opensync_hooks.agents import registry
from opensync_hooks.delivery import payloads
from opensync_hooks.delivery.diff import DELETED_HASH, SessionDiff
from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.errors import RejectedError
from opensync_hooks.ledger.session_record import MessageState
from opensync_hooks.model import Json

_FIELDS = (
    *("role", "textContent", "model", "promptTokens", "completionTokens", "durationMs"),
    *("createdAt", "parts"),
)


def deleted_ids(diff: SessionDiff) -> list[str]:
    """Return the ids of the messages to mark; none where another copy may still have them."""
    return [] if diff.lacks_copy else diff.missing_ids()


def mark_deletions(diff: SessionDiff, destination: ReadableDestination) -> int:
    """Mark the messages that the agent has deleted; return how many were sent again.

    Raises UnreachableError, KeyRefusedError, UnusableDestinationError.
    """
    message_ids = deleted_ids(diff)
    if not message_ids or diff.existing is None:
        return 0
    remote_id = diff.existing.remote_id
    try:
        stored = destination.fetch(diff.session.id, remote_id)
    except RejectedError:  # too large for OpenSync itself to open
        return 0
    rows: list[Json] = stored["messages"] if stored else []
    by_id = {row.get("externalId"): row for row in rows}
    marked = 0
    for message_id in message_ids:
        external_id = truncate(f"{remote_id}:{message_id}")
        row = by_id.get(external_id)
        if row:
            session = {
                "sessionExternalId": truncate(diff.session.id),
                "externalId": external_id,
                "source": registry.opensync_name(diff.session.agent),
            }
            marked += _mark(session, row, destination)
        diff.record.set_message(message_id, DELETED_HASH, MessageState.CONFIRMED)
    return marked


def _mark(session: Json, row: Json, destination: ReadableDestination) -> bool:
    """Send a stored message again with the mark; return whether it lacked it and took it."""
    body = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    marked = payloads.marked_undone(body)
    if marked == body:
        return False
    extra = {**(row.get("extra") or {}), "undone": True} if destination.keeps_extra else {}
    try:
        destination.put_message({**session, **marked}, extra, replaces=True)
    except RejectedError:
        return False
    return True
