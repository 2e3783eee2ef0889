"""Lists the sessions in the editor's `state.vscdb`, by the keys of their documents and bubbles."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor.state_db import PREFIX, ComposerSummary, read, summary
from opensync_hooks.agents.sqlite_snapshot import as_parameter

_PAGE_SIZE = 200
_Page = list[tuple[str, ComposerSummary | None]]
"""Keys or ids in their order, each with the session if it is to be listed."""
_ReadPage = Callable[[sqlite3.Connection, str], _Page]
"""Returns the entries after one of them, `_PAGE_SIZE` unless they are the last."""


def read_summaries(path: Path) -> Iterator[ComposerSummary]:
    """Yield every session, a page at a time: a longer transaction would block the editor."""
    yield from _pages(path, _page, PREFIX)
    yield from _pages(path, _bubble_owners, "")


def _pages(path: Path, read_page: _ReadPage, after: str) -> Iterator[ComposerSummary]:
    while True:
        page = read(path, lambda db, after=after: read_page(db, after)) or []  # type: ignore[misc]
        yield from (listed for _, listed in page if listed)
        if len(page) < _PAGE_SIZE:
            return
        after = page[-1][0]


def _page(db: sqlite3.Connection, after: str) -> _Page:
    """Return the next keys. The values are read one by one: a damaged page is that of a few."""
    query = (
        "SELECT key FROM cursorDiskKV WHERE key > ? AND key < 'composerData;' ORDER BY key LIMIT ?"
    )
    keys = [key.decode("utf-8", "replace") for (key,) in db.execute(query, (after, _PAGE_SIZE))]
    return [(key, _listed(db, key.removeprefix(PREFIX))) for key in keys]


def _bubble_owners(db: sqlite3.Connection, after: str) -> _Page:
    """Return the next sessions with bubbles; one with a document has no summary here.

    Each takes one step in the index, however many bubbles the session before it has.
    """
    query = "SELECT key FROM cursorDiskKV WHERE key >= ? AND key < 'bubbleId;' ORDER BY key LIMIT 1"
    page: _Page = []
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
