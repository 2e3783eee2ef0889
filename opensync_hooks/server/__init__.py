"""The store over HTTP: OpenSync's protocol for programs on this machine, and pages for its user.

Listens on 127.0.0.1 and nowhere else. Writes no log: bodies are conversations, a header is the key.
"""

from __future__ import annotations

import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any, Self

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import UsageError
from opensync_hooks.server.access import Access
from opensync_hooks.server.connection import Connection, Fault, OnRequest

__all__ = ["HOST", "Fault", "OnRequest", "Server"]

HOST = "127.0.0.1"
MOST_CONNECTIONS = 64
_LEAVE_S = 5
_KEY = re.compile(r"osk_[A-Za-z0-9_-]{32}")


class Server:
    """Listens once it is made, and answers from `start` or `serve_forever` on.

    Leaves the store open: who opened it closes it.
    """

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

    @property
    def entrance(self) -> str:
        """The address that opens the pages in one browser, once; another one takes its place."""
        return self.url + self._listener.access.entrance

    def on_entry(self, tell: Callable[[], None]) -> None:
        """Have it called whenever somebody came in, from a thread of the server."""
        self._listener.access.on_entry = tell

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
        super().__init__((HOST, port), Connection)
        self.access = Access(self.server_port)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer asks the name service who we are
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            is_full = len(self._open) >= MOST_CONNECTIONS
            self._open.add(request)
        if is_full:  # a thread and a buffer each: without a bound, anybody could have all memory
            self.shutdown_request(request)
        else:
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
