"""The embedded default: OpenSync's three calls on one SQLite file of the user's own.

It takes and refuses what the real server does, but every call is a true upsert: what is given
replaces what was there, times included, no matter how soon or how often it is sent. Fields that are
not given stay; parts that are given replace all of the message's parts.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from opensync_hooks.config import EMBEDDED_STORE
from opensync_hooks.destinations.protocol import BatchReply
from opensync_hooks.destinations.store import validation
from opensync_hooks.destinations.store.limits import measure
from opensync_hooks.destinations.store.schema import SCHEMA
from opensync_hooks.destinations.store.search import StoreSearch
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json
from opensync_hooks.system import clock
from opensync_hooks.system.sqlite import LOCK_TIMEOUT_S, SqliteFile

Clock = Callable[[], int]
"""Milliseconds since 1970 UTC."""

_ID_LETTERS = string.digits + string.ascii_lowercase
_SESSION_COLUMNS = ("id", *validation.SESSION_FIELDS, "updatedAt", "parentExternalId", "extra")
_MESSAGE_COLUMNS = (
    *("id", "externalId", "session", "role", "textContent", "model", "promptTokens"),
    *("completionTokens", "durationMs", "createdAt", "parts", "extra"),
)


class Store(StoreSearch):
    """A Destination on this machine. Safe for several threads, and for several processes."""

    name = EMBEDDED_STORE
    keeps_extra = True

    def __init__(
        self, path: Path, *, now: Clock = clock.now, lock_timeout_s: float = LOCK_TIMEOUT_S
    ) -> None:
        super().__init__(SqliteFile(path, SCHEMA, lock_timeout_s))
        self.now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def put_session(self, body: Json, extra: Json) -> str:
        fields = validation.session(body)
        with self._file.writing() as db:
            return self._write_session(db, fields, extra)

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:  # noqa: ARG002 - always
        fields = validation.message(body)
        with self._file.writing() as db:
            return self._write_message(db, fields, extra)

    def put_batch(self, body: Json) -> BatchReply:
        """Each list is one transaction; one refused message leaves the others of its list."""
        errors: list[str] = []
        counts = []
        for kind, put in (("sessions", self._put_sessions), ("messages", self._put_messages)):
            items = body.get(kind)
            try:
                counts.append(put(items, errors) if _is_sent(items) else 0)
            except RejectedError as refused:
                counts.append(0)
                errors.append(f"{kind.capitalize()} batch error: Error: {refused}")
        return BatchReply(counts[0], counts[1], tuple(errors))

    def delete_session(self, external_id: str) -> bool:
        """Takes the session away with its messages; says whether it was there."""
        with self._file.writing() as db:
            found = _row(db, "session", external_id)
            if found:
                db.execute("DELETE FROM session WHERE id = ?", (found["id"],))
        self._file.truncate_wal()
        return found is not None

    def _put_sessions(self, items: Any, _errors: list[str]) -> int:
        sessions = validation.batch_sessions(items)
        with self._file.writing() as db:
            return sum(self._batch_session(db, fields) for fields in sessions)

    def _put_messages(self, items: Any, errors: list[str]) -> int:
        stored, refusals = 0, []
        messages = validation.batch_messages(items)
        with self._file.writing() as db:
            for fields in messages:
                try:
                    stored += self._batch_message(db, fields)
                except RejectedError as refused:  # raised before its first write
                    refusals.append(f"{fields['externalId']}: Error: {refused}")
        errors.extend(refusals)
        return stored

    def _batch_session(self, db: sqlite3.Connection, fields: Json) -> bool:
        """Whether it was stored."""
        self._write_session(db, fields, {})
        return True

    def _batch_message(self, db: sqlite3.Connection, fields: Json) -> bool:
        """Whether it was stored."""
        self._write_message(db, fields, {})
        return True

    def _write_session(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        """An empty `extra` keeps the one that is there: HTTP and batches have none to give."""
        now = self.now()
        old = _row(db, "session", fields["externalId"])
        row = {**(old or _new_session(now)), **fields, "updatedAt": now}
        row["source"] = self._source(row["source"], known=old is not None)
        if extra or old is None:
            row |= {"parentExternalId": _parent(extra), "extra": _as_json(extra)}
        validation.check_session_row(row)
        _save(db, "session", _SESSION_COLUMNS, row)
        return str(row["id"])

    def _source(self, given: str | None, *, known: bool) -> str:
        """One name for one agent: OpenSync shows its own sessions of Cursor as `cursor-sync`."""
        if given == "cursor":
            return "cursor-sync"
        return given or ("" if known else "opencode")

    def _write_message(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        old = _row(db, "message", fields["externalId"])
        if old:
            self._check_owner(db, old, fields)
        row = {**(old or _new_message(self.now())), **fields, "extra": _as_json(extra)}
        validation.check_message_rows(row, fields.get("parts", ()))
        if "parts" in fields:
            row["parts"] = _as_json(fields["parts"])
        home = self._home(db, fields)
        row.setdefault("session", home)
        _save(db, "message", _MESSAGE_COLUMNS, row)
        db.execute("UPDATE session SET updatedAt = ? WHERE id = ?", (self.now(), home))
        return str(row["id"])

    def _check_owner(self, db: sqlite3.Connection, old: Json, fields: Json) -> None:
        query = "SELECT externalId FROM session WHERE id = ?"
        (owner,) = db.execute(query, (old["session"],)).fetchone()
        if owner != fields["sessionExternalId"]:
            # Two sessions that share ids, as forks do, would take the message from each other.
            raise RejectedError(
                f"Message {fields['externalId'][:80]} belongs to session {owner[:80]} already"
            )

    def _home(self, db: sqlite3.Connection, fields: Json) -> str:
        """The message's session, made bare where it is unknown: messages may come first."""
        found = _row(db, "session", fields["sessionExternalId"])
        if found:
            return str(found["id"])
        bare: Json = {name: fields[name] for name in ("model", "source") if name in fields}
        bare["externalId"] = fields["sessionExternalId"]
        return self._write_session(db, bare, {})


def _new_session(now: int) -> Json:
    nothing = {"promptTokens": 0, "completionTokens": 0, "cost": 0, "source": None}
    return {"id": _new_id(), "createdAt": now, **nothing}


def _new_message(now: int) -> Json:
    return {"id": _new_id(), "createdAt": now, "parts": "[]"}


def _new_id() -> str:
    """Like Convex's ids: 32 letters and digits, never used twice, so a deleted row is never met."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(32))


def _row(db: sqlite3.Connection, table: str, external_id: str) -> Json | None:
    query = f"SELECT * FROM {table} WHERE externalId = ?"  # noqa: S608 - the table is our own text
    found = db.execute(query, (external_id,)).fetchone()
    return dict(found) if found else None


def _save(db: sqlite3.Connection, table: str, columns: tuple[str, ...], row: Json) -> None:
    """Insert or update in place; REPLACE would delete the row first, and a session's messages."""
    values = ", ".join("?" * len(columns))
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    db.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - our own text
        f" ON CONFLICT (externalId) DO UPDATE SET {changes}",
        [row.get(name) for name in columns],
    )


def _is_sent(items: Any) -> bool:
    """Whether the server looks at a batch's list at all: it asks for a length above zero."""
    return isinstance(items, list | str) and len(items) > 0


def _parent(extra: Json) -> str | None:
    parent = extra.get("parentExternalId")
    if not isinstance(parent, str):
        return None
    measure(parent)
    return parent


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RejectedError(f"TypeError: no JSON value ({type(error).__name__})") from error
