"""OpenSync over HTTP. The server's quirks are handled here and known nowhere else."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Self

from opensync_hooks.destinations.opensync.reader import fetch_session, newest_sessions
from opensync_hooks.destinations.opensync.responses import (
    ForeignResponseError,
    SplitEmojiError,
    batch_error,
)
from opensync_hooks.destinations.protocol import BatchReply
from opensync_hooks.errors import RejectedError, ServerFailureError
from opensync_hooks.model import Json

if TYPE_CHECKING:
    from opensync_hooks.destinations.opensync.transport import Transport

_DEDUPLICATION_WINDOW_MS = 5_000
"""The server ignores a new version of a message younger than this, but answers `ok`."""
_CLOCK_MARGIN_MS = 500
_MAX_TIME_MS = 1e15
_FEW_LOOKUPS = 10
"""So many sessions are looked up one by one before their list is asked for."""
_LIST_SECONDS = 600
"""How long the list is good for: another machine may add sessions, too."""


class OpenSyncClient:
    """One OpenSync deployment. Not thread-safe."""

    is_on_own_disk = False
    keeps_extra = False
    messages_per_transaction = 1

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._key = api_key
        self._sleep = sleep
        self._clock = clock
        self._server_ahead_ms: float | None = None
        self._lookups = 0
        self._ids: frozenset[str] | None = None
        self._listed_at = -math.inf
        self._undated_at: int | None = None
        """The latest time at which the server may have dated a message by its own clock."""

    @property
    def name(self) -> str:
        return self._url

    @cached_property
    def _transport(self) -> Transport:
        # A turn that has nothing to send is spared the import of requests: 50 ms.
        from opensync_hooks.destinations.opensync.transport import Transport  # noqa: PLC0415

        return Transport(self._url, self._key, self._sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "_transport" in vars(self):
            self._transport.close()

    def transaction(self) -> AbstractContextManager[object]:
        return nullcontext()

    def put_session(self, body: Json, extra: Json) -> str:  # noqa: ARG002 - OpenSync has no field for it
        return self._post("/sync/session", self._without_future_date(body), "sessionId")

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:  # noqa: ARG002
        body = self._without_future_date(body)
        if replaces:
            self._wait_for_window(body.get("createdAt"))
        elif "createdAt" not in body:
            self._undated_at = self.server_time()
        try:
            return self._post("/sync/message", body, "messageId")
        except SplitEmojiError:
            return self._post("/sync/message", _shifted_by_one(body), "messageId")

    def put_batch(self, body: Json) -> BatchReply:
        reply = self._transport.call("POST", "/sync/batch", body)
        sessions, messages, errors = (reply.get(n) for n in ("sessions", "messages", "errors"))
        if not isinstance(sessions, int) or not isinstance(messages, int):
            raise ForeignResponseError(self.name)
        if not isinstance(errors, list):
            raise ForeignResponseError(self.name)
        if errors:
            raise batch_error(self.name, str(errors[0]), self._key)
        return BatchReply(sessions, messages)

    def newest(self, limit: int) -> list[Json]:
        return newest_sessions(self._transport, limit)

    def lacks(self, external_id: str) -> bool:
        """Return whether the account has no such session, as far as its list of ids is at hand.

        The server reads all sessions for that list, so only somebody with many new ones asks.
        """
        self._lookups += 1
        if self._lookups > _FEW_LOOKUPS and self._clock() - self._listed_at > _LIST_SECONDS:
            self._listed_at, self._ids = self._clock(), None
            with suppress(RejectedError, ServerFailureError):  # a large account has no list
                ids = self._transport.call("GET", "/sync/sessions/list").get("sessionIds")
                self._ids = frozenset(map(str, ids)) if isinstance(ids, list) else None
        return self._ids is not None and external_id not in self._ids

    def fetch(self, external_id: str, remote_id: str | None) -> Json | None:
        return fetch_session(self._transport, external_id, remote_id)

    def stats(self) -> Json:
        """Return the totals of the account; the server reads all of its sessions for them."""
        return self._transport.call("GET", "/api/stats")

    def server_time(self) -> int:
        """Return the server's clock in ms; asks the server once and then counts on."""
        if self._server_ahead_ms is None:
            timestamp = self._transport.call("GET", "/health").get("timestamp")
            if not isinstance(timestamp, int | float) or not 0 <= timestamp < _MAX_TIME_MS:
                raise ForeignResponseError(self.name)
            self._server_ahead_ms = timestamp - self._clock() * 1000
        return int(self._clock() * 1000 + self._server_ahead_ms)

    def _post(self, path: str, body: Json, id_field: str) -> str:
        remote_id = self._transport.call("POST", path, body).get(id_field)
        if not isinstance(remote_id, str) or not remote_id:
            raise ForeignResponseError(self.name)
        return remote_id

    def _without_future_date(self, body: Json) -> Json:
        """Limit `createdAt` to the server's now: it ignores updates until that time has come."""
        created_at = body.get("createdAt")
        if created_at is None or created_at <= self.server_time():
            return body
        return {**body, "createdAt": self.server_time()}

    def _wait_for_window(self, created_at: int | None) -> None:
        """Sleep until the server accepts a second version of a message of this time."""
        if created_at is None:  # an earlier worker may have sent it a moment ago
            self._undated_at = self._undated_at or self.server_time()
            created_at = self._undated_at
        accepted_at = created_at + _DEDUPLICATION_WINDOW_MS + _CLOCK_MARGIN_MS
        self._sleep(max(0, accepted_at - self.server_time()) / 1000)


def _shifted_by_one(body: Json) -> Json:
    """Put a space before the first text, so that the server's cut misses the emoji."""
    parts = [dict(part) for part in body.get("parts", ())]
    for part in parts:
        if part["type"] == "text":
            part["content"] = " " + part["content"]
            break
    return {**body, "parts": parts}
