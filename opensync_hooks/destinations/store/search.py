"""The embedded store as its pages show it: sessions found by words, then message by message.

Each query reads little, so that neither a large session nor a long search blocks other threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from opensync_hooks.destinations.store.reader import (
    StoreReader,
    bindable,
    message_json,
    session_json,
)
from opensync_hooks.model import Json

# Not `updatedAt`, which is when a session was stored: perhaps years after its last message.
_LAST_MESSAGE_AT = """coalesce((SELECT max(message.createdAt) FROM message
    WHERE message.session = session.id), session.createdAt)"""
# A parent must be older than its subagent, or sessions that are each other's parent would vanish.
_MATCHING = f"""SELECT id FROM session
    WHERE :agent IN ('', source) AND :project IN ('', projectPath)
    AND (:all OR NOT EXISTS (SELECT 1 FROM session AS parent
        WHERE parent.externalId = session.parentExternalId
        AND (parent.createdAt, parent.arrival) < (session.createdAt, session.arrival)))
    ORDER BY {_LAST_MESSAGE_AT} DESC, arrival DESC"""  # noqa: S608 - our own text
_SUMMARY = f"""SELECT *, promptTokens + completionTokens AS totalTokens,
    {_LAST_MESSAGE_AT} AS lastMessageAt,
    (SELECT count(*) FROM message WHERE message.session = session.id) AS messageCount,
    (SELECT count(*) FROM session AS child
        WHERE child.parentExternalId = session.externalId) AS subagentCount
    FROM session WHERE id = :key OR externalId = :key ORDER BY id = :key DESC"""  # noqa: S608
_HEAD = "SELECT title, projectPath FROM session WHERE id = ?"
_TEXTS = """SELECT id, textContent FROM message
    WHERE session = ? AND textContent IS NOT NULL ORDER BY createdAt, arrival"""
_POSITION = """SELECT count(*) FROM message, message AS this
    WHERE this.id = ? AND message.session = this.session
    AND (message.createdAt, message.arrival) < (this.createdAt, this.arrival)"""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """All words have to occur somewhere in the session, in any case; empty fields match all."""

    words: tuple[str, ...] = ()
    agent: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True)
class SearchHit:
    session: Json
    """As `session_summary` returns it."""
    message_id: str = ""
    """The first message with most of the words; empty if only the title has them."""
    text: str = ""
    """That message's text."""


class StoreSearch(StoreReader):
    """Adds what the pages need."""

    def search(self, query: SearchQuery, skip: int, limit: int) -> list[SearchHit]:
        """Return matching sessions, latest message first.

        Without words, a subagent is left out if its parent is in the store.
        """
        hits = []
        for session_id, message_id, text in islice(self._matches(query), skip, skip + limit):
            session = self.session_summary(session_id)
            if session:
                hits.append(SearchHit(session, message_id, text))
        return hits

    def session_summary(self, id_or_external_id: str) -> Json | None:
        """Return a session without messages, with `lastMessageAt` and `subagentCount`."""
        with self._file.reading() as db:
            row = db.execute(_SUMMARY, {"key": bindable(id_or_external_id)}).fetchone()
        if row is None:
            return None
        return session_json(row) | {name: row[name] for name in ("lastMessageAt", "subagentCount")}

    def agents(self) -> list[str]:
        """Return every `source` that sessions have."""
        with self._file.reading() as db:
            rows = db.execute("SELECT DISTINCT source FROM session WHERE source <> ''")
            return sorted(str(row["source"]) for row in rows)

    def message_ids(self, session_id: str, skip: int, limit: int) -> list[str]:
        """Return ids of a session's messages, by time."""
        query = """SELECT id FROM message WHERE session = ?
            ORDER BY createdAt, arrival LIMIT ? OFFSET ?"""
        with self._file.reading() as db:
            return [row["id"] for row in db.execute(query, (session_id, limit, skip))]

    def message(self, message_id: str) -> Json | None:
        """Return one message, with the id of its session as `session`."""
        query = "SELECT * FROM message WHERE id = ?"
        with self._file.reading() as db:
            row = db.execute(query, (bindable(message_id),)).fetchone()
        return row and {**message_json(row), "session": row["session"]}

    def message_position(self, message_id: str) -> int:
        """Return how many messages of its session come before this one."""
        with self._file.reading() as db:
            return int(db.execute(_POSITION, (bindable(message_id),)).fetchone()[0])

    def _matches(self, query: SearchQuery) -> Iterator[tuple[str, str, str]]:
        """Yield session id, message id and text of each match."""
        words = tuple({word.casefold(): None for word in query.words})
        filters = {"agent": bindable(query.agent), "project": bindable(query.project)}
        with self._file.reading() as db:
            rows = db.execute(_MATCHING, {**filters, "all": bool(words)}).fetchall()
        for row in rows:
            best = self._best_message(row["id"], words) if words else ("", "")
            if best is not None:
                yield row["id"], *best

    def _best_message(self, session_id: str, words: tuple[str, ...]) -> tuple[str, str] | None:
        """Return id and text of the message with most of the words; None if one is missing."""
        best, most = ("", ""), 0
        with self._file.reading() as db:
            head = db.execute(_HEAD, (session_id,)).fetchone() or ()
            head_text = " ".join(map(str, head)).casefold()
            missing = {word for word in words if word not in head_text}
            for message_id, text in db.execute(_TEXTS, (session_id,)):
                folded = str(text).casefold()
                present = {word for word in words if word in folded}
                missing -= present
                if len(present) > most:
                    best, most = (str(message_id), str(text)), len(present)
                if most == len(words):
                    break
        return None if missing else best
