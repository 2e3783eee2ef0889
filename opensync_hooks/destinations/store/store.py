"""The embedded store: the calls of OpenSync on one SQLite file.

It accepts and refuses what OpenSync does, but each call is a true upsert: the fields of a body
replace what is stored, times included, however soon they come. Missing fields stay as they are;
parts replace all parts of the message.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from opensync_hooks.config import EMBEDDED_STORE
from opensync_hooks.destinations.protocol import BatchReply
from opensync_hooks.destinations.store import validation
from opensync_hooks.destinations.store.convex_limits import measure
from opensync_hooks.destinations.store.schema import SCHEMA
from opensync_hooks.destinations.store.upkeep import StoreUpkeep
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json
from opensync_hooks.system import clock
from opensync_hooks.system.sqlite import LOCK_TIMEOUT_S, SqliteFile

Clock = Callable[[], int]
"""Milliseconds since 1970 UTC."""

_DEFAULT_SOURCE = "opencode"
_SOURCE_ALIASES = {"cursor": "cursor-sync"}
"""As on OpenSync: the source of a session that names none, and the new name of an old source."""
_ID_BYTES = (b"0123456789abcdefghijklmnopqrstuvwxyz" * 8)[:256]
"""Maps each random byte to a character of an id."""
_COLUMNS = {
    "session": ("id", *validation.SESSION_FIELDS, "updatedAt", "parentExternalId", "extra"),
    "message": (
        *("id", "externalId", "session", "role", "textContent", "model", "promptTokens"),
        *("completionTokens", "durationMs", "createdAt", "parts", "extra"),
    ),
}
# Not REPLACE, which would delete a session's row, and so its messages.
_UPSERTS = {
    table: f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    f" ON CONFLICT (externalId) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in columns)}"
    for table, columns in _COLUMNS.items()
}
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Store(StoreUpkeep):
    """A destination on this machine. Safe for several threads and several processes."""

    name = EMBEDDED_STORE
    is_on_own_disk = True
    keeps_extra = True
    messages_per_transaction = 100

    def __init__(
        self, path: Path, *, now: Clock = clock.now, lock_timeout_s: float = LOCK_TIMEOUT_S
    ) -> None:
        super().__init__(SqliteFile(path, SCHEMA, lock_timeout_s))
        self.path = path
        self.now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def transaction(self) -> AbstractContextManager[object]:
        return self._file.writing()

    def put_session(self, body: Json, extra: Json) -> str:
        fields = validation.session(body)
        with self._file.writing() as db:
            return self._write_session(db, fields, extra)

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:  # noqa: ARG002 - always does
        fields = validation.message(body)
        with self._file.writing() as db:
            return self._write_message(db, fields, extra)

    def put_batch(self, body: Json) -> BatchReply:
        """Store each list in one transaction; one refused message leaves the others stored."""
        counts, errors = {"sessions": 0, "messages": 0}, []
        for name, put in (("sessions", self._put_sessions), ("messages", self._put_messages)):
            items = body.get(name)
            if not isinstance(items, list | str) or not items:  # the server asks for `.length > 0`
                continue
            try:
                counts[name], item_errors = put(items)
            except RejectedError as error:
                errors.append(f"{name.capitalize()} batch error: Error: {error}")
            else:
                errors += item_errors
        return BatchReply(counts["sessions"], counts["messages"], tuple(errors))

    def _put_sessions(self, items: Any) -> tuple[int, list[str]]:
        sessions = validation.batch_sessions(items)
        with self._file.writing() as db:
            for fields in sessions:
                self._write_session(db, fields, {})
        return len(sessions), []

    def _put_messages(self, items: Any) -> tuple[int, list[str]]:
        messages = validation.batch_messages(items)
        errors = []
        with self._file.writing() as db:
            for fields in messages:
                try:
                    self._write_message(db, fields, {})
                except RejectedError as error:  # raised before its first write
                    errors.append(f"{fields['externalId']}: Error: {error}")
        return len(messages) - len(errors), errors

    def _write_session(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        """Insert or update. An empty `extra` keeps the old one: HTTP and batches have none."""
        now = self.now()
        old = _row(db, "session", fields["externalId"])
        zeros = {"promptTokens": 0, "completionTokens": 0, "cost": 0}
        new = {"id": _new_id(), "createdAt": now, "source": _DEFAULT_SOURCE, **zeros}
        row = {**(old or new), **fields, "updatedAt": now}
        row["source"] = _SOURCE_ALIASES.get(row["source"], row["source"])
        if old is None:
            row["source"] = row["source"] or _DEFAULT_SOURCE
        if extra or old is None:
            row |= {"parentExternalId": _parent(extra), "extra": _to_json(extra)}
        validation.check_session_row(row)
        _save(db, "session", row)
        return str(row["id"])

    def _write_message(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        """Insert or update. An unknown session is created empty: a message may come first."""
        old, now = _row(db, "message", fields["externalId"]), self.now()
        session_key = fields["sessionExternalId"]
        query = "SELECT id, updatedAt FROM session WHERE externalId = ?"
        session = db.execute(query, (session_key,)).fetchone()
        if old and (session is None or session["id"] != old["session"]):
            # Forks share ids: without this, two sessions would take the message from each other.
            query = "SELECT externalId FROM session WHERE id = ?"
            (owner,) = db.execute(query, (old["session"],)).fetchone()
            raise validation.OtherSessionError(
                f"Message {fields['externalId'][:80]} belongs to session {owner[:80]} already"
            )
        new = {"id": _new_id(), "createdAt": now, "parts": "[]"}
        row = {**(old or new), **fields, "extra": _to_json(extra)}
        validation.check_message_rows(row, fields.get("parts", ()))
        if "parts" in fields:
            row["parts"] = _to_json(fields["parts"])
        if session is None:
            head: Json = {name: fields[name] for name in ("model", "source") if name in fields}
            row["session"] = self._write_session(db, {**head, "externalId": session_key}, {})
        else:
            row["session"] = session["id"]
        _save(db, "message", row)
        if session and session["updatedAt"] != now:
            db.execute("UPDATE session SET updatedAt = ? WHERE id = ?", (now, session["id"]))
        return str(row["id"])


def _new_id() -> str:
    """Return an id in the form of Convex's; it is random, so a deleted row's is never reused."""
    return os.urandom(32).translate(_ID_BYTES).decode()


def _row(db: sqlite3.Connection, table: str, external_id: str) -> Json | None:
    query = f"SELECT * FROM {table} WHERE externalId = ?"
    row = db.execute(query, (external_id,)).fetchone()
    return dict(row) if row else None


def _save(db: sqlite3.Connection, table: str, row: Json) -> None:
    db.execute(_UPSERTS[table], tuple(map(row.get, _COLUMNS[table])))


def _parent(extra: Json) -> str | None:
    parent = extra.get("parentExternalId")
    if not isinstance(parent, str):
        return None
    measure(parent)  # refuses a lone surrogate
    return parent


def _to_json(value: Any) -> str:
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise RejectedError(f"TypeError: not a JSON value ({type(error).__name__})") from error
