"""One connection of the embedded server: HTTP with limits, and who may ask at all.

Whoever can reach the port is a stranger until the key is there: other users of this machine, and
any web page that its user looks at. A stranger costs a few kilobytes and seconds.
"""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.access import Access
from opensync_hooks.server.pages import visit
from opensync_hooks.server.routes import Answer, Request, answer, refusal

LONGEST_BODY = 20 * 1024 * 1024
LONGEST_HEAD = 64 * 1024
"""Bytes of a request's first line and its headers; a hundred headers at most."""
REQUEST_S = 30.0
"""For a whole request to come in, however it trickles."""
IDLE_S = 60.0
"""Between the requests of one who has shown the key; a quarter of it for any other."""
_LONGEST_DRAIN = 8 * LONGEST_BODY
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
SAFE = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""With every answer: should a browser ever show one, then as text, and to nobody's page."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one request in a test, instead of its true answer.

    `answer`: given back in its place; without one the connection breaks without a word.
    `stored`: the store has seen the request before that.
    """

    answer: Answer | None = None
    stored: bool = False


OnRequest = Callable[[str, str, bytes], Fault | None]
"""Sees method, path with its query, and body of each request for no page; None lets it pass.

Of a request without the key the body is empty: it is not kept.
"""


class House(Protocol):
    """What a connection needs of the server that it belongs to."""

    store: Store
    key: str
    access: Access
    on_request: OnRequest | None


class _TooLongError(Exception):
    pass


class _Incoming(io.RawIOBase):
    """The bytes of a socket, up to a moment and a number that are set for each request."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._end = 0.0
        self._left = 0

    def allow(self, count: int, seconds: float) -> None:
        self._left = count
        self._end = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self._left <= 0:
            raise _TooLongError
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


class Connection(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True  # head and body are two packets: the second would wait 40 ms

    def setup(self) -> None:
        super().setup()
        self._incoming = _Incoming(self.connection)
        self.rfile: Any = io.BufferedReader(self._incoming, 1 << 16)
        self._is_known = False

    def __getattr__(self, name: str) -> Any:
        """Every method is answered, most of them with 404, as the real server does."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def handle_one_request(self) -> None:
        """One request, whose head and body have each their time and size."""
        self._incoming.allow(1, self.timeout if self._is_known else self.timeout / 4)
        try:
            first = self.rfile.peek(1)  # the time of a request begins with its first byte
            if not first:
                self.close_connection = True
                return
            self._incoming.allow(LONGEST_HEAD, min(REQUEST_S, self.timeout))
            super().handle_one_request()
        except TimeoutError:
            self.close_connection = True
        except _TooLongError:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _handle(self) -> None:
        if not self._is_local():
            self.close_connection = True
            self._send(Answer(403, b"Only for this machine", _PLAIN))
            return
        asked = self._request()
        cookies = ";".join(self.headers.get_all("Cookie") or ())
        page = visit(self.server.store, self.server.access, asked, cookies)
        if page:
            self._show(page)
        else:
            self._route(asked)

    def _show(self, page: Answer) -> None:
        """Who has the cookie is as well known as who has the key; no page has use for a body."""
        self._is_known = page.status in {HTTPStatus.OK, HTTPStatus.SEE_OTHER}
        if self._body(keep=False) is not None:
            self._send(page)

    def _route(self, asked: Request) -> None:
        key = self.server.key
        self._is_known = not refusal(key, asked.method, asked.path, asked.authorization)
        body = self._body(keep=self._is_known)
        if body is None:
            return
        given = self._answer(replace(asked, body=body))
        if given is None:
            self.close_connection = True
        else:
            self._send(given)

    def _answer(self, request: Request) -> Answer | None:
        house: House = self.server
        hook = house.on_request
        fault = hook(self.command, self.path, request.body) if hook else None
        given = None
        if fault is None or fault.stored:
            given = answer(house.store, house.key, request)
        return given if fault is None else fault.answer

    def _is_local(self) -> bool:
        """A web page can point a name of its own at 127.0.0.1; the Host header tells.

        One that asks for 127.0.0.1 itself names its own place as the Origin.
        """
        hosts = self.headers.get_all("Host") or []
        origin = (self.headers.get("Origin") or "http://localhost").strip()
        return (
            len(hosts) == 1
            and _LOOPBACK.fullmatch(hosts[0].strip()) is not None
            and _LOOPBACK.fullmatch(origin.removeprefix("http://")) is not None
        )

    def _request(self) -> Request:
        """All of it but the body."""
        authorization = (self.headers.get("Authorization") or "").strip()
        path, _, query = self.path.partition("?")
        asked = dict(reversed(parse_qsl(query, keep_blank_values=True)))  # the first one counts
        return Request(self.command, path, asked, authorization)

    def _body(self, *, keep: bool) -> bytes | None:
        """The whole body, or None when there is none to be had and the request is over."""
        lengths = self.headers.get_all("Content-Length") or ["0"]
        length = lengths[0].strip()
        is_unclear = len(lengths) > 1 or not re.fullmatch("[0-9]{1,15}", length)
        if self.headers.get("Transfer-Encoding") or is_unclear:
            # The end of such a body is unknown: what follows would be read as a request.
            self.close_connection = True
            self._send(Answer(411, b"Length Required", _PLAIN))
            return None
        count = int(length)
        self._incoming.allow(min(count, _LONGEST_DRAIN), min(REQUEST_S, self.timeout))
        if count > LONGEST_BODY or not keep:
            self._drain(count)
        if count > LONGEST_BODY:
            self.close_connection = True
            self._send(Answer(413, b"Body too large", _PLAIN))
            return None
        body: bytes = self.rfile.read(count) if keep and count else b""
        if keep and len(body) < count:  # the client is gone
            self.close_connection = True
            return None
        return body

    def _drain(self, length: int) -> None:
        """An answer sent to who still writes is lost when the connection closes."""
        left = min(length, _LONGEST_DRAIN)
        while left > 0 and (piece := self.rfile.read(min(left, 1 << 16))):
            left -= len(piece)

    def _send(self, given: Answer) -> None:
        self.connection.settimeout(self.timeout)
        self.send_response(given.status)
        for name, value in {**SAFE, **given.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(given.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(given.body)

    def send_error(self, code: int, *_: Any) -> None:
        """Without a word of what was sent, which the library would repeat."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or ""
        self.request_version = self.protocol_version  # of a request that could not be read
        self.requestline = ""
        self._send(Answer(int(code), HTTPStatus(code).phrase.encode(), _PLAIN))

    def version_string(self) -> str:
        return "opensync-hooks"

    def log_message(self, *_: Any) -> None:
        pass
