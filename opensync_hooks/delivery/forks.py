"""API calls that a fork copied from a session that only another machine has delivered.

Within one machine the ledger knows which session a call was billed to. A fork that was carried to
another machine shows in the messages that are stored: it has the same ids, and the same beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from opensync_hooks.delivery.diff import SessionDiff
from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.errors import RejectedError
from opensync_hooks.ledger import charges
from opensync_hooks.ledger.totals import NO_TOTALS, Totals
from opensync_hooks.model import Json


def without_copied_charges(
    diff: SessionDiff, rows: Iterable[Json], destination: ReadableDestination
) -> SessionDiff:
    """Return the diff without the calls that one of the listed sessions was billed for."""
    created_at = diff.session_payload()[0].get("createdAt")
    if created_at is None:
        return diff
    for row in rows:
        if row.get("createdAt") != created_at or not _may_be_fork(diff, row):
            continue
        try:
            stored = destination.fetch(str(row["externalId"]), str(row["id"]))
        except RejectedError:  # too large for OpenSync itself to open
            continue
        billed = {
            str(message.get("externalId")).partition(":")[2]
            for message in (stored["messages"] if stored else ())
            if Totals.from_json(message) != NO_TOTALS
        }
        copied = [
            message.message.charge.id
            for message in diff.messages()
            if message.message.charge
            and not billed.isdisjoint({message.message.id, *message.message.aliases})
        ]
        if copied:
            diff.progress.require_whole()
            charges.hand_over(diff.record, copied, str(row["externalId"]))
            costs = diff.progress.bill(diff.session, diff.number, diff.record, claims=True)
            diff = replace(diff, costs=costs)
    return diff


def _may_be_fork(diff: SessionDiff, row: Json) -> bool:
    """Whether a session that begins at the same moment is not one of this machine's own.

    Of two that were both billed for everything, the one with the smaller id keeps it.
    """
    external_id, own_id = str(row.get("externalId")), truncate(diff.session.id)
    if external_id.partition("#")[0] == own_id.partition("#")[0]:
        return False
    if diff.existing is not None and own_id < external_id:
        return False
    return replace(diff.record, session_id=external_id).remote_session() is None
