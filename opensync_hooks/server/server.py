"""The HTTP server over the embedded store, on 127.0.0.1 only.

Writes no log: request bodies are conversations, and a header holds the key.
"""

import re
import socket
import socketserver
import sys
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any, Self

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import UsageError
from opensync_hooks.server.access import Access
from opensync_hooks.server.connection import Connection

HOST = "127.0.0.1"
MAX_CONNECTIONS = 64
CLOSE_TIMEOUT_S = 5
_KEY = re.compile(r"osk_[A-Za-z0-9_-]{32}")


class Server(ThreadingHTTPServer):
    """Listens as soon as it is created, and answers from `start` or `serve_forever` on.

    Does not close the store. Raises UsageError for a malformed key or an unusable port.
    """

    connection_class: type[Connection] = Connection
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, store: Store, key: str, port: int = 0) -> None:
        if not _KEY.fullmatch(key):
            raise UsageError("Not an OpenSync API key: osk_ and 32 letters or digits expected.")
        self.store = store
        self.key = key
        self._connections: dict[socket.socket, bool] = {}
        """The open ones, the oldest first; True for those of a user who has shown the key."""
        self._connections_changed = threading.Condition()
        self._is_serving = False
        try:
            super().__init__((HOST, port), self.connection_class)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"{HOST}:{port}: cannot listen there ({error}).",
                "Choose another port, or 0 for any free one.",
            ) from error
        self.access = Access(self.server_port)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    @property
    def login_url(self) -> str:
        """The link that opens the pages in one browser; once used, a new one replaces it."""
        return self.url + self.access.login_path

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """Serve from a background thread."""
        self._is_serving = True
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def serve_forever(self, poll_interval: float = 0.1) -> None:
        """Serve until `close` is called from another thread, or until Ctrl-C."""
        self._is_serving = True
        super().serve_forever(poll_interval)

    def close(self) -> None:
        """End every connection; a request that is being stored is completed first."""
        if self._is_serving:  # shutdown() would wait forever for a loop that never began
            self.shutdown()
        self.server_close()
        with self._connections_changed:
            for connection in self._connections:
                # A kept-alive connection would otherwise wait for its next request.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
            self._connections_changed.wait_for(lambda: not self._connections, CLOSE_TIMEOUT_S)

    # ---- called by the standard library ----------------------------------------------------------

    def server_bind(self) -> None:
        # HTTPServer.server_bind would ask the name service for our host name, which can hang.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def trust(self, request: socket.socket) -> None:
        """Keep the connection when there are too many: its user has shown the key."""
        with self._connections_changed:
            if request in self._connections:
                self._connections[request] = True

    def _make_room(self) -> bool:
        """End the oldest stranger's connection if there are too many; return whether that helps."""
        if len(self._connections) < MAX_CONNECTIONS:
            return True
        stranger = next(
            (request for request, trusted in self._connections.items() if not trusted), None
        )
        if stranger is None:
            return False
        del self._connections[stranger]
        with suppress(OSError):
            stranger.shutdown(socket.SHUT_RDWR)  # its thread then ends by itself
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_changed:
            is_full = not self._make_room()
            self._connections[request] = False
        if is_full:  # each costs a thread and a buffer: unbounded, strangers could use all memory
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._connections_changed:
            self._connections.pop(request, None)
            self._connections_changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that hung up is not an error
            super().handle_error(request, client_address)
