"""The embedded server against strangers, and against slow, large and many requests."""

from __future__ import annotations

import hmac
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server import connection as connection_module
from opensync_hooks.server import routes
from opensync_hooks.server import server as server_module
from opensync_hooks.server.server import Server
from tests.opensync import FaultyServer

HOST = b"Host: 127.0.0.1\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture
def key() -> str:
    return new_key()


@pytest.fixture
def bodies() -> list[bytes]:
    return []


@pytest.fixture
def server(tmp_path: Path, key: str, bodies: list[bytes]) -> Iterator[Server]:
    def on_request(_method: str, _path: str, body: bytes) -> None:
        bodies.append(body)

    with Store(tmp_path / "store.db") as store, FaultyServer(store, key, on_request) as listening:
        yield listening.start()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=20)


def response(server: Server, request: bytes) -> bytes:
    """Return all that the server sends until it ends the connection."""
    with connected(server) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def post(key: str, body: bytes, *more: bytes) -> bytes:
    head = [b"POST /sync/session HTTP/1.1", b"Host: 127.0.0.1", *more]
    head += [b"Authorization: Bearer " + key.encode(), b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


# ---- strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1.evil.example", "https://localhost", "x"],
)
def test_foreign_web_page_is_refused_even_with_the_key(
    server: Server, key: str, origin: str, bodies: list[bytes]
) -> None:
    answer = response(server, post(key, b'{"externalId": "s"}', b"Origin: " + origin.encode()))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"access-control" not in answer.lower()
    assert bodies == []


def test_local_web_page_is_accepted_with_the_key(server: Server, key: str) -> None:
    answer = response(server, post(key, b'{"externalId": "s"}', b"Origin: http://localhost:3000"))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_body_is_not_kept_without_the_key(server: Server, bodies: list[bytes]) -> None:
    """Otherwise every user of this machine could make the server hold 20 MiB per connection."""
    request = post(new_key(), b"x" * 12_000_000)
    tracemalloc.start()
    try:
        answer = response(server, request)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert bodies == [b""]
    assert peak < 2_000_000


def test_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare_digest = hmac.compare_digest

    def record(text: bytes, secret: bytes) -> bool:
        compared.append((text, secret))
        return compare_digest(text, secret)

    monkeypatch.setattr(hmac, "compare_digest", record)
    for sent_key in (key, new_key(), key[:-1]):
        request = routes.Request("POST", "/sync/session", authorization=f"Bearer {sent_key}")
        assert bool(routes.key_error(key, request)) is (sent_key != key)
    assert len(compared) == 3


def test_every_response_has_the_security_headers(server: Server, key: str) -> None:
    requests = (
        HEALTH,
        b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"nonsense\r\n\r\n",
        post(key, b'{"externalId": "<script>"}'),
        post(new_key(), b"{}"),
    )
    for request in requests:
        head = response(server, request).partition(b"\r\n\r\n")[0].decode()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        assert lines.items() >= connection_module.SECURITY_HEADERS.items()
        assert lines["Content-Type"].startswith(("application/json", "text/plain"))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"<script>alert(1)</script>\r\n\r\n",
        b"GET /x HTTP/<script>\r\n\r\n",
        b"GET /x HTTP/9.9\r\n<script>: 1\r\n\r\n",
    ],
)
def test_response_to_nonsense_repeats_none_of_it(server: Server, request_bytes: bytes) -> None:
    answer = response(server, request_bytes)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 "))
    assert b"script" not in answer


# ---- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + (b"X: " + b"x" * 900 + b"\r\n") * 90 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * 101 + b"\r\n",
    ],
    ids=["long line", "long header", "large headers", "many headers"],
)
def test_too_large_head_ends_the_connection(server: Server, head: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(head)
        try:
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:  # the server left the rest unread
            return
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 414 "))


def test_second_content_length_is_refused(server: Server, key: str) -> None:
    answer = response(server, post(key, b"{}", b"Content-Length: 5"))
    assert answer.startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize("part", ["head", "body"])
def test_trickling_request_is_given_up(
    server: Server, key: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte comes late; only the time of the whole request can end it."""
    monkeypatch.setattr(connection_module, "REQUEST_TIMEOUT_S", 0.5)
    request = HEALTH * 9 if part == "head" else post(key, b" " * 5_000)
    start = 0 if part == "head" else request.index(b"\r\n\r\n") + 4
    with connected(server) as connection:
        connection.sendall(request[:start])
        began = time.monotonic()
        is_closed = False
        for byte in request[start : start + 400]:
            try:
                connection.sendall(bytes((byte,)))
                connection.settimeout(0.02)
                is_closed = connection.recv(65536) == b""
            except TimeoutError:
                continue
            except OSError:
                is_closed = True
            if is_closed:
                break
    assert is_closed
    assert time.monotonic() - began >= 0.5


def test_silent_stranger_is_given_up_sooner(
    server: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module.Connection, "timeout", 2.0)
    with connected(server) as stranger, connected(server) as trusted:
        trusted.sendall(post(key, b'{"externalId": "s"}'))
        answer = b""
        while not answer.endswith(b"}"):  # head and body are two packets
            answer += trusted.recv(65536)
        assert stranger.recv(1) == b""
        trusted.settimeout(0.1)
        with pytest.raises(TimeoutError):
            trusted.recv(1)


def ask(connection: socket.socket, key: str) -> bytes:
    """Return the answer to a request with the key; the connection stays open."""
    authorization = f"Authorization: Bearer {key}\r\n\r\n".encode()
    connection.sendall(b"GET /api/stats HTTP/1.1\r\n" + HOST + authorization)
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(65536) or b"}"
    return answer


def test_strangers_do_not_shut_the_user_out(
    server: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of open connections is limited, and a stranger's makes room for a new one."""
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 5)
    with ExitStack() as stack:
        user = stack.enter_context(connected(server))
        assert ask(user, key).startswith(b"HTTP/1.1 200 ")
        strangers = [stack.enter_context(connected(server)) for _ in range(20)]
        for connection in strangers[:-4]:
            assert connection.recv(1) == b""
        assert ask(stack.enter_context(connected(server)), key).startswith(b"HTTP/1.1 200 ")
        assert ask(user, key).startswith(b"HTTP/1.1 200 ")


def test_users_own_connections_are_limited(
    server: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 5)
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(5):
            assert ask(stack.enter_context(connected(server)), key).startswith(b"HTTP/1.1 200 ")
        for _ in range(20):
            assert stack.enter_context(connected(server)).recv(1) == b""
        assert threading.active_count() <= before + 5
    deadline = time.monotonic() + 10
    while not response_if_open(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert response(server, HEALTH).startswith(b"HTTP/1.1 200 ")


def response_if_open(server: Server) -> bytes:
    try:
        return response(server, HEALTH)
    except OSError:
        return b""


def test_deeply_nested_body_is_answered(server: Server, key: str) -> None:
    answer = response(server, post(key, b"[" * 200_000))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "Error: Value is too nested"}
