"""OpenSync over HTTP: three calls, each tried a few times; the server's traps stay in here."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Self

import requests

from opensync_hooks import __version__
from opensync_hooks.answer import judge, refusal
from opensync_hooks.deadline import TooLateError, within
from opensync_hooks.destination import BatchReply, Json
from opensync_hooks.errors import (
    CertificateError,
    RejectedError,
    UnreachableError,
    WrongAddressError,
)

TRIES = 3
TIMEOUT = (5.0, 20.0)
"""Seconds for the connection, and between two pieces of an answer."""
DEADLINE = 30.0
"""Seconds for a whole request, besides the time that its bytes take on a slow line."""
SLOWEST_BYTES = 32_768
LONGEST_WAIT = 60.0
_FIRST_WAIT = 0.5
_WINDOW_MS = 5_000
_MARGIN_MS = 500
_POISON_TEXT = "lone leading surrogate"


class _Key(requests.auth.AuthBase):
    """The key as an auth object: as a plain header, an entry in ~/.netrc would replace it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Client:
    """One OpenSync deployment, over one kept-alive connection. Not for several threads."""

    keeps_extra = False

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._sleep = sleep
        self._clock = clock
        self._ahead_ms: float | None = None
        self._key = _Key(api_key)
        self._http = _connected(self._key)

    @property
    def name(self) -> str:
        return self._url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def put_session(self, body: Json, extra: Json) -> str:  # noqa: ARG002 - no field for it
        return self._id(self._call("POST", "/sync/session", self._dated(body)), "sessionId")

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:  # noqa: ARG002
        body = self._dated(body)
        if replaces:
            self._outwait_window(body.get("createdAt"))
        try:
            return self._id(self._call("POST", "/sync/message", body), "messageId")
        except RejectedError as error:
            if _POISON_TEXT not in str(error):
                raise
        # The server cuts its search text at a fixed length, here inside an emoji: move the cut.
        return self._id(self._call("POST", "/sync/message", _shifted(body)), "messageId")

    def put_batch(self, body: Json) -> BatchReply:
        answer = self._call("POST", "/sync/batch", body)
        counts = answer.get("sessions"), answer.get("messages")
        errors = answer.get("errors")
        if not all(isinstance(count, int) for count in counts) or not isinstance(errors, list):
            raise UnreachableError(f"{self._url}: an answer that is not OpenSync's.")
        if errors:
            raise refusal(self._url, str(errors[0]))
        return BatchReply(int(counts[0] or 0), int(counts[1] or 0))

    def server_time(self) -> int:
        """The server's clock in ms, from `/health`, asked once."""
        if self._ahead_ms is None:
            told = self._call("GET", "/health").get("timestamp")
            if not isinstance(told, int | float):
                raise WrongAddressError(
                    f"{self._url}: no OpenSync answers there.",
                    "Check the URL in its settings page.",
                )
            self._ahead_ms = told - self._clock() * 1000
        return int(self._clock() * 1000 + self._ahead_ms)

    def _dated(self, body: Json) -> Json:
        """A time in the server's future would freeze the row there until that time has come."""
        created_at = body.get("createdAt")
        if created_at is None or created_at <= self.server_time():
            return body
        return {**body, "createdAt": self.server_time()}

    def _outwait_window(self, created_at: int | None) -> None:
        """The server ignores a second version of a message in the first 5 s, and says `ok`."""
        if created_at is not None:
            open_at = created_at + _WINDOW_MS + _MARGIN_MS
            self._sleep(max(0, open_at - self.server_time()) / 1000)

    def _id(self, answer: Json, name: str) -> str:
        found = answer.get(name)
        if not isinstance(found, str) or not found:
            raise UnreachableError(f"{self._url}: an answer that is not OpenSync's.")
        return found

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        for tries in range(TRIES):
            try:
                response = self._send(method, path, body)
                return judge(self._url, response)
            except UnreachableError as error:
                wait = error.retry_after
                if tries == TRIES - 1 or (wait is not None and wait > LONGEST_WAIT):
                    raise
                backoff = _FIRST_WAIT * 2**tries * random.uniform(0.8, 1.2)  # noqa: S311
                self._sleep(backoff if wait is None else wait)
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, body: Json | None) -> requests.Response:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        send = partial(self._http.request, method, self._url + path, data=data)
        longest = DEADLINE + len(data or b"") / SLOWEST_BYTES
        try:
            return within(longest, partial(send, timeout=TIMEOUT, allow_redirects=False))
        except TooLateError:
            self._http = _connected(self._key)  # the other one is busy still
            raise UnreachableError(
                f"{self._url}: answers too slowly.", "It is tried again later."
            ) from None
        except requests.exceptions.SSLError as error:
            raise CertificateError(
                f"{self._url}: its certificate is not trusted.",
                "Behind a company proxy, name its certificates in REQUESTS_CA_BUNDLE.",
            ) from error
        except requests.exceptions.RequestException as error:
            raise UnreachableError(
                f"{self._url}: cannot be reached ({_why(error)}).",
                "Check the network, then the URL.",
            ) from None


def _connected(key: _Key) -> requests.Session:
    """A session of HTTP; it makes its connection with the first request, and keeps it."""
    http = requests.Session()
    http.auth = key
    http.headers["User-Agent"] = f"opensync-hooks/{__version__}"
    http.headers["Content-Type"] = "application/json"
    return http


def _why(error: requests.exceptions.RequestException) -> str:
    """The cause in a few words; the error's own text may hold what was sent."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    name = type(cause or error).__name__
    known = {
        "NameResolutionError": "no host has this name",
        "NewConnectionError": "nothing listens there",
        "ConnectTimeoutError": "it does not answer",
        "ReadTimeout": "it does not answer",
        "ProtocolError": "the connection broke",
        "ConnectionError": "the connection broke",
        "ProxyError": "the proxy refuses",
    }
    return known.get(name, name)


def _shifted(body: Json) -> Json:
    parts = [dict(part) for part in body.get("parts", ())]
    for part in parts:
        if part["type"] == "text":
            part["content"] = " " + part["content"]
            break
    return {**body, "parts": parts}
