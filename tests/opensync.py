"""The real OpenSync for tests: the embedded store's calls, with its server's windows and losses.

Behind our own HTTP server it answers as a deployment does, so that tests meet every trap for real.
These differences are wanted, as the product neither sends nor asks for what they concern:

    batches                a list of thousands, an id twice, a refusal in the middle, odd bodies:
                           only `{}` and the titles of known sessions are ever sent by batch
    negative counts        stay out of the total; no reader yields one
    texts that are none    a number or an object in a text part; ours are texts
    search, evaluations    their routes are missing
    size of one session    any can be read; `too large to be opened` is tested by faults
    `//path`, HEAD, CORS   Python's server takes the first for `/path`; no page of ours asks
    blanks in JSON lines, the id of another table in a query
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store import validation
from opensync_hooks.destinations.store.export import plain_text
from opensync_hooks.destinations.store.store import Clock, Store
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json
from opensync_hooks.server.connection import Connection
from opensync_hooks.server.routes import Request, Response
from opensync_hooks.server.server import Server
from opensync_hooks.system.clock import now

MESSAGE_WINDOW_MS = 5_000
SESSION_WINDOW_MS = 10_000
SEARCH_TEXT_UNITS = 10_000
MAX_REPLACED_PARTS = 4_092
MAX_READ_BYTES = 16 << 20
"""Of all rows that one query reads; at a row of a session, its search text comes on top."""
MAX_LISTED_IDS = 8_192
ROW_BYTES = 520
SPLIT_EMOJI = "Received invalid json: lone leading surrogate in hex escape at line 1 column 10035"


class ReadLimitError(RejectedError):
    """One query of the real server would read too much."""

    def __init__(self) -> None:
        super().__init__("Read too much data in a single function execution (limit: 16 MiB)")


class FakeClock:
    """A clock in milliseconds that moves only by `advance`."""

    def __init__(self, ms: int = 1_700_000_000_000) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class RealStore(Store):
    """A Store that ignores and loses what the real server does."""

    def __init__(self, path: Path, *, clock: Clock = now) -> None:
        super().__init__(path, now=clock)
        self.search_text: defaultdict[str, str] = defaultdict(str)
        """By a session's externalId: what the real server's full-text search covers."""
        self.max_read_bytes = MAX_READ_BYTES

    def stats(self) -> Json:
        """Read every row of the account, as the dashboard's lists do too."""
        self._check_read_limits(super().session_ids())
        return super().stats()

    def session_ids(self) -> list[str]:
        ids = super().session_ids()
        self._check_read_limits(ids)
        if len(ids) > MAX_LISTED_IDS:
            raise ReadLimitError
        return ids

    def _check_read_limits(self, ids: list[str]) -> None:
        size = sum(ROW_BYTES + len(self.search_text[name].encode()) for name in ids)
        if size > self.max_read_bytes:
            raise ReadLimitError

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:
        with self._rolled_back_by_split_emoji():
            return super().put_message(body, extra, replaces=replaces)

    def _put_sessions(self, items: Any) -> tuple[int, list[str]]:
        sessions = validation.batch_sessions(items)
        with self._file.writing() as db:
            return sum(self._write_batch_session(db, fields) for fields in sessions), []

    def _put_messages(self, items: Any) -> tuple[int, list[str]]:
        messages = validation.batch_messages(items)
        stored, errors = 0, []
        with self._rolled_back_by_split_emoji(), self._file.writing() as db:
            for fields in messages:
                try:
                    stored += self._write_batch_message(db, fields)
                except RejectedError as error:
                    errors.append(f"{fields['externalId']}: Error: {error}")
        return stored, errors

    def _write_session(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        compared = ("title", "projectPath", "model", "promptTokens", "completionTokens")
        old = _stored(db, "session", fields)
        if old and self._is_repetition(old, fields, compared):
            return str(old["id"])
        if old is None or fields.get("title", old["title"]) != old["title"]:
            self.search_text[fields["externalId"]] = fields.get("title", "")
        return self._save_session(db, old, fields, extra)

    def _write_batch_session(self, db: sqlite3.Connection, fields: Json) -> bool:
        """Return whether it was stored; an update by batch keeps the search text."""
        old = _stored(db, "session", fields)
        if old and self._is_repetition(old, fields, ("title", "model", "promptTokens")):
            return False
        if old is None:
            self.search_text[fields["externalId"]] = fields.get("title", "")
        self._save_session(db, old, fields, {})
        return True

    def _is_repetition(self, old: Json, fields: Json, compared: tuple[str, ...]) -> bool:
        counts = {name for name in ("promptTokens", "completionTokens") if not fields.get(name)}
        is_same = all(fields.get(name) == old[name] for name in {*compared} - counts)
        return is_same and self.now() - old["updatedAt"] < SESSION_WINDOW_MS

    def _save_session(
        self, db: sqlite3.Connection, old: Json | None, fields: Json, extra: Json
    ) -> str:
        """An update changes neither the time nor a count to zero, and maps no source."""
        if old is None:
            return super()._write_session(db, fields, extra)
        counts = ("promptTokens", "completionTokens")
        kept = {name for name in counts if fields.get(name, 0) <= 0} | {"createdAt"}
        changes = {name: value for name, value in fields.items() if name not in kept}
        session_id = super()._write_session(db, changes, extra)
        source = fields.get("source", old["source"])
        db.execute("UPDATE session SET source = ? WHERE id = ?", (source, session_id))
        return session_id

    def _write_message(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        old = _stored(db, "message", fields)
        if old is None:
            return self._save_message(db, fields, extra)
        if self.now() - old["createdAt"] < MESSAGE_WINDOW_MS:
            return str(old["id"])
        if len(json.loads(old["parts"])) > MAX_REPLACED_PARTS:
            raise RejectedError("Too many index ranges read in a single function execution")
        unchangeable = {name: old[name] for name in ("role", "createdAt")}
        return self._save_message(db, {"parts": [], **fields, **unchangeable}, extra)

    def _write_batch_message(self, db: sqlite3.Connection, fields: Json) -> bool:
        """Return whether it was stored; an update by batch deletes the parts."""
        old = _stored(db, "message", fields)
        if old and self.now() - old["createdAt"] < MESSAGE_WINDOW_MS:
            return False
        changes = {**fields, "role": old["role"], "parts": []} if old else fields
        self._save_message(db, changes, {})
        return True

    def _save_message(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        """Store a message and its search text, under the session that had its id first."""
        session_key = fields["sessionExternalId"]
        query = """SELECT session.externalId FROM message JOIN session ON session.id = session
            WHERE message.externalId = ?"""
        owner = db.execute(query, (fields["externalId"],)).fetchone()
        if owner and owner[0] != session_key:
            if _stored(db, "session", {"externalId": session_key}) is None:
                self._write_session(db, {"externalId": session_key}, {})
            fields = {**fields, "sessionExternalId": owner[0]}
        session = _stored(db, "session", {"externalId": fields["sessionExternalId"]})
        message_id = super()._write_message(db, fields, extra)
        parts = fields.get("parts", ())
        texts = [plain_text(part["content"]) for part in parts if part["type"] == "text"]
        is_indexed = any(texts) and fields["sessionExternalId"] == session_key
        if owner and session and not is_indexed:  # then an update does not write the session
            update = "UPDATE session SET updatedAt = ? WHERE id = ?"
            db.execute(update, (session["updatedAt"], session["id"]))
        if any(texts):
            text = " ".join((self.search_text[session_key], *filter(None, texts)))
            units = text.encode("utf-16-le")[: 2 * SEARCH_TEXT_UNITS]
            try:
                self.search_text[session_key] = units.decode("utf-16-le")
            except UnicodeDecodeError:
                raise _SplitEmojiError from None
        return message_id

    @contextmanager
    def _rolled_back_by_split_emoji(self) -> Iterator[None]:
        """The server fails when it cuts its search text inside an emoji, and undoes everything."""
        before = dict(self.search_text)
        try:
            yield
        except _SplitEmojiError:
            self.search_text = defaultdict(str, before)
            raise RejectedError(SPLIT_EMOJI) from None


class _SplitEmojiError(Exception):
    """Not a RejectedError, which a batch would count as the refusal of a single message."""


def _stored(db: sqlite3.Connection, table: str, fields: Json) -> Json | None:
    query = f"SELECT * FROM {table} WHERE externalId = ?"  # noqa: S608 - two names of our own
    row = db.execute(query, (fields["externalId"],)).fetchone()
    return dict(row) if row else None


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request in place of its true response."""

    response: Response | None = None
    """Sent in its place; None breaks the connection without a response."""
    stored: bool = False
    """Whether the store still receives the request."""


OnRequest = Callable[[str, str, bytes], Fault | None]
"""Sees the method, the path with its query and the body of each request that is not for a page.

None leaves the request alone. Without the right key the body is empty, because it is not kept.
"""


class _FaultyConnection(Connection):
    def respond(self, request: Request) -> Response:
        assert isinstance(self.server, FaultyServer)
        fault = self.server.on_request(self.command, self.path, request.body)
        if fault is None:
            return super().respond(request)
        if fault.stored:
            super().respond(request)
        if fault.response is None:
            raise ConnectionAbortedError
        return fault.response


class FaultyServer(Server):
    """A Server whose responses `on_request` may replace."""

    connection_class = _FaultyConnection

    def __init__(self, store: Store, key: str, on_request: OnRequest) -> None:
        self.on_request = on_request
        super().__init__(store, key)


@contextmanager
def real_opensync(
    folder: Path, *, clock: Clock = now, on_request: OnRequest = lambda *_: None
) -> Iterator[tuple[Server, RealStore, str]]:
    """Yield a running server that behaves as a deployment, its store, and its key."""
    key = new_key()
    with (
        RealStore(folder / "opensync.db", clock=clock) as store,
        FaultyServer(store, key, on_request) as server,
    ):
        yield server.start(), store, key


class _SharedConnection(Connection):
    """Serves the user whose key a request brings, or refuses it for the first one."""

    def _handle(self) -> None:
        assert isinstance(self.server, _SharedServer)
        key = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.context = self.server.users.get(key, self.server)
        super()._handle()


class _SharedServer(Server):
    connection_class = _SharedConnection
    users: dict[str, Server]


@contextmanager
def shared_opensync(folder: Path) -> Iterator[tuple[Server, list[tuple[str, RealStore]]]]:
    """Yield a deployment, and three keys with their stores: two of one user, one of another."""
    keys = [new_key() for _ in range(3)]
    with (
        RealStore(folder / "first.db") as first,
        RealStore(folder / "second.db") as second,
        _SharedServer(first, keys[0]) as server,
        Server(first, keys[1]) as renewed,
        Server(second, keys[2]) as other,
    ):
        server.users = {keys[0]: server, keys[1]: renewed, keys[2]: other}
        yield server.start(), list(zip(keys, (first, first, second), strict=True))


class Listener(Protocol):
    def on_request(self, method: str, path: str, body: bytes, /) -> Fault | None: ...


ListenerT = TypeVar("ListenerT", bound=Listener)


@contextmanager
def logged_in(
    create: Callable[[RealStore], ListenerT], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ListenerT]:
    """Yield a listener that receives every request, with the environment logged in to a server."""
    listeners: list[ListenerT] = []

    def on_request(method: str, path: str, body: bytes) -> Fault | None:
        return listeners[0].on_request(method, path, body)

    with real_opensync(folder, on_request=on_request) as (server, store, key):
        monkeypatch.setenv("OPENSYNC_URL", server.url)
        monkeypatch.setenv("OPENSYNC_API_KEY", key)
        listeners.append(create(store))
        yield listeners[0]
