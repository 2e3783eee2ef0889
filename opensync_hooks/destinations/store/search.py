"""Sessions of the embedded store by what was said or done in them.

Ranked by where the words are: in the title or folder, in what was said, in what tools were called
with and returned, and last in several messages of one session; within each, the newest first. That
order needs no look at the matches that are not shown, so a frequent word is found as fast as a rare
one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

from opensync_hooks.dataclass import dataclass
from opensync_hooks.destinations.store.excerpt import excerpt, word_pattern
from opensync_hooks.destinations.store.listing import (
    LAST_MESSAGE_AT,
    MATCHES_SESSION,
    StoreListing,
    filter_values,
)
from opensync_hooks.destinations.store.reader import bindable
from opensync_hooks.destinations.store.search_index import SearchIndex
from opensync_hooks.destinations.store.search_query import SearchQuery, Term
from opensync_hooks.destinations.store.text_scan import scan
from opensync_hooks.model import Json
from opensync_hooks.system.sqlite import SqliteFile

_MAX_CANDIDATES = 500
"""Messages with the rarest word that are looked at for the other words in the same session."""
_MATCHES_TIME = """(:after IS NULL OR message.createdAt >= :after)
    AND (:before IS NULL OR message.createdAt < :before)"""
_BY_TITLE = f"""SELECT session.id AS session, '' AS message FROM session_search
    CROSS JOIN session ON session.arrival = session_search.rowid
    WHERE session_search MATCH :match AND {MATCHES_SESSION}
    AND (:after IS NULL OR {LAST_MESSAGE_AT} >= :after)
    AND (:before IS NULL OR session.createdAt < :before)
    ORDER BY session_search.rowid DESC"""
# CROSS JOIN: SQLite would read all matches before the first one if it began with the messages.
_BY_MESSAGE = f"""SELECT session.id AS session, message.id AS message FROM message_search
    CROSS JOIN message ON message.arrival = message_search.rowid
    CROSS JOIN session ON session.id = message.session
    WHERE message_search MATCH :match AND {MATCHES_SESSION} AND {_MATCHES_TIME}
    ORDER BY message_search.rowid DESC"""
_TEXTS = """SELECT text, tool, detail FROM message_text
    WHERE arrival = (SELECT arrival FROM message WHERE id = ?)"""
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM message_search WHERE message_search MATCH ? LIMIT ?)"
_SPAN = "SELECT min(arrival), max(arrival) FROM message WHERE session = ?"
_IN_SESSION = """SELECT message.id FROM message_search
    CROSS JOIN message ON message.arrival = message_search.rowid
    WHERE message_search MATCH ? AND message_search.rowid BETWEEN ? AND ? AND message.session = ?
    LIMIT 1"""
_IN_TITLE = """SELECT 1 FROM session_search WHERE session_search MATCH ?
    AND rowid = (SELECT arrival FROM session WHERE id = ?)"""


@dataclass(frozen=True, slots=True)
class SearchHit:
    session: Json
    """As `session_summary` returns it."""
    message_id: str = ""
    """A message with the words, or with most of them; empty if only the title has them."""
    snippet: tuple[str, ...] = ()
    """Text around the words; every second piece, from the second one on, is a match."""


class StoreSearch(StoreListing):
    """Adds the search. A SQLite without FTS5 reads all texts instead."""

    def __init__(self, file: SqliteFile) -> None:
        super().__init__(file)
        self.search_index = SearchIndex(file)

    def search(self, query: SearchQuery, skip: int, limit: int) -> list[SearchHit]:
        """Return matching sessions; without words and tool, the latest ones."""
        if not query.as_fts():
            return [SearchHit(session) for session in self.session_list(query, skip, limit)]
        if not self.search_index.is_available or not query.is_indexed:
            return self._scan(query, skip, limit)
        pattern = word_pattern(query.terms or (Term(query.tool),))
        with self._file.reading() as db:
            hits = islice(_distinct(_ranked(db, query)), skip, skip + limit)
            rows = [(*hit, _snippet(db, pattern, hit[1])) for hit in hits]
        return [
            SearchHit(session, message_id, snippet)
            for session_id, message_id, snippet in rows
            if (session := self.session_summary(session_id))
        ]

    def _scan(self, query: SearchQuery, skip: int, limit: int) -> list[SearchHit]:
        words = tuple(term.text for term in query.terms)
        pattern = "|".join(map(re.escape, words))
        filters = filter_values(query) | {"tool": bindable(query.tool)}
        matches = islice(scan(self._file, words, filters), skip, skip + limit)
        return [
            SearchHit(session, message_id, excerpt((text,), pattern))
            for session_id, message_id, text in matches
            if (session := self.session_summary(session_id))
        ]


_Match = tuple[str, str]
"""A session's id and a message's; the latter may be empty."""


def _distinct(matches: Iterator[_Match]) -> Iterator[_Match]:
    """Yield the first match of each session."""
    session_ids: set[str] = set()
    for match in matches:
        if match[0] not in session_ids:
            session_ids.add(match[0])
            yield match


def _ranked(db: sqlite3.Connection, query: SearchQuery) -> Iterator[_Match]:
    words = replace(query, tool="").as_fts()
    if words and not query.tool:
        yield from _matches(db, _BY_TITLE, query, words)
    if words:
        in_text = f"{{text}} : ({words})"
        tool = replace(query, terms=()).as_fts()
        yield from _matches(db, _BY_MESSAGE, query, f"{in_text} AND {tool}" if tool else in_text)
    yield from _matches(db, _BY_MESSAGE, query, query.as_fts())
    if len(query.terms) > 1:
        yield from _across_messages(db, query)


def _matches(
    db: sqlite3.Connection, statement: str, query: SearchQuery, match: str
) -> Iterator[_Match]:
    values = filter_values(query) | {"match": bindable(match)}
    for row in db.execute(statement, values):
        yield row["session"], row["message"]


def _across_messages(db: sqlite3.Connection, query: SearchQuery) -> Iterator[_Match]:
    """Yield sessions that have the words in different messages, or some in the title."""
    rarest = min(query.terms, key=lambda term: _count(db, term))
    others = [term for term in query.terms if term is not rarest]
    narrowed = replace(query, terms=(rarest,))
    by_message = _matches(db, _BY_MESSAGE, narrowed, narrowed.as_fts())
    by_title = _matches(db, _BY_TITLE, narrowed, rarest.as_fts())
    for session_id, message_id in _distinct(islice(chain(by_message, by_title), _MAX_CANDIDATES)):
        span = db.execute(_SPAN, (session_id,)).fetchone()
        matching_ids = [_find_in_session(db, term, session_id, *span) for term in others]
        if None not in matching_ids:
            yield session_id, next(filter(None, (message_id, *matching_ids)), "")


def _count(db: sqlite3.Connection, term: Term) -> int:
    """Return in how many messages the term occurs, or `_MAX_CANDIDATES` if those are more."""
    return int(db.execute(_COUNT, (bindable(term.as_fts()), _MAX_CANDIDATES)).fetchone()[0])


def _find_in_session(
    db: sqlite3.Connection, term: Term, session_id: str, first: int, last: int
) -> str | None:
    """Return the message that has the term, an empty text if the title has it, or None."""
    match = bindable(term.as_fts())
    row = db.execute(_IN_SESSION, (match, first, last, session_id)).fetchone()
    if row is None and db.execute(_IN_TITLE, (match, session_id)).fetchone():
        return ""
    return row and str(row["id"])


def _snippet(db: sqlite3.Connection, pattern: str, message_id: str) -> tuple[str, ...]:
    """Return the text around the words; SQLite's own function for it takes ten times as long."""
    row = db.execute(_TEXTS, (message_id,)).fetchone() if message_id else None
    return excerpt(row, pattern) if row else ()
