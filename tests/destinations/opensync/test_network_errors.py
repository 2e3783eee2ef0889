"""Why there was no response, told apart by what really happened on the network."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from opensync_hooks.destinations.opensync import transport
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.opensync.network_errors import NetworkError, NetworkErrorKind

Respond = Callable[[socket.socket], object]
Listen = Callable[[Respond], str]
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def is_over() -> threading.Event:
    return threading.Event()


@pytest.fixture
def listen(is_over: threading.Event) -> Iterator[Listen]:
    """Starts a server that responds to every request in one way, then hangs up; returns its URL."""
    listeners: list[socket.socket] = []

    def serve(listener: socket.socket, respond: Respond) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    read_request(connection)
                    respond(connection)

    def start(respond: Respond) -> str:
        listeners.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=serve, args=(listeners[-1], respond), daemon=True).start()
        return f"http://127.0.0.1:{listeners[-1].getsockname()[1]}"

    yield start
    is_over.set()
    for listener in listeners:
        listener.close()


def read_request(connection: socket.socket) -> None:
    """Read an HTTP request whole, as closing with bytes unread would reset the connection."""
    request = connection.recv(65_536)
    while request.startswith(b"POST ") and not request.endswith(b"\r\n\r\n{}"):
        if not (more := connection.recv(65_536)):
            return
        request += more


def failure(url: str) -> tuple[NetworkErrorKind, str]:
    """Return the kind of error that a request ends with, and the reason in its text."""
    with (
        OpenSyncClient(url, "osk_x", sleep=lambda _: None) as client,
        pytest.raises(NetworkError) as caught,
    ):
        client.put_batch({})
    sentence, _, reason = str(caught.value).partition(" (")
    assert sentence == f"{url}: cannot be reached"
    assert caught.value.hint == caught.value.kind.value[1]
    return caught.value.kind, reason.removesuffix(").")


def kind(url: str) -> NetworkErrorKind:
    error_kind, reason = failure(url)
    assert reason == error_kind.value[0]
    return error_kind


def test_closed_port() -> None:
    assert kind("http://127.0.0.1:1") is NetworkErrorKind.NOT_LISTENING


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"what?\r\n\r\n",
        OK + b"Content-Length: 100\r\n\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["no response", "nonsense", "half a body", "half a chunk"],
)
def test_server_that_hangs_up(listen: Listen, response: bytes) -> None:
    url = listen(lambda connection: connection.sendall(response))
    assert kind(url) is NetworkErrorKind.BROKEN


@pytest.mark.parametrize(
    "response", [b"", OK + b"Content-Length: 100\r\n\r\nhalf"], ids=["at once", "in the body"]
)
def test_server_that_falls_silent(
    listen: Listen, is_over: threading.Event, monkeypatch: pytest.MonkeyPatch, response: bytes
) -> None:
    def fall_silent(connection: socket.socket) -> None:
        connection.sendall(response)
        is_over.wait(0.5)

    monkeypatch.setattr(transport, "SOCKET_TIMEOUTS_S", (5.0, 0.05))
    assert kind(listen(fall_silent)) is NetworkErrorKind.NO_RESPONSE


def test_other_errors_are_named_by_their_class(listen: Listen) -> None:
    # Announced, as a second attempt would otherwise meet the first connection as it closes.
    headers = b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
    response = OK + headers + b"junk"
    url = listen(lambda connection: connection.sendall(response))
    assert failure(url) == (NetworkErrorKind.OTHER, "DecodeError")
    assert failure("https://*.example") == (NetworkErrorKind.OTHER, "InvalidURL")


def test_proxy_that_refuses(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\n\r\n"
    proxy_url = listen(lambda connection: connection.sendall(refusal))
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    assert kind("https://name.example") is NetworkErrorKind.PROXY


@pytest.mark.parametrize(
    "proxy_url",
    ["socks5://127.0.0.1:1080", "socks5h://u:secret@p", "SOCKS4://p:1", "ftp://p:21", "http://["],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_proxy_that_is_no_http_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str, proxy_url: str
) -> None:
    monkeypatch.setenv(variable, proxy_url)
    error_kind, reason = failure("https://name.example")
    assert error_kind is NetworkErrorKind.NO_HTTP_PROXY
    assert "secret" not in reason


def test_plain_text_where_encryption_is_expected(listen: Listen) -> None:
    url = listen(lambda connection: connection.sendall(OK)).replace("http:", "https:")
    error_kind, reason = failure(url)
    assert (error_kind, reason) == (NetworkErrorKind.TLS, "wrong version number")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (socket.EAI_NONAME, NetworkErrorKind.UNKNOWN_HOST),
        (socket.EAI_AGAIN, NetworkErrorKind.NO_NETWORK),
    ],
    ids=["unknown name", "no name service"],
)
def test_host_name_that_does_not_resolve(
    monkeypatch: pytest.MonkeyPatch, code: int, expected: NetworkErrorKind
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise socket.gaierror(code, "the system's own text")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert kind("https://name.example") is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENETUNREACH, ""), NetworkErrorKind.NO_ROUTE),
        (OSError(errno.EHOSTUNREACH, ""), NetworkErrorKind.NO_ROUTE),
        (OSError(errno.ENETDOWN, ""), NetworkErrorKind.NO_ROUTE),
        (TimeoutError("timed out"), NetworkErrorKind.NO_RESPONSE),
        (OSError(socket.EAI_AGAIN, "not from a name service"), NetworkErrorKind.NOT_LISTENING),
    ],
    ids=["network", "host", "down", "timeout", "anything else"],
)
def test_host_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, error: OSError, expected: NetworkErrorKind
) -> None:
    def fail(*_: object) -> object:
        raise error

    monkeypatch.setattr(socket.socket, "connect", fail)
    assert kind("http://127.0.0.1:1") is expected
