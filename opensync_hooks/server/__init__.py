"""The store over HTTP, for programs on this machine that speak OpenSync's protocol.

Listens on 127.0.0.1 and nowhere else. Writes no log: bodies are conversations, a header is the key.
"""

from __future__ import annotations

import re
import secrets
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl

from opensync_hooks.errors import UsageError
from opensync_hooks.server.routes import Answer, Request, answer
from opensync_hooks.store import Store

HOST = "127.0.0.1"
LONGEST_BODY = 20 * 1024 * 1024
_LONGEST_DRAIN = 8 * LONGEST_BODY
_IDLE_S = 60
_LEAVE_S = 5
_KEY = re.compile(r"osk_[A-Za-z0-9_-]{32}")
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one request in a test, instead of its true answer.

    `answer`: given back in its place; without one the connection breaks without a word.
    `stored`: the store has seen the request before that.
    """

    answer: Answer | None = None
    stored: bool = False


OnRequest = Callable[[str, str, bytes], Fault | None]
"""Sees method, path with its query, and body of each request; None lets it pass."""


def new_key() -> str:
    """A key of the form that OpenSync's settings page gives out."""
    return "osk_" + secrets.token_urlsafe(24)


def serve(store: Store, key: str, port: int = 0, on_request: OnRequest | None = None) -> Server:
    """A server that listens already; it answers from `start` or `serve_forever` on."""
    return Server(store, key, port, on_request)


class Server:
    """Leaves the store open: who opened it closes it."""

    def __init__(
        self, store: Store, key: str, port: int = 0, on_request: OnRequest | None = None
    ) -> None:
        if not _KEY.fullmatch(key):
            raise UsageError("The key is not one of OpenSync's: osk_ and 32 letters or digits.")
        try:
            self._listener = _Listener(port, store, key, on_request)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"{HOST}:{port}: cannot listen there ({error}).", "Give another port, or 0 for any."
            ) from error
        self._served = False

    @property
    def port(self) -> int:
        return self._listener.server_port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def serve_forever(self) -> None:
        """Answers until `close` is called from another thread, or the user interrupts."""
        self._served = True
        self._listener.serve_forever(poll_interval=0.1)

    def start(self) -> Self:
        """Answers from a thread of its own."""
        self._served = True
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def close(self) -> None:
        """Ends every connection; a request that is being stored is finished first."""
        if self._served:  # shutdown() would wait for ever for a loop that never began
            self._listener.shutdown()
        self._listener.server_close()
        self._listener.leave()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, store: Store, key: str, on_request: OnRequest | None) -> None:
        self.store = store
        self.key = key
        self.on_request = on_request
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__((HOST, port), _Connection)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer asks the name service who we are
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def leave(self) -> None:
        """Ends the kept-alive connections, which would else wait for their next request."""
        with self._changed:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._open, _LEAVE_S)


class _Connection(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    disable_nagle_algorithm = True  # head and body are two packets: the second would wait 40 ms
    error_message_format = "%(message)s\n"
    error_content_type = "text/plain"

    def __getattr__(self, name: str) -> Any:
        """Every method is answered, most of them with 404, as the real server does."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        body = self._body()
        if body is None:
            return
        if not self._is_local():
            self._send(Answer(403, b"Only for this machine", {"Content-Type": "text/plain"}))
            return
        given = self._answer(body)
        if given is None:
            self.close_connection = True
        else:
            self._send(given)

    def _answer(self, body: bytes) -> Answer | None:
        hook = self.server.on_request
        fault = hook(self.command, self.path, body) if hook else None
        given = None
        if fault is None or fault.stored:
            given = answer(self.server.store, self.server.key, self._request(body))
        return given if fault is None else fault.answer

    def _is_local(self) -> bool:
        """A web page can point a name of its own at 127.0.0.1; the Host header tells."""
        hosts = self.headers.get_all("Host") or []
        return len(hosts) == 1 and _LOOPBACK.fullmatch(hosts[0].strip()) is not None

    def _request(self, body: bytes) -> Request:
        path, _, query = self.path.partition("?")
        authorization = (self.headers.get("Authorization") or "").strip()
        asked = dict(reversed(parse_qsl(query, keep_blank_values=True)))  # the first one counts
        return Request(self.command, path, asked, authorization, body)

    def _body(self) -> bytes | None:
        """The whole body, or None when there is none to be had and the request is over."""
        length = self.headers.get("Content-Length", "0").strip()
        if self.headers.get("Transfer-Encoding") or not re.fullmatch("[0-9]{1,15}", length):
            # The end of such a body is unknown: what follows would be read as a request.
            self.close_connection = True
            self._send(Answer(411, b"Length Required"))
            return None
        if int(length) > LONGEST_BODY:
            self.close_connection = True
            self._drain(int(length))
            self._send(Answer(413, b"Body too large"))
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # the client is gone
            self.close_connection = True
            return None
        return body

    def _drain(self, length: int) -> None:
        """An answer sent to who still writes is lost when the connection closes."""
        left = min(length, _LONGEST_DRAIN)
        while left > 0 and (piece := self.rfile.read(min(left, 1 << 16))):
            left -= len(piece)

    def _send(self, given: Answer) -> None:
        self.send_response(given.status)
        for name, value in given.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(given.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(given.body)

    def version_string(self) -> str:
        return "opensync-hooks"

    def log_message(self, *_: Any) -> None:
        pass
