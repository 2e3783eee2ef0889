"""OpenSync over HTTP: three calls, each tried a few times; the server's traps stay in here."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Self
from urllib.parse import urlsplit

import requests

from opensync_hooks import __version__
from opensync_hooks.config.urls import LOOPBACK
from opensync_hooks.destinations.opensync.deadline import TooLateError, within
from opensync_hooks.destinations.opensync.network_errors import why
from opensync_hooks.destinations.opensync.responses import parse_response, refusal
from opensync_hooks.destinations.protocol import BatchReply
from opensync_hooks.errors import (
    CertificateError,
    OpenSyncError,
    RejectedError,
    UnreachableError,
    WrongAddressError,
)
from opensync_hooks.model import Json

TRIES = 3
TIMEOUT = (5.0, 20.0)
"""Seconds for the connection, and between two pieces of an answer."""
DEADLINE = 30.0
"""Seconds for a whole request, besides the time that its bytes take on a slow line."""
SLOWEST_BYTES = 32_768
LONGEST_ANSWER = 64 << 20
LONGEST_WAIT = 60.0
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name the file with the authorities to trust; the first one counts."""
_FIRST_WAIT = 0.5
_WINDOW_MS = 5_000
_LAST_MS = 1e15
_MARGIN_MS = 500
_POISON_TEXT = "lone leading surrogate"


class _Key(requests.auth.AuthBase):
    """The key as an auth object: as a plain header, an entry in ~/.netrc would replace it."""

    def __init__(self, key: str) -> None:
        self.value = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.value}"
        return request


class OpenSyncClient:
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
        self._undated_at: int | None = None
        """When the server may last have dated a message by its own clock."""
        self._key = _Key(api_key)
        self._http = _connected(self._key, url)

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
        elif "createdAt" not in body:
            self._undated_at = self.server_time()
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
            raise refusal(self._url, str(errors[0]), self._key.value)
        return BatchReply(int(counts[0] or 0), int(counts[1] or 0))

    def server_time(self) -> int:
        """The server's clock in ms, from `/health`, asked once."""
        if self._ahead_ms is None:
            told = self._call("GET", "/health").get("timestamp")
            if not isinstance(told, int | float) or not 0 <= told < _LAST_MS:
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
        if created_at is None:  # an earlier worker may have sent it a moment ago
            self._undated_at = self._undated_at or self.server_time()
            created_at = self._undated_at
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
                return parse_response(self._url, response, self._key.value)
            except UnreachableError as error:
                wait = error.retry_after
                if tries == TRIES - 1 or (wait is not None and wait > LONGEST_WAIT):
                    raise
                backoff = _FIRST_WAIT * 2**tries * random.uniform(0.8, 1.2)  # noqa: S311
                self._sleep(backoff if wait is None else wait)
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, body: Json | None) -> requests.Response:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        send = partial(self._http.request, method, self._url + path, data=data, stream=True)
        longest = DEADLINE + len(data or b"") / SLOWEST_BYTES
        failure: OpenSyncError
        try:
            return within(longest, lambda: _whole(send(timeout=TIMEOUT, allow_redirects=False)))
        except TooLateError:
            self._http = _connected(self._key, self._url)  # the other one is busy still
            failure = UnreachableError(
                f"{self._url}: answers too slowly.", "It is tried again later."
            )
        except _TooMuchError:
            failure = UnreachableError(
                f"{self._url}: an answer that is not OpenSync's.",
                "Is the URL another site's, or a network's login page in between?",
            )
        except requests.exceptions.SSLError:
            failure = CertificateError(
                f"{self._url}: its certificate is not trusted.",
                "Behind a company proxy, name its certificates in REQUESTS_CA_BUNDLE.",
            )
        except requests.exceptions.RequestException as error:
            failure = UnreachableError(
                f"{self._url}: cannot be reached ({why(error)}).",
                "Check the network, then the URL.",
            )
        except OSError:
            failure = CertificateError(
                f"{self._url}: the file of trusted certificates cannot be read.",
                f"Correct {', '.join(CERTIFICATES[:-1])} or {CERTIFICATES[-1]}.",
            )
        raise failure  # only now: an exception in its context would hold the request, and the key


class _TooMuchError(Exception):
    pass


def _whole(response: requests.Response) -> requests.Response:
    """The answer with its body, which some other site may send without an end."""
    content = bytearray()
    for piece in response.iter_content(1 << 16):
        content += piece
        if len(content) > LONGEST_ANSWER:
            response.close()
            raise _TooMuchError
    response._content = bytes(content)  # noqa: SLF001 - where requests itself keeps it
    return response


def _connected(key: _Key, url: str) -> requests.Session:
    """A session of HTTP; it makes its connection with the first request, and keeps it."""
    http = requests.Session()
    http.auth = key
    # What goes to this machine never goes to a proxy, which would read it: it is not encrypted.
    http.trust_env = urlsplit(url).hostname not in LOOPBACK
    known = (os.environ.get(name) for name in CERTIFICATES)
    http.verify = next(filter(None, known), True)
    http.headers["User-Agent"] = f"opensync-hooks/{__version__}"
    http.headers["Content-Type"] = "application/json"
    return http


def _shifted(body: Json) -> Json:
    parts = [dict(part) for part in body.get("parts", ())]
    for part in parts:
        if part["type"] == "text":
            part["content"] = " " + part["content"]
            break
    return {**body, "parts": parts}
