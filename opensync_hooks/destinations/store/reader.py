"""What the embedded store holds, as OpenSync's read routes show it; `source` and `extra` added."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opensync_hooks.destinations.store import usage
from opensync_hooks.destinations.store.export import export
from opensync_hooks.model import Json
from opensync_hooks.system.sqlite import MOVE_AWAY, DamagedError, SqliteFile

SESSION_FIELDS = (
    *("id", "externalId", "title", "projectPath", "projectName", "model", "provider"),
    *("promptTokens", "completionTokens", "totalTokens", "cost", "durationMs"),
    *("isPublic", "messageCount", "createdAt", "updatedAt"),
)
MESSAGE_FIELDS = (
    *("id", "externalId", "role", "textContent", "model", "promptTokens"),
    *("completionTokens", "durationMs", "createdAt", "parts"),
)
_SESSION = "SELECT *, promptTokens + completionTokens AS totalTokens FROM session"
_DAMAGED_PARTS = [{"type": "text", "content": "[unreadable: this row of the store is damaged]"}]


class StoreReader:
    """Reading never waits for a writer, and each call sees one state of the store."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def sessions(self, limit: int = 50, *, parent: str | None = None) -> list[Json]:
        """Return sessions, last updated first; with `parent`, only its subagents."""
        where = "" if parent is None else " WHERE parentExternalId = :parent"
        query = f"{_SESSION}{where} ORDER BY updatedAt DESC, arrival DESC LIMIT :limit"
        with self._file.reading() as db:
            rows = db.execute(query, {"parent": bindable(parent or ""), "limit": min(limit, 2**31)})
            return [session_json(row) for row in rows]

    def newest(self, limit: int) -> list[Json]:
        return self.sessions(limit)

    def session(self, id_or_external_id: str) -> Json | None:
        """Return `{session, messages}`, the messages by time; None for an unknown session."""
        query = f"{_SESSION} WHERE id = :key OR externalId = :key ORDER BY id = :key DESC"
        messages = "SELECT * FROM message WHERE session = ? ORDER BY createdAt, arrival"
        with self._file.reading() as db:
            session = db.execute(query, {"key": bindable(id_or_external_id)}).fetchone()
            if session is None:
                return None
            rows = db.execute(messages, (session["id"],)).fetchall()
        return {"session": session_json(session), "messages": list(map(message_json, rows))}

    def fetch(self, external_id: str, remote_id: str | None) -> Json | None:  # noqa: ARG002 - needs no other id
        session = self.session(external_id)
        return session if session and session["session"]["externalId"] == external_id else None

    def lacks(self, external_id: str) -> bool:
        return self.session(external_id) is None

    def session_ids(self) -> list[str]:
        """Return the `externalId` of every session, in order of arrival."""
        with self._file.reading() as db:
            rows = db.execute("SELECT externalId FROM session ORDER BY arrival")
            return [row["externalId"] for row in rows]

    def spending(
        self, by: str, since_day: str = ""
    ) -> tuple[dict[str, usage.UsageSums], usage.UsageSums]:
        """Return what `usage.group` does."""
        with self._file.reading() as db:
            return usage.group(db, by, since_day)

    def spending_by_each(
        self, bys: tuple[str, ...], since_day: str = ""
    ) -> tuple[list[dict[str, usage.UsageSums]], usage.UsageSums]:
        """Return what `usage.group_by_each` does."""
        with self._file.reading() as db:
            return usage.group_by_each(db, bys, since_day)

    def agent_costs(self) -> list[tuple[float, list[float | None]]]:
        """Return what `usage.families` yields."""
        with self._file.reading() as db:
            return list(usage.families(db.execute(usage.FAMILIES)))

    def version(self) -> str:
        """Return what changes with every change of the store, by this process or another."""
        with self._file.reading() as db:
            (others,) = db.execute("PRAGMA data_version").fetchone()
            return f"{others}-{db.total_changes}"

    def stats(self) -> Json:
        with self._file.reading() as db:
            (message_count,) = db.execute("SELECT count(*) FROM message").fetchone()
            sessions = db.execute(
                "SELECT model, promptTokens + completionTokens AS tokens, cost, durationMs"
                " FROM session ORDER BY arrival"
            ).fetchall()
        by_model: Json = {}
        for row in sessions:
            sums = by_model.setdefault(
                row["model"] or "unknown", {"tokens": 0, "cost": 0, "sessions": 0}
            )
            sums["tokens"] += row["tokens"]
            sums["cost"] += row["cost"]
            sums["sessions"] += 1
        return {
            "sessionCount": len(sessions),
            "messageCount": message_count,
            "totalTokens": sum(row["tokens"] for row in sessions),
            "totalCost": sum(row["cost"] for row in sessions),
            "totalDurationMs": sum(row["durationMs"] or 0 for row in sessions),
            "modelUsage": by_model,
        }

    def export(self, id_or_external_id: str, form: str = "json") -> Json | None:
        """Return a session as `export.export` does; None for an unknown session."""
        session = self.session(id_or_external_id)
        return session and export(session["session"], session["messages"], form)


def session_json(row: sqlite3.Row) -> Json:
    """Return a row of `session` under OpenSync's names, without its empty fields."""
    with _damaged_schema_errors():
        fields = {**dict(row), "isPublic": False}
        shown = _without_nulls(fields, (*SESSION_FIELDS, "source"))
        return {**shown, "extra": parsed(row["extra"], {})}


def message_json(row: sqlite3.Row) -> Json:
    """Return a row of `message` under OpenSync's names, without its empty fields."""
    with _damaged_schema_errors():
        fields = {**dict(row), "parts": parsed(row["parts"], _DAMAGED_PARTS)}
        return {**_without_nulls(fields, MESSAGE_FIELDS), "extra": parsed(row["extra"], {})}


@contextmanager
def _damaged_schema_errors() -> Iterator[None]:
    """One flipped bit in the schema renames a column, and SQLite does not notice."""
    try:
        yield
    except (IndexError, KeyError):
        text = "The embedded store is damaged: one of its columns has another name."
        raise DamagedError(text, MOVE_AWAY) from None


def parsed(text: Any, if_damaged: Any) -> Any:
    """Return a column's JSON. A damaged row must not hide the others; `verify` reports it."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return if_damaged
    return value if isinstance(value, type(if_damaged)) else if_damaged


def _without_nulls(fields: Json, names: tuple[str, ...]) -> Json:
    return {name: fields[name] for name in names if fields[name] is not None}


def bindable(key: Any) -> str:
    """Replace lone surrogates, which a command line can contain and SQLite refuses."""
    return str(key).encode(errors="replace").decode()
