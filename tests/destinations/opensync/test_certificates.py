"""The key goes to no server whose certificate is not trusted, whatever the settings."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from opensync_hooks import __version__
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.errors import CertificateError
from tests.faults import certificates

pytestmark = pytest.mark.skipif(not certificates.can_be_made(), reason="needs openssl")
KEY = "osk_" + "k" * 32
ANSWER = b'{"ok":true,"sessions":0,"messages":0,"errors":[]}'


class Host:
    """An https server on loopback that notes what it is told."""

    def __init__(self, folder: Path) -> None:
        self.authority, self._contexts = certificates.make(folder)
        self.certificate = "good"
        self.told = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                with raw, suppress(OSError):
                    self._answer(self._contexts[self.certificate], raw)

    def _answer(self, context: ssl.SSLContext, raw: socket.socket) -> None:
        with context.wrap_socket(raw, server_side=True) as connection:
            self.told += connection.recv(65_536)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + ANSWER)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.close()


def test_certificate_of_a_trusted_authority_is_taken(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(host.authority))
    with OpenSyncClient(host.url, KEY) as client:
        assert client.put_batch({}).sessions == 0
    said = host.told.decode().split("\r\n")
    assert f"Authorization: Bearer {KEY}" in said
    assert f"User-Agent: opensync-hooks/{__version__}" in said
    assert "Content-Type: application/json" in said


@pytest.mark.parametrize("certificate", ["good", "unknown"])
def test_without_a_word_on_trust_only_the_systems_authorities_are_trusted(
    host: Host, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    host.certificate = certificate
    with OpenSyncClient(host.url, KEY) as client, pytest.raises(CertificateError) as caught:
        client.put_batch({})
    assert host.told == b""
    assert str(caught.value) == f"{host.url}: its certificate is not trusted."
    company = "Behind a company proxy, name its certificates in REQUESTS_CA_BUNDLE."
    assert caught.value.hint == company


def test_file_of_trusted_authorities_that_is_not_there_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at-all.pem")
    with OpenSyncClient(host.url, KEY) as client, pytest.raises(CertificateError) as caught:
        client.put_batch({})
    assert str(caught.value) == f"{host.url}: the file of trusted certificates cannot be read."
    assert caught.value.hint == "Correct REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE."
    assert host.told == b""


@pytest.mark.parametrize("certificate", ["unknown", "other host"])
def test_key_never_reaches_a_host_with_a_wrong_certificate(
    host: Host, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(host.authority))
    host.certificate = certificate
    with OpenSyncClient(host.url, KEY) as client, pytest.raises(CertificateError):
        client.put_batch({})
    assert host.told == b""
