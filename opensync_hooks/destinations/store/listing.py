"""The embedded store as its pages show it: a list of sessions, then message by message.

Each query reads little, so that a large session blocks no other thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from opensync_hooks.destinations.store.reader import (
    StoreReader,
    bindable,
    message_json,
    session_json,
)
from opensync_hooks.destinations.store.search_query import SearchQuery
from opensync_hooks.model import Json
from opensync_hooks.system.sqlite import SqliteFile

_MESSAGES_AT_ONCE = 200
# Not `updatedAt`, which is when a session was stored: perhaps years after its last message.
LAST_MESSAGE_AT = "coalesce(session.lastMessageAt, session.createdAt)"
BRANCH = """CASE WHEN json_valid(session.extra)
    THEN json_extract(session.extra, '$.gitBranch') END"""
MATCHES_SESSION = f"""(:agent = '' OR substr(session.source, 1, length(:agent)) = :agent)
    AND (:project = '' OR session.projectPath = :project
        OR session.projectName = :project COLLATE NOCASE)
    AND (:model = '' OR session.model = :model) AND (:branch = '' OR ({BRANCH}) = :branch)"""
_WITH_MESSAGES_THEN = f"""(:after IS NULL OR {LAST_MESSAGE_AT} >= :after)
    AND (:before IS NULL OR session.createdAt < :before)"""
# A parent must be older than its subagent, or sessions that are each other's parent would vanish.
_LIST = f"""SELECT id FROM session WHERE {MATCHES_SESSION} AND {_WITH_MESSAGES_THEN}
    AND NOT EXISTS (SELECT 1 FROM session AS parent
        WHERE parent.externalId = session.parentExternalId
        AND (parent.createdAt, parent.arrival) < (session.createdAt, session.arrival))
    ORDER BY {{order}} DESC, arrival DESC LIMIT :limit OFFSET :skip"""
ORDERS = {
    "time": LAST_MESSAGE_AT,
    "cost": "cost",
    "tokens": "promptTokens + completionTokens",
    "messages": "messageCount",
}
"""What a list of sessions can be sorted by, the largest first."""
_CHOICES = {"agent": "source", "project": "projectPath", "model": "model", "branch": BRANCH}
_SUMMARY = f"""SELECT *, promptTokens + completionTokens AS totalTokens,
    {LAST_MESSAGE_AT} AS lastMessageTime,
    (SELECT count(*) FROM session AS child
        WHERE child.parentExternalId = session.externalId) AS subagentCount
    FROM session WHERE id = :key OR externalId = :key ORDER BY id = :key DESC"""
_COUNTS = f"""SELECT total(parentExternalId IS NULL), total(parentExternalId IS NOT NULL),
    total(messageCount) FROM session WHERE {LAST_MESSAGE_AT} >= ?"""
_POSITION = """SELECT count(*) FROM message, message AS this
    WHERE this.id = ? AND message.session = this.session
    AND (message.createdAt, message.arrival) < (this.createdAt, this.arrival)"""
_FIRST_TEXTS = """SELECT id, (SELECT textContent FROM message WHERE message.session = session.id
    ORDER BY message.createdAt, message.arrival LIMIT 1) AS text
    FROM session WHERE parentExternalId = ?"""


class StoreListing(StoreReader):
    """Adds what the pages need."""

    def __init__(self, file: SqliteFile) -> None:
        super().__init__(file)
        self._choices: tuple[str, dict[str, list[str]]] = ("", {})

    def session_list(
        self, query: SearchQuery, skip: int, limit: int, order: str = "time"
    ) -> list[Json]:
        """Return the sessions that pass the query's filters, in one of the `ORDERS`.

        A subagent is left out if its parent is in the store.
        """
        values = filter_values(query) | {"skip": skip, "limit": limit}
        statement = _LIST.format(order=ORDERS[order])
        with self._file.reading() as db:
            ids = [row["id"] for row in db.execute(statement, values)]
        return [session for session in map(self.session_summary, ids) if session]

    def session_summary(self, id_or_external_id: str) -> Json | None:
        """Return a session without messages, with `lastMessageAt` and `subagentCount`."""
        with self._file.reading() as db:
            row = db.execute(_SUMMARY, {"key": bindable(id_or_external_id)}).fetchone()
        if row is None:
            return None
        counts = {"lastMessageAt": row["lastMessageTime"], "subagentCount": row["subagentCount"]}
        return session_json(row) | counts

    def session_counts(self, since: int) -> tuple[int, int, int]:
        """Count the sessions with a message since then, in ms; their subagents; all messages."""
        with self._file.reading() as db:
            sessions, subagents, messages = map(int, db.execute(_COUNTS, (since,)).fetchone())
        return sessions, subagents, messages

    def filter_choices(self) -> dict[str, list[str]]:
        """Return every agent, project, model and branch that sessions have, sorted."""
        version = self.version()
        if version == self._choices[0]:  # each look takes 30 ms for 20,000 sessions
            return self._choices[1]
        choices = {}
        with self._file.reading() as db:
            for name, column in _CHOICES.items():
                rows = db.execute(f"SELECT DISTINCT {column} AS value FROM session")
                values = {str(row["value"]) for row in rows if row["value"]}
                choices[name] = sorted(values, key=str.casefold)
        self._choices = version, choices
        return choices

    def message_ids(self, session_id: str, skip: int, limit: int) -> list[str]:
        """Return ids of a session's messages, by time."""
        query = """SELECT id FROM message WHERE session = ?
            ORDER BY createdAt, arrival LIMIT ? OFFSET ?"""
        with self._file.reading() as db:
            return [row["id"] for row in db.execute(query, (session_id, limit, skip))]

    def first_texts(self, parent: str) -> dict[str, str]:
        """Return the first text of each subagent's first message, by the subagent's own id."""
        with self._file.reading() as db:
            rows = db.execute(_FIRST_TEXTS, (bindable(parent),))
            return {row["id"]: row["text"] for row in rows if row["text"]}

    def session_version(self, session_id: str) -> str:
        """Return what changes with every change of a session; empty for an unknown one."""
        query = "SELECT messageCount || '-' || updatedAt AS version FROM session WHERE id = ?"
        with self._file.reading() as db:
            row = db.execute(query, (bindable(session_id),)).fetchone()
        return str(row["version"]) if row else ""

    def messages(self, session_id: str) -> Iterator[Json]:
        """Yield a session's messages by time, a few at a time; `session_id`: the store's own."""
        for skip in count(0, _MESSAGES_AT_ONCE):
            ids = self.message_ids(session_id, skip, _MESSAGES_AT_ONCE)
            yield from filter(None, map(self.message, ids))
            if len(ids) < _MESSAGES_AT_ONCE:
                return

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


def filter_values(query: SearchQuery) -> dict[str, Any]:
    """Return the values of `MATCHES_SESSION` and of the bounds in time."""
    return {
        "agent": bindable(query.agent),
        "project": bindable(query.project),
        "model": bindable(query.model),
        "branch": bindable(query.branch),
        "after": query.after,
        "before": query.before,
    }
