"""The real OpenSync as a store: the same calls, with the windows and losses of its server.

Put behind our own server it answers as a deployment does, so that tests meet every trap for real.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store.store import Clock, Store
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json
from opensync_hooks.server.connection import Connection
from opensync_hooks.server.routes import Request, Response
from opensync_hooks.server.server import Server
from opensync_hooks.system.clock import now

MESSAGE_WINDOW_MS = 5_000
SESSION_WINDOW_MS = 10_000
SEARCH_UNITS = 10_000
MOST_REPLACED_PARTS = 4_092
POISON = "Received invalid json: lone leading surrogate in hex escape at line 1 column 10035"


class FakeClock:
    """Stands still until it is told to go on. Milliseconds."""

    def __init__(self, at: int = 1_700_000_000_000) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += round(seconds * 1000)


class RealStore(Store):
    """A Store that loses what the real server loses."""

    def __init__(self, path: Path, *, clock: Clock = now) -> None:
        super().__init__(path, now=clock)
        self.search_text: defaultdict[str, str] = defaultdict(str)
        """By the session's externalId: what the real server's full-text search would find."""

    def _write_session(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        compared = ("title", "projectPath", "model", "promptTokens", "completionTokens")
        old = _old(db, "session", fields)
        if old is None:
            self.search_text[fields["externalId"]] = fields.get("title", "")
        elif self._is_repeated(old, fields, compared):
            return str(old["id"])
        elif fields.get("title", old["title"]) != old["title"]:
            self.search_text[fields["externalId"]] = fields["title"]
        return super()._write_session(db, _changeable(fields) if old else fields, extra)

    def _batch_session(self, db: sqlite3.Connection, fields: Json) -> bool:
        old = _old(db, "session", fields)
        if old and self._is_repeated(old, fields, ("title", "model", "promptTokens")):
            return False
        if old is None:
            self.search_text[fields["externalId"]] = fields.get("title", "")
        super()._write_session(db, _changeable(fields) if old else fields, {})
        return True

    def _is_repeated(self, old: Json, fields: Json, compared: tuple[str, ...]) -> bool:
        given = {"promptTokens": 0, "completionTokens": 0, **fields}
        same = all(given.get(name) == old[name] for name in compared)
        return same and self.now() - old["updatedAt"] < SESSION_WINDOW_MS

    def _source(self, given: str | None, *, known: bool) -> str:
        return given or "" if known else super()._source(given, known=known)

    def _write_message(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        old = _old(db, "message", fields)
        if old and self.now() - old["createdAt"] < MESSAGE_WINDOW_MS:
            return str(old["id"])
        if old and len(fields.get("parts", ())) > MOST_REPLACED_PARTS:
            raise RejectedError("Too many index ranges read in a single function execution")
        if old:
            fields = {"parts": [], **fields, "role": old["role"], "createdAt": old["createdAt"]}
        return self._searchable(db, fields, extra)

    def _batch_message(self, db: sqlite3.Connection, fields: Json) -> bool:
        old = _old(db, "message", fields)
        if old is None:
            self._searchable(db, fields, {})
            return True
        if self.now() - old["createdAt"] < MESSAGE_WINDOW_MS:
            return False
        super()._write_message(db, {**fields, "role": old["role"], "parts": []}, {})
        return True

    def _searchable(self, db: sqlite3.Connection, fields: Json, extra: Json) -> str:
        """Poison: the cut of the search text inside an emoji undoes everything around it."""
        written = super()._write_message(db, fields, extra)
        said = " ".join(filter(None, map(_said, fields.get("parts", ()))))
        if said:
            before = self.search_text[fields["sessionExternalId"]]
            units = f"{before} {said}".encode("utf-16-le")[: 2 * SEARCH_UNITS]
            try:
                self.search_text[fields["sessionExternalId"]] = units.decode("utf-16-le")
            except UnicodeDecodeError:
                raise _PoisonError(POISON) from None
        return written

    def _put_messages(self, items: Any, errors: list[str]) -> int:
        with self._undone_by_poison():
            return super()._put_messages(items, errors)

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:
        with self._undone_by_poison():
            return super().put_message(body, extra, replaces=replaces)

    @contextmanager
    def _undone_by_poison(self) -> Iterator[None]:
        before = dict(self.search_text)
        try:
            yield
        except _PoisonError as poison:
            self.search_text = defaultdict(str, before)
            raise RejectedError(str(poison)) from None

    def _check_owner(self, db: sqlite3.Connection, old: Json, fields: Json) -> None:
        """Nobody asks whose message it is."""


class _PoisonError(Exception):
    """No RejectedError, so that a batch does not take it for the refusal of one message."""


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
    """A running server that behaves as a deployment, its store, and its key."""
    key = new_key()
    with (
        RealStore(folder / "opensync.db", clock=clock) as store,
        FaultyServer(store, key, on_request) as server,
    ):
        yield server.start(), store, key


class Listener(Protocol):
    def on_request(self, method: str, path: str, body: bytes, /) -> Fault | None: ...


Somebody = TypeVar("Somebody", bound=Listener)


@contextmanager
def logged_in(
    made_of: Callable[[RealStore], Somebody], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Somebody]:
    """Somebody whose settings name a server as above, and who hears each of its requests."""
    found: list[Somebody] = []

    def on_request(method: str, path: str, body: bytes) -> Fault | None:
        return found[0].on_request(method, path, body)

    with real_opensync(folder, on_request=on_request) as (server, store, key):
        found.append(made_of(store))
        monkeypatch.setenv("OPENSYNC_URL", server.url)
        monkeypatch.setenv("OPENSYNC_API_KEY", key)
        yield found[0]


def _old(db: sqlite3.Connection, table: str, fields: Json) -> Json | None:
    query = f"SELECT * FROM {table} WHERE externalId = ?"  # noqa: S608 - two names of our own
    found = db.execute(query, (fields["externalId"],)).fetchone()
    return dict(found) if found else None


def _changeable(fields: Json) -> Json:
    """What an update may change: never the time, and never a count to nothing."""
    return {
        name: value
        for name, value in fields.items()
        if name != "createdAt" and not (name in {"promptTokens", "completionTokens"} and value <= 0)
    }


def _said(part: Json) -> str:
    if part["type"] != "text":
        return ""
    content = part["content"]
    text = content.get("text") or content.get("content") if isinstance(content, dict) else content
    return text if isinstance(text, str) else ""
