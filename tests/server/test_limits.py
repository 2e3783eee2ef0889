"""The embedded server against who must not get in: strangers, slow ones, large ones, many."""

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
from opensync_hooks.server import connection, routes
from opensync_hooks.server import server as server_module
from opensync_hooks.server.server import Server
from tests.opensync import FaultyServer

HOST = b"Host: 127.0.0.1\r\n"
WHOLE = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture
def key() -> str:
    return new_key()


@pytest.fixture
def seen() -> list[bytes]:
    return []


@pytest.fixture
def server(tmp_path: Path, key: str, seen: list[bytes]) -> Iterator[Server]:
    def on_request(_method: str, _path: str, body: bytes) -> None:
        seen.append(body)

    with Store(tmp_path / "store.db") as store, FaultyServer(store, key, on_request) as one:
        yield one.start()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=20)


def said(server: Server, request: bytes) -> bytes:
    """What comes back until the server ends the connection."""
    with connected(server) as one:
        one.sendall(request)
        one.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: one.recv(65536), b""))


def post(key: str, body: bytes, *more: bytes) -> bytes:
    head = [b"POST /sync/session HTTP/1.1", b"Host: 127.0.0.1", *more]
    head += [b"Authorization: Bearer " + key.encode(), b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


# ---- strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1.evil.example", "https://localhost", "x"],
)
def test_page_of_a_stranger_is_refused_even_with_the_key(
    server: Server, key: str, origin: str, seen: list[bytes]
) -> None:
    answer = said(server, post(key, b'{"externalId": "s"}', b"Origin: " + origin.encode()))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"access-control" not in answer.lower()
    assert seen == []


def test_page_of_this_machine_may_ask_with_the_key(server: Server, key: str) -> None:
    answer = said(server, post(key, b'{"externalId": "s"}', b"Origin: http://localhost:3000"))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_body_of_a_stranger_is_not_kept(server: Server, seen: list[bytes]) -> None:
    """Else anybody on this machine could have the server hold 20 MiB a connection."""
    request = post(new_key(), b"x" * 12_000_000)
    tracemalloc.start()
    try:
        answer = said(server, request)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert seen == [b""]
    assert peak < 2_000_000


def test_key_is_compared_in_the_same_time_wherever_it_differs(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def watch(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    for given in (key, new_key(), key[:-1]):
        refused = routes.refusal(
            key, routes.Request("POST", "/sync/session", authorization=f"Bearer {given}")
        )
        assert bool(refused) is (given != key)
    assert len(compared) == 3


def test_every_answer_forbids_a_browser_to_make_anything_of_it(server: Server, key: str) -> None:
    requests = (
        WHOLE,
        b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"nonsense\r\n\r\n",
        post(key, b'{"externalId": "<script>"}'),
        post(new_key(), b"{}"),
    )
    for request in requests:
        head = said(server, request).partition(b"\r\n\r\n")[0].decode()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        assert lines.items() >= connection.SECURITY_HEADERS.items()
        assert lines["Content-Type"].startswith(("application/json", "text/plain"))


@pytest.mark.parametrize(
    "request_",
    [
        b"<script>alert(1)</script>\r\n\r\n",
        b"GET /x HTTP/<script>\r\n\r\n",
        b"GET /x HTTP/9.9\r\n<script>: 1\r\n\r\n",
    ],
)
def test_answer_to_nonsense_repeats_none_of_it(server: Server, request_: bytes) -> None:
    answer = said(server, request_)
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
    ids=["a long line", "a long header", "large headers", "many headers"],
)
def test_head_that_is_too_large_ends_the_connection(server: Server, head: bytes) -> None:
    with connected(server) as one:
        one.sendall(head)
        try:
            answer = b"".join(iter(lambda: one.recv(65536), b""))
        except ConnectionResetError:  # what was not read any more
            return
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 414 "))


def test_two_lengths_of_one_body_are_one_too_many(server: Server, key: str) -> None:
    answer = said(server, post(key, b"{}", b"Content-Length: 5"))
    assert answer.startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize("part", ["head", "body"])
def test_request_that_trickles_is_given_up(
    server: Server, key: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte alone comes in time: only the time of the whole can end it."""
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT_S", 0.5)
    request = WHOLE * 9 if part == "head" else post(key, b" " * 5_000)
    start = 0 if part == "head" else request.index(b"\r\n\r\n") + 4
    with connected(server) as one:
        one.sendall(request[:start])
        began = time.monotonic()
        ended = False
        for byte in request[start : start + 400]:
            try:
                one.sendall(bytes((byte,)))
                one.settimeout(0.02)
                ended = one.recv(65536) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
            if ended:
                break
    assert ended
    assert time.monotonic() - began >= 0.5


def test_stranger_who_says_nothing_is_given_up_sooner(
    server: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection.Connection, "timeout", 2.0)
    with connected(server) as stranger, connected(server) as known:
        known.sendall(post(key, b'{"externalId": "s"}'))
        answer = b""
        while not answer.endswith(b"}"):  # head and body come one by one
            answer += known.recv(65536)
        assert stranger.recv(1) == b""
        known.settimeout(0.1)
        with pytest.raises(TimeoutError):
            known.recv(1)


def test_only_so_many_connections_are_held_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 5)
    before = threading.active_count()
    with ExitStack() as stack:
        held = [stack.enter_context(connected(server)) for _ in range(5)]
        for one in held:
            one.sendall(WHOLE)
            assert one.recv(65536).startswith(b"HTTP/1.1 200 ")
        refused = [stack.enter_context(connected(server)) for _ in range(20)]
        for one in refused:
            assert one.recv(1) == b""
        assert threading.active_count() <= before + 5
    deadline = time.monotonic() + 10
    while not said_if_open(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert said(server, WHOLE).startswith(b"HTTP/1.1 200 ")


def said_if_open(server: Server) -> bytes:
    try:
        return said(server, WHOLE)
    except OSError:
        return b""


def test_deep_body_with_the_key_is_an_answer(server: Server, key: str) -> None:
    answer = said(server, post(key, b"[" * 200_000))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "Error: Value is too nested"}
