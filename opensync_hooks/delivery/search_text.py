"""Cuts short the text by which OpenSync finds a session.

Each session's row has up to 10,000 characters of its messages. OpenSync's pages read all rows of
an account at once, and fail for good when these have more than 16 MiB: after about 1,600 long
sessions. A new title replaces the text, and a title that is sent by batch leaves it as it is. So
the row gets the beginnings of its prompts as a title first, and then its own title again.
"""

from __future__ import annotations

from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.destinations.protocol import ReadableDestination, set_title
from opensync_hooks.errors import RejectedError
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Json

MAX_BYTES = 1_000
_MAX_PAGE_BYTES = 12 << 20
"""Of all rows: three quarters of what OpenSync can list."""
_ROW_BYTES = 520
"""Of a session's usual row without the text."""
_MAX_PROMPT_LENGTH = 200
_UNFINISHED = "slim"
"""The ledger's note of the session that has the beginnings of its prompts as its title."""


def bytes_per_session(sessions: int) -> int:
    """Return how long each text may be where an account has so many sessions."""
    return max(0, min(MAX_BYTES, _MAX_PAGE_BYTES // max(1, sessions) - _ROW_BYTES))


def slim(record: SessionRecord, destination: ReadableDestination, max_bytes: int) -> bool:
    """Shorten the text of one session; return whether it has a title and can be read.

    `sync --force` sends its messages again, and with them the full text.
    """
    external_id, remote = truncate(record.session_id), record.remote_session()
    try:
        stored = destination.fetch(record.session_id, remote.remote_id) if remote else None
    except RejectedError:  # too large for OpenSync itself to open
        return False
    title = stored["session"].get("title") if stored else None
    if stored is None or not title:
        return False
    record.ledger.set_note(_UNFINISHED, f"{external_id}\n{title}")
    destination.put_session(
        {"externalId": external_id, "title": _short(title, stored, max_bytes)}, {}
    )
    finish(record, destination)
    record.set_slimmed()
    return True


def finish(record: SessionRecord, destination: ReadableDestination) -> None:
    """Give back its title to a session that an earlier run has left without it."""
    note = record.ledger.note(_UNFINISHED)
    if note:
        external_id, _, title = note.text.partition("\n")
        set_title(destination, external_id, title)
        record.ledger.set_note(_UNFINISHED, None)


def _short(title: str, stored: Json, max_bytes: int) -> str:
    """Return the title and the beginnings of the prompts; never exactly the title."""
    prompts = (
        " ".join(str(row.get("textContent") or "").split())[:_MAX_PROMPT_LENGTH]
        for row in stored["messages"]
        if row.get("role") == "user"
    )
    encoded = "\n".join((title, *prompts)).encode(errors="replace")
    text = encoded[: max(max_bytes, len(title.encode()))].decode(errors="ignore")
    return text if text != title else f"{title} "
