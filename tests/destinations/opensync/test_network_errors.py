"""Why there was no answer, told apart by what really happened on the way to the server."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from opensync_hooks.destinations.opensync import client as clients
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.errors import UnreachableError

Response = Callable[[socket.socket], object]
Listen = Callable[[Response], str]
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def over() -> threading.Event:
    return threading.Event()


@pytest.fixture
def listen(over: threading.Event) -> Iterator[Listen]:
    """Starts a server that does one thing with every request, and then hangs up; its address."""
    opened: list[socket.socket] = []

    def serve(listening: socket.socket, answer: Response) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    answer(connection)

    def start(answer: Response) -> str:
        opened.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=serve, args=(opened[-1], answer), daemon=True).start()
        return f"http://127.0.0.1:{opened[-1].getsockname()[1]}"

    yield start
    over.set()
    for one in opened:
        one.close()


def cause(url: str) -> str:
    """What is told in brackets of a server that cannot be reached."""
    with (
        OpenSyncClient(url, "osk_x", sleep=lambda _: None) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.put_batch({})
    sentence, _, rest = str(caught.value).partition(" (")
    assert sentence == f"{url}: cannot be reached"
    assert caught.value.hint == "Check the network, then the URL."
    return rest.removesuffix(").")


def test_port_where_nobody_listens() -> None:
    assert cause("http://127.0.0.1:1") == "nothing listens there"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"what?\r\n\r\n",
        OK + b"Content-Length: 100\r\n\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["without a word", "with nonsense", "in the middle", "in a chunk"],
)
def test_server_that_hangs_up(listen: Listen, answer: bytes) -> None:
    assert cause(listen(lambda one: one.sendall(answer))) == "the connection broke"


@pytest.mark.parametrize(
    "answer", [b"", OK + b"Content-Length: 100\r\n\r\nhalf"], ids=["at once", "in the middle"]
)
def test_server_that_falls_silent(
    listen: Listen, over: threading.Event, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    def fall_silent(connection: socket.socket) -> None:
        connection.sendall(answer)
        over.wait(0.5)

    monkeypatch.setattr(clients, "TIMEOUT", (5.0, 0.05))
    assert cause(listen(fall_silent)) == "it does not answer"


def test_answer_that_cannot_be_read_is_told_by_its_kind(listen: Listen) -> None:
    packed = OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk"
    assert cause(listen(lambda one: one.sendall(packed))) == "DecodeError"


def test_name_that_no_host_can_have() -> None:
    assert cause("https://*.example") == "InvalidURL"


def test_proxy_that_refuses(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\n\r\n"
    monkeypatch.setenv("HTTPS_PROXY", listen(lambda one: one.sendall(refusal)))
    assert cause("https://name.example") == "the proxy refuses"


@pytest.mark.parametrize(
    ("code", "told"),
    [(socket.EAI_NONAME, "no host has this name"), (socket.EAI_AGAIN, "there is no network")],
    ids=["no such name", "nobody to ask"],
)
def test_name_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch, code: int, told: str) -> None:
    def fail(*_: object, **__: object) -> object:
        raise socket.gaierror(code, "as the system says it")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert cause("https://name.example") == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENETUNREACH, ""), "there is no way to it"),
        (OSError(errno.EHOSTUNREACH, ""), "there is no way to it"),
        (OSError(errno.ENETDOWN, ""), "there is no way to it"),
        (TimeoutError("timed out"), "it does not answer"),
        (OSError(socket.EAI_AGAIN, "no word of a name service"), "nothing listens there"),
    ],
    ids=["network", "host", "down", "silence", "anything else"],
)
def test_host_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, error: OSError, told: str
) -> None:
    def fail(*_: object) -> object:
        raise error

    monkeypatch.setattr(socket.socket, "connect", fail)
    assert cause("http://127.0.0.1:1") == told
