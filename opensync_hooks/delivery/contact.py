"""What a destination has of a session already, found out before anything is written there.

Another machine, an older plugin or an earlier installation may have sent the session, and the user
may have deleted it. Only what is missing is added, and no total is lowered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from opensync_hooks.agents import registry
from opensync_hooks.delivery import adoption, forks
from opensync_hooks.delivery.diff import SessionDiff
from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.errors import OpenSyncError, RejectedError, ServerFailureError
from opensync_hooks.ledger.session_record import RemoteSession
from opensync_hooks.ledger.totals import Totals
from opensync_hooks.model import Json

NEWEST = 50
"""How many sessions are listed at the first contact; each row has up to 11 KB at the server."""
_MARGIN = 3
"""Sessions of other machines that may be newer than one that this machine has just updated."""


class DeletedThereError(OpenSyncError):
    """The user deleted the session at the destination; nothing was written."""


def look(diff: SessionDiff, destination: ReadableDestination) -> tuple[str | None, SessionDiff]:
    """Return the destination's id of the session, and the diff as it is in the light of that.

    None for a session that is not there yet, and where the destination can only be written to.
    Raises DeletedThereError unless everything is to be sent again; and what requests raise.
    """
    try:
        if diff.existing is None:
            return _first_contact(diff, destination)
        return _next_contact(diff, diff.existing, destination)
    except (RejectedError, ServerFailureError):  # it cannot read, but it may be able to write
        return None, diff


def _next_contact(
    diff: SessionDiff, existing: RemoteSession, destination: ReadableDestination
) -> tuple[str | None, SessionDiff]:
    limit = NEWEST
    if existing.confirmed_at is not None:
        limit = min(NEWEST, _MARGIN + diff.record.count_later(existing.confirmed_at))
    row = _listed(diff, destination.newest(limit))
    stored: Json | None = None
    if row is None:
        try:
            stored = destination.fetch(diff.session.id, existing.remote_id)
        except RejectedError:  # too large for OpenSync itself to open
            return existing.remote_id, diff
        row = stored["session"] if stored else None
    if row is None and not diff.resends:
        raise DeletedThereError(f"{diff.session.id}: was deleted at the destination.")
    if row is None or row["id"] != existing.remote_id:
        diff.progress.require_whole()
        diff.record.forget()
        return _first_contact(replace(diff, existing=None), destination)
    if diff.resends or existing.hash is None:
        diff = forks.without_copied_charges(diff, destination.newest(NEWEST), destination)
    if existing.totals is not None and (
        diff.is_behind or existing.totals.is_close(Totals.from_json(row))
    ):
        return existing.remote_id, diff
    stored = stored or destination.fetch(diff.session.id, existing.remote_id)
    if stored is None:  # deleted this very moment
        return existing.remote_id, diff
    diff.progress.require_whole()
    return existing.remote_id, adoption.recount(diff, stored)


def _first_contact(
    diff: SessionDiff, destination: ReadableDestination
) -> tuple[str | None, SessionDiff]:
    rows = destination.newest(NEWEST)
    diff = forks.without_copied_charges(diff, rows, destination)
    row, external_id = _listed(diff, rows), truncate(diff.session.id)
    if row is None and (len(rows) < NEWEST or destination.lacks(external_id)):
        return None, diff
    if row is None:
        # Older sessions are not listed, and OpenSync cannot look one up by our id. This tells its
        # own id, and changes nothing of a session that is there.
        body: Json = {
            "externalId": external_id,
            "source": registry.opensync_name(diff.session.agent),
        }
        if diff.session.created_at is not None:
            body["createdAt"] = diff.session_payload()[0].get("createdAt")
        row = {"id": destination.put_session(body, {})}
    remote_id = str(row["id"])
    try:
        stored = destination.fetch(diff.session.id, remote_id)
    except RejectedError:  # too large to be opened: what we send has the same ids again
        diff.progress.require_whole()
        diff.record.set_remote_id(remote_id)
        return remote_id, replace(diff, existing=diff.record.remote_session())
    if stored is None or not (stored["messages"] or "title" in stored["session"]):
        return None, diff
    diff.progress.require_whole()
    return remote_id, adoption.adopt(diff, stored)


def _listed(diff: SessionDiff, rows: list[Json]) -> Json | None:
    external_id = truncate(diff.session.id)
    matching = (row for row in rows if row.get("externalId") == external_id)
    row: Mapping[str, object] | None = next(matching, None)
    return dict(row) if row else None
