"""OpenSync over HTTP: three calls and one retry policy; the server's traps stay in here.

A 500 of this server is often permanent, a 401 sometimes passing, a 200 sometimes a failure: the
text decides. No answer is shown whole, for a refusal may echo what was sent.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Self

import requests

from opensync_hooks import __version__
from opensync_hooks.destination import BatchReply, Json
from opensync_hooks.errors import (
    CertificateError,
    KeyRefusedError,
    OpenSyncError,
    RejectedError,
    UnclearError,
    UnreachableError,
    WrongAddressError,
)

TRIES = 3
TIMEOUT = (5.0, 20.0)
LONGEST_WAIT = 60.0
_FIRST_WAIT = 0.5
_WINDOW_MS = 5_000
_MARGIN_MS = 500
_PASSING_STATUS = frozenset({408, 425, 429, 502, 503, 504})
_PASSING_TEXT = (
    "changed while this mutation",
    "Too many concurrent",
    "Try again later",
    "couldn't be completed",
    "timed out",
    "API key validation failed",
)
_PERMANENT_TEXT = (
    "ArgumentValidationError",
    "Invalid arguments",
    "Field name",
    "too large",
    "too nested",
    "too long",
    "too many",
    "Too many",
    "SyntaxError",
    "TypeError",
    "lone leading surrogate",
)
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
        self._http = requests.Session()
        self._http.auth = _Key(api_key)
        self._http.headers.update(
            {"User-Agent": f"opensync-hooks/{__version__}", "Content-Type": "application/json"}
        )

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
            said = str(errors[0])[:160]
            passing = any(known in said for known in _PASSING_TEXT)
            raise (UnreachableError if passing else RejectedError)(f"{self._url}: {said}")
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
                return _judge(self._url, response)
            except UnreachableError as error:
                wait = error.retry_after
                if tries == TRIES - 1 or (wait is not None and wait > LONGEST_WAIT):
                    raise
                backoff = _FIRST_WAIT * 2**tries * random.uniform(0.8, 1.2)  # noqa: S311
                self._sleep(backoff if wait is None else wait)
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, body: Json | None) -> requests.Response:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        try:
            return self._http.request(
                method, self._url + path, data=data, timeout=TIMEOUT, allow_redirects=False
            )
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


def _judge(url: str, response: requests.Response) -> Json:
    """The answer's JSON object, or the error that the answer stands for."""
    status = response.status_code
    if status == 200:
        return _object(url, response)
    text = _error_text(response)
    if status in _PASSING_STATUS or any(known in text for known in _PASSING_TEXT):
        wait = _retry_after(response.headers.get("Retry-After"))
        raise UnreachableError(f"{url}: answers {status} for now. {text}", retry_after=wait)
    raise _final(url, status, text)


def _final(url: str, status: int, text: str) -> OpenSyncError:
    if status in (401, 403):
        return KeyRefusedError(
            f"{url}: the key is refused. {text}",
            "Copy it from OpenSync's settings page and run `opensync-hooks login`.",
        )
    if 300 <= status < 400:
        return WrongAddressError(
            f"{url}: redirects elsewhere, where the key must not follow.", "Check the URL."
        )
    if status in (404, 405):
        return WrongAddressError(f"{url}: no OpenSync answers there.", "Check the URL.")
    if status in (400, 413, 422) or any(known in text for known in _PERMANENT_TEXT):
        return RejectedError(f"{url}: refused ({status}). {text}")
    return UnclearError(f"{url}: answers {status} for now. {text}")


def _object(url: str, response: requests.Response) -> Json:
    try:
        value = response.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UnreachableError(
            f"{url}: an answer that is not OpenSync's.",
            "Is the URL another site's, or a network's login page in between?",
        )
    return value


def _error_text(response: requests.Response) -> str:
    """The first words of what the server says; enough to class it, too little to leak."""
    try:
        value = response.json()
    except ValueError:
        return ""
    said = (value.get("error") or value.get("message")) if isinstance(value, dict) else None
    first_line = said.strip().split("\n", 1)[0] if isinstance(said, str) and said.strip() else ""
    return first_line.split("Object:", 1)[0][:160].strip()


def _retry_after(value: str | None) -> float | None:
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _shifted(body: Json) -> Json:
    parts = [dict(part) for part in body.get("parts", ())]
    for part in parts:
        if part["type"] == "text":
            part["content"] = " " + part["content"]
            break
    return {**body, "parts": parts}
