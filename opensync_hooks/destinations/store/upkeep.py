"""What keeps the embedded store small and healthy: deletion, compaction, size and checks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from opensync_hooks.destinations.store.listing import LAST_MESSAGE_AT
from opensync_hooks.destinations.store.reader import bindable
from opensync_hooks.destinations.store.schema import SUMS
from opensync_hooks.destinations.store.search import StoreSearch
from opensync_hooks.destinations.store.sums_check import count_wrong_sessions
from opensync_hooks.errors import DiskError

_FAMILY = """WITH RECURSIVE family (id) AS (
    SELECT externalId FROM session WHERE externalId = ?
    UNION SELECT session.externalId FROM session
        JOIN family ON session.parentExternalId = family.id)"""
# A subagent stays as long as its session, and the session as long as one of its subagents.
_SPOKEN_BEFORE = f"""WITH RECURSIVE tree (root, id) AS (
    SELECT externalId, externalId FROM session WHERE NOT EXISTS (
        SELECT 1 FROM session AS parent WHERE parent.externalId = session.parentExternalId)
    UNION SELECT tree.root, session.externalId FROM session
        JOIN tree ON session.parentExternalId = tree.id),
    old (root) AS (SELECT root FROM tree JOIN session ON session.externalId = tree.id
        GROUP BY root HAVING max({LAST_MESSAGE_AT}) < ?)"""
_COLUMNS = """SELECT session.externalId, title, source, messageCount, parentExternalId,
    coalesce(lastMessageAt, createdAt) AS lastMessageAt"""
_MIN_FREE_BYTES = 1 << 20


class RemovableSession(NamedTuple):
    """A session or subagent that may be removed."""

    session_id: str
    title: str
    source: str
    messages: int
    parent_id: str | None
    last_message_at: int


class StoreUpkeep(StoreSearch):
    """Adds what `forget`, `prune`, `status` and `doctor` need."""

    def family(self, session_id: str) -> list[RemovableSession]:
        """Return a session and all subagents below it; nothing for an unknown one."""
        query = f"""{_FAMILY} {_COLUMNS} FROM family JOIN session ON session.externalId = family.id
            ORDER BY session.externalId = ? DESC, session.arrival"""
        return self._stored_sessions(query, bindable(session_id), bindable(session_id))

    def spoken_before(self, moment: int) -> list[RemovableSession]:
        """Return the sessions whose last message, subagents included, is older; in ms."""
        query = f"""{_SPOKEN_BEFORE} {_COLUMNS} FROM old JOIN tree USING (root)
            JOIN session ON session.externalId = tree.id ORDER BY {LAST_MESSAGE_AT}"""
        return self._stored_sessions(query, moment)

    def _stored_sessions(self, query: str, *values: object) -> list[RemovableSession]:
        with self._file.reading() as db:
            return [RemovableSession(*row) for row in db.execute(query, values)]

    def delete_session(self, external_id: str) -> bool:
        """Delete a session with its messages; return whether it was stored."""
        return self.delete_sessions([external_id]) > 0

    def delete_sessions(self, external_ids: Iterable[str]) -> int:
        """Delete sessions with their messages, also from the bytes of the file; return how many."""
        with self._file.writing() as db:
            before = db.execute("SELECT count(*) FROM session").fetchone()[0]
            rows = [(bindable(external_id),) for external_id in external_ids]
            db.executemany("DELETE FROM session WHERE externalId = ?", rows)
            deleted = int(before - db.execute("SELECT count(*) FROM session").fetchone()[0])
        if deleted:
            self.search_index.purge()
        self._file.truncate_wal()
        return deleted

    def compact(self) -> None:
        """Give a large amount of free space back to the disk, unless somebody writes just now."""
        with suppress(DiskError):
            self._file.vacuum(_MIN_FREE_BYTES)

    def wrong_sums(self) -> int:
        """Return how many sessions have sums that differ from their rows; this reads all rows."""
        with self._file.reading() as db:
            return count_wrong_sessions(db)

    def rebuild_sums(self) -> None:
        with self._file.writing() as db:
            for statement in SUMS:
                db.execute(statement)

    def size(self) -> int:
        """Return the bytes of the file and of its write-ahead log."""
        path = self._file.path
        files = (path, path.with_name(path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
