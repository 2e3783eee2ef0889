"""The front end of a deployment, which may answer requests badly or not at all.

It is a plain socket server: an HTTP library is too well-behaved for most faults.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qsl

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.routes import Request as Asked
from opensync_hooks.server.routes import Response, respond
from tests.faults.clock import CLOCK
from tests.faults.plan import Board, Fault, Manner, Plan, Request

RECORD = "/-/record"
_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Front:
    """A socket server that reads requests and answers them as planned."""

    listener: socket.socket
    store: Store
    key: str
    plan: Plan
    board: Board
    paths: list[str] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    overlaps: int = 0
    _connections: int = 0
    _working: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        first = raw.recv(1, socket.MSG_PEEK) if self.plan.secure else b""
        asks_us = first == b"G"  # the trial's own requests come without TLS
        with self._lock:
            number = self._connections
            self._connections += not asks_us
        greeting = "good" if asks_us else self.plan.connection(number)
        connection = raw
        with suppress(OSError, ValueError):
            if greeting == "reset":
                reset(raw)
                return
            if self.plan.secure and not asks_us:
                connection = self.plan.secure[greeting].wrap_socket(raw, server_side=True)
            with connection, connection.makefile("rb") as file:
                while self._keep_alive(connection, file):
                    pass

    def _keep_alive(self, connection: socket.socket, file: BinaryIO) -> bool:
        """Serve one request; return whether the connection stays open."""
        head = _head(file)
        if head is None:
            return False
        method, path, headers = head
        if path == RECORD:
            connection.sendall(_response(self._recorded(), keeps_alive=False))
            return False
        with self._lock:
            request = Request(len(self.paths), method, path, b"")
            self.paths.append(path)
        length = int(headers.get("content-length", "0"))
        if isinstance(self.plan.request(request), Fault) and self._breaks_early(request):
            file.read(min(length, 20))
            reset(connection)
            return False
        request = Request(request.number, method, path, file.read(length))
        return self._answer(connection, request, headers.get("authorization", ""))

    def _breaks_early(self, request: Request) -> bool:
        fault = self.plan.request(request)
        return fault is not None and fault.manner == "nothing" and fault.answer is not None

    def _answer(self, connection: socket.socket, request: Request, authorization: str) -> bool:
        fault = self.plan.request(request)
        truth = None
        if fault is None or fault.stored:
            truth = self._truth(request, authorization)
        keeps_alive = self.plan.keeps_alive
        if fault is None and truth is not None:
            connection.sendall(_response(truth, keeps_alive=keeps_alive))
            return keeps_alive
        response = (fault.answer if fault else None) or truth or Response(500, b"")
        return _misbehave(connection, response, fault.manner if fault else "nothing", self.board)

    def _truth(self, request: Request, authorization: str) -> Response:
        session = ""
        if request.path == "/sync/message":
            body = request.json()
            session = str(body.get("sessionExternalId"))
        with self._lock:
            self.messages[request.message_id] += bool(request.message_id)
            self.overlaps += bool(session and self._working[session])
            self._working[session] += 1
        try:
            path, _, query = request.path.partition("?")
            fields = dict(parse_qsl(query))
            request_record = Asked(request.method, path, fields, authorization, request.body)
            return respond(self.store, self.key, request_record)
        finally:
            with self._lock:
                self._working[session] -= 1

    def _recorded(self) -> Response:
        with self._lock:
            report = {
                "paths": self.paths,
                "messages": self.messages,
                "overlaps": self.overlaps,
            }
            return Response(200, json.dumps(report).encode())


def _misbehave(connection: socket.socket, response: Response, manner: Manner, board: Board) -> bool:
    content = _response(response, keeps_alive=manner == "twice")
    if manner == "whole":
        connection.sendall(content)
    elif manner == "twice":
        connection.sendall(content + content)
        return True
    elif manner == "slow":
        began = CLOCK.monotonic()
        for offset in range(len(content)):
            connection.sendall(content[offset : offset + 1])
            CLOCK.reach(began + offset + 1)
    elif manner == "hang":
        board.count("lost answers")
        board.hang(connection.getpeername()[1])
        connection.settimeout(None)
        connection.recv(1)  # until the client gives up
    else:
        board.count("lost answers")
        reset(connection)
    return False


def reset(connection: socket.socket) -> None:
    """Close the connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def _head(file: BinaryIO) -> tuple[str, str, dict[str, str]] | None:
    line = file.readline(65536).decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while (field_ := file.readline(65536).strip()) != b"":
        name, _, value = field_.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return line[0], line[1], headers


def _response(response: Response, *, keeps_alive: bool) -> bytes:
    length = response.headers.get("Content-Length", str(len(response.body)))
    headers = {"Content-Type": "application/json", **response.headers, "Content-Length": length}
    headers["Connection"] = "keep-alive" if keeps_alive else "close"
    lines = [f"HTTP/1.1 {response.status} Said", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + response.body
