"""The key goes to no server whose certificate is not trusted, whatever the settings."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from opensync_hooks import __version__
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.opensync.transport import CA_BUNDLE_VARIABLES
from opensync_hooks.errors import CertificateError
from tests.faults import certificates

pytestmark = pytest.mark.skipif(not certificates.can_be_made(), reason="needs openssl")
KEY = "osk_" + "k" * 32
BODY = b'{"ok":true,"sessions":0,"messages":0,"errors":[]}'


class HttpsServer:
    """An https server on loopback that records what it receives."""

    def __init__(self, folder: Path) -> None:
        self.authority, self._contexts = certificates.make(folder)
        self.certificate = "good"
        self.received = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                with raw, suppress(OSError):
                    self._respond(self._contexts[self.certificate], raw)

    def _respond(self, context: ssl.SSLContext, raw: socket.socket) -> None:
        with context.wrap_socket(raw, server_side=True) as connection:
            while not self.received.endswith(b"{}"):  # headers and body come one after the other
                self.received += connection.recv(65_536)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + BODY)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsServer]:
    for variable in CA_BUNDLE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    https_server = HttpsServer(tmp_path)
    yield https_server
    https_server.close()


def refusal(server: HttpsServer) -> CertificateError:
    with OpenSyncClient(server.url, KEY) as client, pytest.raises(CertificateError) as caught:
        client.put_batch({})
    assert server.received == b""
    return caught.value


def test_certificate_of_a_trusted_authority_is_accepted(
    server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.authority))
    with OpenSyncClient(server.url, KEY) as client:
        assert client.put_batch({}).sessions == 0
    headers = server.received.decode().split("\r\n")
    assert f"Authorization: Bearer {KEY}" in headers
    assert f"User-Agent: opensync-hooks/{__version__}" in headers
    assert "Content-Type: application/json" in headers


@pytest.mark.parametrize("certificate", ["good", "unknown"])
def test_by_default_only_the_systems_authorities_are_trusted(
    server: HttpsServer, certificate: str
) -> None:
    server.certificate = certificate
    error = refusal(server)
    reason = {"good": "unable to get local issuer", "unknown": "self.signed"}[certificate]
    assert re.fullmatch(
        rf"{server.url}: its certificate is not trusted \({reason} certificate\)\.", str(error)
    )
    assert error.hint.startswith("Behind a company proxy, set REQUESTS_CA_BUNDLE")


@pytest.mark.parametrize("variable", CA_BUNDLE_VARIABLES)
def test_missing_file_of_authorities_is_named(
    server: HttpsServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/nowhere/at-all.pem")
    error = refusal(server)
    assert str(error) == f"{server.url}: the file of trusted certificates cannot be read."
    assert error.hint == "Check REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE."


@pytest.mark.parametrize(
    ("certificate", "reason", "step"),
    [
        ("unknown", "self.signed certificate", "REQUESTS_CA_BUNDLE"),
        ("other host", "Hostname mismatch, certificate is not valid for 'localhost'", "the URL"),
        ("expired", "certificate has expired", "clock"),
    ],
)
def test_key_never_reaches_a_host_with_a_wrong_certificate(
    server: HttpsServer, certificate: str, reason: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the user named the authorities, and the form of certificates is not judged."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.authority))
    server.certificate = certificate
    error = refusal(server)
    assert re.search(rf"is not trusted \({reason}\)\.$", str(error))
    assert step in error.hint


def relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65_536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[str]:
    """A company's proxy, which connects its one user to any host: to 127.0.0.1 in fact."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        port = int(client.recv(65_536).split()[1].rpartition(b":")[2])
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=relay, args=(server, client))
            back.start()
            relay(client, server)
            back.join()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread.join()
    listener.close()


def test_named_authority_is_accepted_behind_a_proxy_too(
    server: HttpsServer, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.authority))
    with OpenSyncClient(server.url.replace("localhost", "127.0.0.2"), KEY) as client:
        assert client.put_batch({}).sessions == 0
