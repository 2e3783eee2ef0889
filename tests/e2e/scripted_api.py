"""An HTTP server on loopback that plays a script; what it speaks is its handler's business."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.script import Script


class _Api(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Script, handler: type[ScriptedHandler]) -> None:
        self.script = script
        self.numbers = itertools.count(1)
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent that is interrupted hangs up in the middle: nothing to report."""


class ScriptedHandler(BaseHTTPRequestHandler):
    """Reads requests and writes answers; `respond` chooses them."""

    server: _Api

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer(200, {})

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def do_POST(self) -> None:
        self.respond(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}"))

    def respond(self, request: dict[str, Any]) -> None:
        raise NotImplementedError

    def answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("request-id", f"req_{next(self.server.numbers):06}")
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def send(self, event: str) -> None:
        """One event of the stream, at once."""
        self.wfile.write(f"{event}\n\n".encode())
        self.wfile.flush()


@contextmanager
def serving(script: Script, handler: type[ScriptedHandler]) -> Iterator[str]:
    """The URL under which the model answers."""
    api = _Api(script, handler)
    thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{api.server_port}"
    finally:
        api.shutdown()
        api.server_close()
        thread.join()
