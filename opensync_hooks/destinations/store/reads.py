"""What the store holds, as OpenSync's read routes show it, with `source` and `extra` besides."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opensync_hooks.destinations.store.export import Format, export
from opensync_hooks.errors import UnusableDestinationError
from opensync_hooks.model import Json
from opensync_hooks.system.sqlite import MOVE_AWAY, DamagedError, SqliteFile

SESSION_SHOWN = (
    *("id", "externalId", "title", "projectPath", "projectName", "model", "provider"),
    *("promptTokens", "completionTokens", "totalTokens", "cost", "durationMs"),
    *("isPublic", "messageCount", "createdAt", "updatedAt"),
)
MESSAGE_SHOWN = (
    *("id", "externalId", "role", "textContent", "model", "promptTokens"),
    *("completionTokens", "durationMs", "createdAt", "parts"),
)
_SESSION = """SELECT *, promptTokens + completionTokens AS totalTokens,
    (SELECT count(*) FROM message WHERE message.session = session.id) AS messageCount
    FROM session"""

_DAMAGED = [{"type": "text", "content": "[unreadable: this row of the store is damaged]"}]


class StoreReads:
    """Reading never waits for a writer, and each call sees one moment."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def sessions(self, limit: int = 50, *, parent: str | None = None) -> list[Json]:
        """Newest update first; with `parent`, only the sessions that this one started."""
        where = "" if parent is None else " WHERE parentExternalId = :parent"
        query = f"{_SESSION}{where} ORDER BY updatedAt DESC, arrival DESC LIMIT :limit"
        with self._file.reading() as db:
            rows = db.execute(query, {"parent": key_text(parent or ""), "limit": min(limit, 2**31)})
            return [shown_session(row) for row in rows]

    def session(self, id_or_external_id: str) -> Json | None:
        """`session` and its `messages` in the order they were said, each with its parts."""
        query = f"{_SESSION} WHERE id = :key OR externalId = :key ORDER BY id = :key DESC"
        messages = "SELECT * FROM message WHERE session = ? ORDER BY createdAt, arrival"
        with self._file.reading() as db:
            found = db.execute(query, {"key": key_text(id_or_external_id)}).fetchone()
            if found is None:
                return None
            rows = db.execute(messages, (found["id"],)).fetchall()
        return {"session": shown_session(found), "messages": [shown_message(row) for row in rows]}

    def fetch(self, external_id: str, _remote_id: str | None) -> Json | None:
        """What is held of a session, by the id that its agent gave it."""
        found = self.session(external_id)
        return found if found and found["session"]["externalId"] == external_id else None

    def session_ids(self) -> list[str]:
        """The `externalId` of every session, in the order of arrival."""
        with self._file.reading() as db:
            rows = db.execute("SELECT externalId FROM session ORDER BY arrival")
            return [row["externalId"] for row in rows]

    def stats(self) -> Json:
        with self._file.reading() as db:
            (messages,) = db.execute("SELECT count(*) FROM message").fetchone()
            sessions = db.execute(
                "SELECT model, promptTokens + completionTokens AS tokens, cost, durationMs"
                " FROM session ORDER BY arrival"
            ).fetchall()
        return {
            "sessionCount": len(sessions),
            "messageCount": messages,
            "totalTokens": sum(row["tokens"] for row in sessions),
            "totalCost": sum(row["cost"] for row in sessions),
            "totalDurationMs": sum(row["durationMs"] or 0 for row in sessions),
            "modelUsage": _usage_by_model(sessions),
        }

    def export(self, id_or_external_id: str, form: Format = "json") -> Json | None:
        """One session to take away: `{session, messages}`, or `{content, filename}`."""
        found = self.session(id_or_external_id)
        return found and export(found, form)

    def check(self) -> str:
        """`ok`, or what SQLite finds wrong with the file."""
        try:
            with self._file.reading() as db:
                rows = db.execute("PRAGMA quick_check").fetchall()
        except UnusableDestinationError as damage:
            return str(damage)
        return "\n".join(row[0] for row in rows)


def _usage_by_model(sessions: list[sqlite3.Row]) -> Json:
    usage: Json = {}
    for row in sessions:
        of_model = usage.setdefault(
            row["model"] or "unknown", {"tokens": 0, "cost": 0, "sessions": 0}
        )
        of_model["tokens"] += row["tokens"]
        of_model["cost"] += row["cost"]
        of_model["sessions"] += 1
    return usage


def shown_session(row: sqlite3.Row) -> Json:
    with _columns_as_made():
        shown = {**dict(row), "isPublic": False}
        return {**_present(shown, (*SESSION_SHOWN, "source")), "extra": _unpacked(row["extra"], {})}


def shown_message(row: sqlite3.Row) -> Json:
    with _columns_as_made():
        shown = {**dict(row), "parts": _unpacked(row["parts"], _DAMAGED)}
        return {**_present(shown, MESSAGE_SHOWN), "extra": _unpacked(row["extra"], {})}


@contextmanager
def _columns_as_made() -> Iterator[None]:
    """One bit in the schema gives a column another name, and SQLite does not mind."""
    try:
        yield
    except (IndexError, KeyError):
        what = "The embedded store is damaged: one of its columns has another name."
        raise DamagedError(what, MOVE_AWAY) from None


def _unpacked(text: str, damaged: Any) -> Any:
    """A row that went bad must hide no other one: `verify` finds it, and `--repair` mends it."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return damaged
    return found if isinstance(found, type(damaged)) else damaged


def _present(row: Json, names: tuple[str, ...]) -> Json:
    return {name: row[name] for name in names if row[name] is not None}


def key_text(key: Any) -> str:
    """A key from a command line may hold half a letter, which SQLite refuses and no row has."""
    return str(key).encode(errors="replace").decode()
