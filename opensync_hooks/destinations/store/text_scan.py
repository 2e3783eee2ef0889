"""A search that reads the texts of every session: slow, but for any SQLite and any script.

It finds parts of words too, in titles, folders and texts. It serves a SQLite without FTS5, and
words that the index cannot find, such as those of languages without spaces.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from opensync_hooks.destinations.store.listing import LAST_MESSAGE_AT, MATCHES_SESSION
from opensync_hooks.system.sqlite import SqliteFile

_SESSIONS = f"""SELECT id, title, projectPath FROM session WHERE {MATCHES_SESSION}
    ORDER BY {LAST_MESSAGE_AT} DESC, arrival DESC"""
_TEXTS = """SELECT id, textContent FROM message
    WHERE session = :session AND textContent IS NOT NULL
    AND (:after IS NULL OR createdAt >= :after) AND (:before IS NULL OR createdAt < :before)
    AND (:tool = '' OR instr(parts, :tool) > 0)
    ORDER BY createdAt, arrival"""


class ScannedMatch(NamedTuple):
    session_id: str
    message_id: str
    """The first message with most of the words; empty if only the title has them."""
    text: str


def scan(
    file: SqliteFile, words: tuple[str, ...], filters: dict[str, Any]
) -> Iterator[ScannedMatch]:
    """Yield the sessions in which all words occur, in any case, latest message first.

    Each session is read in a transaction of its own, so that no other thread waits long.
    """
    folded = tuple({word.casefold(): None for word in words})
    with file.reading() as db:
        sessions = db.execute(_SESSIONS, filters).fetchall()
    for session in sessions:
        with file.reading() as db:
            best = _best_message(db, session, folded, filters)
        if best is not None:
            yield best


def _best_message(
    db: sqlite3.Connection, session: sqlite3.Row, words: tuple[str, ...], filters: dict[str, Any]
) -> ScannedMatch | None:
    """Return the message with most of the words; None if one of them is missing."""
    best, most = ScannedMatch(session["id"], "", ""), 0
    is_limited = any(filters[name] for name in ("tool", "after", "before"))
    head = "" if is_limited else f"{session['title']} {session['projectPath']}".casefold()
    missing = {word for word in words if word not in head}
    for message_id, text in db.execute(_TEXTS, {**filters, "session": session["id"]}):
        folded = str(text).casefold()
        present = {word for word in words if word in folded}
        missing -= present
        if len(present) > most:
            best, most = ScannedMatch(session["id"], str(message_id), str(text)), len(present)
        if most == len(words):
            break
    return None if missing else best
