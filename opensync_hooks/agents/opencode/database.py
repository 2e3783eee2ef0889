"""One SQLite file of OpenCode's, in which a session may lie as 1.x or as 2.x keeps it, or as both.

A file that 2.x has taken over still holds the rows of 1.x, which nobody keeps up any more: of one
id `session_v2` counts. A session in `session` may have its messages in either kind of table.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import TypeVar

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.opencode import tables_v1, tables_v2
from opensync_hooks.agents.opencode.layouts import Mark, Pulse, Record, digest
from opensync_hooks.agents.opencode.tables_v1 import Row, View, plain
from opensync_hooks.agents.opencode.values import number, text

_WANTED = (
    *("id", "parent_id", "fork_session_id", "directory", "title", "version", "revert"),
    *("time_created", "time_updated", "time_idle", "time_archived"),
    *("cost", "tokens_input", "tokens_output"),
)
"""What a session is made of, and what tells that it changed. Columns came with the versions."""
_SECRET = frozenset({"account", "account_state", "control_account", "credential", "session_share"})
"""Tables with logins and keys, which lie in the same file."""
_MOST = 10_000
"""Of children that are followed: a database is anybody's."""

T = TypeVar("T")


class Database:
    def __init__(self, path: Path) -> None:
        self.path = path

    def marks(self, hidden: Container[str]) -> list[Mark]:
        def shown(view: View) -> Iterator[Row]:
            return (row for row in _rows(view, "") if plain(row["id"]) not in hidden)

        return self._read(lambda view: [self._mark(view, row) for row in shown(view)])

    def family(self, session_id: str) -> list[Mark]:
        return self._read(lambda view: [self._mark(view, row) for row in _family(view, session_id)])

    def records(self, session_ids: list[str]) -> Iterator[Record]:
        """All rows are taken out in one transaction, before the first record is given."""
        return iter(self._read(lambda view: list(_records(view, session_ids))))

    def pulse(self, session_id: str) -> Pulse | None:
        return self._read(lambda view: _pulse(view, session_id))

    def _read(self, work: Callable[[View], T]) -> T:
        return sqlite_snapshot.read(self.path, lambda db: work(View(db)), forbidden=_SECRET)

    def _mark(self, view: View, row: Row) -> Mark:
        session_id = plain(row["id"])
        trace = tables_v1.trace if _is_old(view, row) else tables_v2.trace
        known = sorted((name, plain(value)) for name, value in row.items())
        return Mark(
            session_id=session_id,
            parent_id=text({"id": plain(row.get("parent_id"))}, "id"),
            path=self.path,
            changed_at=number(row, "time_updated") or 0,
            digest=digest(known, trace(view, session_id)),
        )


def _rows(view: View, where: str, *values: object) -> Iterator[Row]:
    """Rows of sessions, each id once, as 2.x has it where it has it."""
    seen: set[bytes] = set()
    for row in view.rows("session_v2", _WANTED, where, *values):
        if isinstance(row["id"], bytes) and row["id"] not in seen:
            seen.add(row["id"])
            yield {**row, "is_new": True}
    for row in view.rows("session", _WANTED, where, *values):
        known = isinstance(row["id"], bytes) and row["id"] not in seen
        seen.add(row["id"])
        if known and not view.rows("session_v2", ("id",), "WHERE id = ?", plain(row["id"])):
            yield row


def _family(view: View, session_id: str) -> list[Row]:
    found = list(_rows(view, "WHERE id = ?", session_id))
    seen = {row["id"] for row in found}
    for row in found:
        children = _rows(view, "WHERE parent_id = ?", plain(row["id"]))
        fresh = [child for child in children if child["id"] not in seen]
        fresh.sort(key=lambda child: child["id"], reverse=True)  # ids fall with time
        seen.update(child["id"] for child in fresh)
        found += fresh[: _MOST - len(found)]
    return found


def _records(view: View, session_ids: list[str]) -> Iterator[Record]:
    for session_id in session_ids:
        for row in _rows(view, "WHERE id = ?", session_id):
            if _is_old(view, row):
                yield tables_v1.record(view, row)
            else:
                yield tables_v2.record(view, row, is_priced="is_new" in row)


def _pulse(view: View, session_id: str) -> Pulse | None:
    for row in _rows(view, "WHERE id = ?", session_id):
        if _is_old(view, row):
            return tables_v1.pulse(view, session_id)
        return tables_v2.pulse(view, session_id)
    return None


def _is_old(view: View, row: Row) -> bool:
    """Whether the messages lie in `message`; 1.15 noted mere switches in the other table too."""
    found = view.rows("message", ("id",), "WHERE session_id = ? LIMIT 1", plain(row["id"]))
    return "is_new" not in row and bool(found)
