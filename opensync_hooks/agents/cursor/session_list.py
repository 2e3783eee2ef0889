"""Lists the sessions in the editor's `state.vscdb`, by the keys of their documents and bubbles."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor.state_db import PREFIX, ComposerSummary, read, summary
from opensync_hooks.agents.sqlite_snapshot import as_parameter

_PAGE_SIZE = 200


def read_summaries(path: Path) -> Iterator[ComposerSummary]:
    """Yield every session, a page at a time: a longer transaction would block the editor."""
    last_key = PREFIX
    while True:
        after = last_key
        page = read(path, lambda db: _page(db, after)) or []  # noqa: B023 - used at once
        yield from (listed for _, listed in page if listed)
        if len(page) < _PAGE_SIZE:
            break
        last_key = page[-1][0]
    yield from _read_without_document(path)


def _read_without_document(path: Path) -> Iterator[ComposerSummary]:
    """Yield the sessions of which only bubbles are left, a page at a time."""
    last_id = ""
    while True:
        after = last_id
        page = read(path, lambda db: _bubble_owners(db, after)) or []  # noqa: B023 - used at once
        yield from (listed for _, listed in page if listed)
        if len(page) < _PAGE_SIZE:
            return
        last_id = page[-1][0]


def _page(db: sqlite3.Connection, after: str) -> list[tuple[str, ComposerSummary | None]]:
    """Return the next keys. The values are read one by one: a damaged page is that of a few."""
    query = (
        "SELECT key FROM cursorDiskKV WHERE key > ? AND key < 'composerData;' ORDER BY key LIMIT ?"
    )
    keys = [key.decode("utf-8", "replace") for (key,) in db.execute(query, (after, _PAGE_SIZE))]
    return [(key, _listed(db, key.removeprefix(PREFIX))) for key in keys]


def _bubble_owners(db: sqlite3.Connection, after: str) -> list[tuple[str, ComposerSummary | None]]:
    """Return the next sessions with bubbles; one with a document has no summary here.

    Each takes one step in the index, however many bubbles the session before it has.
    """
    query = "SELECT key FROM cursorDiskKV WHERE key >= ? AND key < 'bubbleId;' ORDER BY key LIMIT 1"
    page: list[tuple[str, ComposerSummary | None]] = []
    session_id = after
    while len(page) < _PAGE_SIZE:
        start = f"bubbleId:{session_id};" if session_id else "bubbleId:"
        try:
            row = db.execute(query, (as_parameter(start),)).fetchone()
        except sqlite3.DatabaseError as error:
            if not sqlite_snapshot.is_damage(error):
                raise
            break  # what is behind the damage cannot be found
        if row is None:
            break
        key = row[0].decode("utf-8", "surrogateescape").removeprefix("bubbleId:")
        session_id, *shorter_ids = _prefixes(key)
        key_query = "SELECT 1 FROM cursorDiskKV WHERE key = ?"
        has_document = any(
            db.execute(key_query, (as_parameter(PREFIX + name),)).fetchone()
            for name in (session_id, *shorter_ids)
        )
        page.append((session_id, None if has_document else _listed(db, session_id)))
    return page


def _prefixes(key: str) -> list[str]:
    """Return what may be the session's id in front of a bubble's id, the longest first."""
    words = key.split(":")
    return [":".join(words[:count]) for count in range(len(words) - 1, 0, -1)] or [key]


def _listed(db: sqlite3.Connection, session_id: str) -> ComposerSummary | None:
    try:
        return summary(db, session_id) if session_id else None
    except sqlite3.DatabaseError as error:
        if not sqlite_snapshot.is_damage(error):
            raise
        return ComposerSummary(session_id, "", 0, is_empty=False, is_damaged=True)
