"""HTTP requests to one OpenSync deployment, each retried a few times."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

from opensync_hooks import __version__
from opensync_hooks.config.urls import LOOPBACK
from opensync_hooks.destinations.opensync.deadline import DeadlineError, DeadlineThread
from opensync_hooks.destinations.opensync.network_errors import (
    NetworkError,
    NetworkErrorKind,
    network_error,
)
from opensync_hooks.destinations.opensync.responses import (
    ForeignResponseError,
    RateLimitError,
    parse_response,
)
from opensync_hooks.destinations.opensync.tls import LenientAdapter, tls_error
from opensync_hooks.errors import CertificateError, OpenSyncError, UnreachableError
from opensync_hooks.model import Json

MAX_ATTEMPTS = 3
FIRST_RETRY_WAIT_S = 0.5
MAX_RETRY_WAIT_S = 60.0
"""A server that asks for a longer wait is left to a later worker."""
MAX_LIMITED_S = 300.0
"""How long one request waits in all for a server that counts requests per minute."""
_MIN_LIMIT_WAIT_S = 1.0
SOCKET_TIMEOUTS_S = (5.0, 20.0)
"""The time to connect, and the time between two pieces of a response."""
REQUEST_DEADLINE_S = 30.0
"""The limit for a whole request, to which its bytes add their time at MIN_BYTES_PER_S."""
MIN_BYTES_PER_S = 32_768
MAX_RESPONSE_BYTES = 64 << 20
CA_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables with the file of trusted certificate authorities; the first one set counts."""


class Transport:
    """One kept-alive connection. Not thread-safe."""

    def __init__(self, url: str, api_key: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url = url
        self.key = api_key
        self._sleep = sleep
        self._auth = _KeyAuth(api_key)
        self._http = _http_session(self._auth, url)
        self._thread = DeadlineThread()
        self._requests: dict[tuple[str, str], _PreparedRequest] = {}

    def close(self) -> None:
        self._http.close()
        self._thread.close()

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a request and return its response's JSON object.

        Raises UnreachableError, KeyRefusedError, UnusableDestinationError or RejectedError.
        """
        attempt, limited_s = 1, 0.0
        while True:
            try:
                return parse_response(self.url, self._send(method, path, body), self.key)
            except RateLimitError as error:
                pause_s = max(_MIN_LIMIT_WAIT_S, error.retry_after or 0)
                limited_s += pause_s
                if pause_s > MAX_RETRY_WAIT_S or limited_s > MAX_LIMITED_S:
                    raise
                self._sleep(pause_s * random.uniform(1, 1.1))  # noqa: S311 - as below
                continue
            except UnreachableError as error:
                wait_s = error.retry_after
                if wait_s is None:
                    # Jitter: machines that failed together must not come back together.
                    jitter = random.uniform(0.8, 1.2)  # noqa: S311
                    wait_s = FIRST_RETRY_WAIT_S * 2 ** (attempt - 1) * jitter
                if attempt == MAX_ATTEMPTS or wait_s > MAX_RETRY_WAIT_S:
                    raise
            self._sleep(wait_s)
            attempt += 1

    def _send(self, method: str, path: str, body: Json | None) -> requests.Response:
        # Unescaped, or a Chinese text would take twice the bytes that a request has for it.
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        http = self._http

        def exchange() -> requests.Response:
            prepared = self._prepared(method, path)
            request = prepared.request.copy()
            request.prepare_body(data, None)
            response = http.send(  # no redirects: the key must not follow
                request, **prepared.settings, timeout=SOCKET_TIMEOUTS_S, allow_redirects=False
            )
            _read_body(response)
            return response

        deadline_s = REQUEST_DEADLINE_S + len(data or b"") / MIN_BYTES_PER_S
        failure: OpenSyncError
        try:
            return self._thread.run_within(deadline_s, exchange)
        except DeadlineError:
            self._http = _http_session(self._auth, self.url)  # the old one is still busy
            failure = NetworkError(self.url, NetworkErrorKind.TOO_SLOW)
        except _TooLargeError:
            failure = ForeignResponseError(self.url)
        except requests.exceptions.SSLError as error:
            failure = tls_error(self.url, error)
        except requests.exceptions.RequestException as error:
            failure = network_error(self.url, error)
        except OSError:
            failure = CertificateError(
                f"{self.url}: the file of trusted certificates cannot be read.",
                f"Check {', '.join(CA_BUNDLE_VARIABLES[:-1])} or {CA_BUNDLE_VARIABLES[-1]}.",
            )
        self._requests.clear()  # the network's settings may have changed
        raise failure  # outside of `except`: the context of an error would hold the key

    def _prepared(self, method: str, path: str) -> _PreparedRequest:
        """Return a request without its body: a third of the time is spent on preparing it."""
        prepared = self._requests.get((method, path))
        if prepared is None:
            request = requests.Request(method, self.url + path)
            prepared = _PreparedRequest(
                self._http.prepare_request(request),
                self._http.merge_environment_settings(request.url, {}, True, None, None),
            )
            if method == "POST":  # what is read has a path of its own each time
                self._requests[method, path] = prepared
        return prepared


class _PreparedRequest(NamedTuple):
    request: requests.PreparedRequest
    settings: Mapping[str, Any]
    """Proxies and certificates, as `requests` has found them in the environment."""


class _KeyAuth(requests.auth.AuthBase):
    """Sends the key. As a plain header, an entry in ~/.netrc would replace it."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request


class _TooLargeError(Exception):
    pass


def _read_body(response: requests.Response) -> None:
    """Read the body within MAX_RESPONSE_BYTES; another site may send one without end."""
    content = bytearray()
    for piece in response.iter_content(1 << 16):
        content += piece
        if len(content) > MAX_RESPONSE_BYTES:
            response.close()
            raise _TooLargeError
    response._content = bytes(content)  # noqa: SLF001 - where requests itself keeps it


def _http_session(auth: _KeyAuth, url: str) -> requests.Session:
    http = requests.Session()
    http.auth = auth
    # Requests to this machine are not encrypted, and a proxy could read them.
    http.trust_env = urlsplit(url).hostname not in LOOPBACK
    ca_bundles = (os.environ.get(name) for name in CA_BUNDLE_VARIABLES)
    http.verify = next(filter(None, ca_bundles), True)
    if http.verify is not True:
        http.mount("https://", LenientAdapter())
    http.headers["User-Agent"] = f"opensync-hooks/{__version__}"
    http.headers["Content-Type"] = "application/json"
    return http
