"""One connection of the embedded server: HTTP with limits, and a check of where it comes from.

Anyone who can reach the port is a stranger until they show the key: other users of this machine,
and any web page that its user visits. A stranger can cost a few kilobytes and seconds, no more.
"""

import io
import re
import socket
import time
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.access import Access
from opensync_hooks.server.pages import respond_with_page
from opensync_hooks.server.routes import Request, Response, key_error, respond

MAX_BODY_BYTES = 20 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
"""The limit for the request line and all headers together."""
REQUEST_TIMEOUT_S = 30.0
"""The limit for a whole request to arrive, however it trickles."""
IDLE_TIMEOUT_S = 60.0
"""The limit between two requests of a client with the key; others have a quarter of it."""
_MAX_DRAIN_BYTES = 8 * MAX_BODY_BYTES
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Sent with every response, so that a browser runs nothing of it and shows it to no other site."""


class ServerContext(Protocol):
    """What a connection needs from its server."""

    store: Store
    key: str
    access: Access

    def trust(self, request: socket.socket) -> None:
        """Hear that the connection's user has shown the key."""
        ...


class _TooLongError(Exception):
    """More bytes arrived than were allowed."""


class _LimitedReader(io.RawIOBase):
    """Reads from a socket until the byte count or the deadline set by `allow` is reached.

    The socket's own timeout restarts with every byte, so a client that sends one byte a second
    could hold a connection forever.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline = 0.0
        self._remaining = 0

    def allow(self, count: int, seconds: float) -> None:
        """Set the limits for what is read next; _TooLongError and TimeoutError end it."""
        self._remaining = count
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self._remaining <= 0:
            raise _TooLongError
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(memoryview(buffer)[: self._remaining])
        self._remaining -= count
        return count


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_S
    disable_nagle_algorithm = True  # head and body are two packets: the second would wait 40 ms

    def setup(self) -> None:
        super().setup()
        self.context: ServerContext = self.server  # type: ignore[assignment]
        self._limits = _LimitedReader(self.connection)
        self.rfile = self._reader = io.BufferedReader(self._limits, 1 << 16)
        self._is_trusted = False

    def __getattr__(self, name: str) -> Any:
        """Handle every method: the real server answers 404 to those it does not know."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def handle_one_request(self) -> None:
        """Read and answer one request, with limits on its head and its body."""
        self._limits.allow(1, self.timeout if self._is_trusted else self.timeout / 4)
        try:
            if not self._reader.peek(1):  # the clock of a request starts with its first byte
                self.close_connection = True
                return
            self._limits.allow(MAX_HEAD_BYTES, min(REQUEST_TIMEOUT_S, self.timeout))
            super().handle_one_request()
        except TimeoutError:
            self.close_connection = True
        except _TooLongError:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def respond(self, request: Request) -> Response:
        """Answer a request that is not for a page."""
        return respond(self.context.store, self.context.key, request)

    def _handle(self) -> None:
        if not self._is_local():
            self.close_connection = True
            self._send(Response(403, b"Only requests from this machine are answered", _PLAIN))
            return
        context, request = self.context, self._request()
        cookies = ";".join(self.headers.get_all("Cookie") or ())
        page = respond_with_page(context.store, context.access, request, cookies)
        if page:
            # The cookie proves as much as the key does.
            self._is_trusted = page.status in {HTTPStatus.OK, HTTPStatus.SEE_OTHER}
            if self._is_trusted:
                context.trust(self.connection)
            if self._read_body(keep=False) is not None:
                self._send(page)
            return
        self._is_trusted = not key_error(context.key, request)
        if self._is_trusted:
            context.trust(self.connection)
        body = self._read_body(keep=self._is_trusted)
        if body is not None:
            self._send(self.respond(replace(request, body=body)))

    def _is_local(self) -> bool:
        """Whether the request is addressed to this machine, and not sent by a foreign web page.

        A web page can point a host name of its own at 127.0.0.1, which shows in the Host header;
        one that requests 127.0.0.1 directly is named in the Origin header.
        """
        hosts = self.headers.get_all("Host") or []
        origin = (self.headers.get("Origin") or "http://localhost").strip()
        return (
            len(hosts) == 1
            and _LOOPBACK.fullmatch(hosts[0].strip()) is not None
            and _LOOPBACK.fullmatch(origin.removeprefix("http://")) is not None
        )

    def _request(self) -> Request:
        """The request without its body."""
        authorization = (self.headers.get("Authorization") or "").strip()
        path, _, query = self.path.partition("?")
        fields = dict(reversed(parse_qsl(query, keep_blank_values=True)))  # the first one counts
        return Request(self.command, path, fields, authorization)

    def _read_body(self, *, keep: bool) -> bytes | None:
        """The body, empty unless it is to be kept; None if the request is over without one."""
        lengths = self.headers.get_all("Content-Length") or ["0"]
        length = lengths[0].strip()
        is_unclear = len(lengths) > 1 or not re.fullmatch("[0-9]{1,15}", length)
        if self.headers.get("Transfer-Encoding") or is_unclear:
            # The body's end is unknown: what follows would be read as a request (smuggling).
            self.close_connection = True
            self._send(Response(411, b"Length Required", _PLAIN))
            return None
        count = int(length)
        self._limits.allow(min(count, _MAX_DRAIN_BYTES), min(REQUEST_TIMEOUT_S, self.timeout))
        if count > MAX_BODY_BYTES or not keep:
            self._drain(count)
        if count > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(Response(413, b"Body too large", _PLAIN))
            return None
        body = self._reader.read(count) if keep and count else b""
        if keep and len(body) < count:  # the client has hung up
            self.close_connection = True
            return None
        return body

    def _drain(self, count: int) -> None:
        """Read and discard: a response sent to a client that still writes would be lost."""
        remaining = min(count, _MAX_DRAIN_BYTES)
        while remaining > 0 and (piece := self._reader.read(min(remaining, 1 << 16))):
            remaining -= len(piece)

    def _send(self, response: Response) -> None:
        self.connection.settimeout(self.timeout)
        self.send_response(response.status)
        for name, value in {**SECURITY_HEADERS, **response.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def send_error(self, code: int, *_: Any) -> None:
        """Answer with the bare status; the library's own text would repeat what was sent."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or ""
        self.request_version = self.protocol_version  # unset if the request could not be parsed
        self.requestline = ""
        self._send(Response(int(code), HTTPStatus(code).phrase.encode(), _PLAIN))

    def version_string(self) -> str:
        return "opensync-hooks"

    def log_message(self, *_: Any) -> None:
        pass
