"""Whatever keeps a call, somebody waits for it no longer than was said."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from operator import getitem
from pathlib import Path

import pytest

from opensync_hooks.destinations.opensync import client as clients
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.opensync.deadline import TooLateError, within
from opensync_hooks.errors import UnreachableError
from tests.opensync import real_opensync


def test_answer_and_error_come_through() -> None:
    assert within(30, lambda: 7) == 7
    with pytest.raises(KeyError, match="mine"):
        within(30, partial(getitem, {}, "mine"))


def test_call_that_takes_too_long_is_left_behind() -> None:
    over = threading.Event()
    began = time.monotonic()
    with pytest.raises(TooLateError):
        within(0.2, lambda: over.wait(60))
    assert time.monotonic() - began < 30
    left = [one for one in threading.enumerate() if one is not threading.main_thread()]
    assert all(one.daemon for one in left), "the process ends without it"
    over.set()


@pytest.fixture
def trickle() -> Iterator[str]:
    """A server that never stops answering: much at once, and then a byte at a time."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            connection.sendall(b" " * 200_000)
            while not over.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        serving.join()


def test_server_that_sends_a_byte_now_and_then_is_too_slow(
    trickle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "DEADLINE", 0.3)
    began = time.monotonic()
    with (
        OpenSyncClient(trickle, "osk_x", sleep=lambda _: None) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.put_batch({})
    assert str(caught.value) == f"{trickle}: answers too slowly."
    assert caught.value.hint == "It is tried again later."
    assert 0.9 <= time.monotonic() - began < 30


def test_answer_that_is_too_long_is_left_unread(
    trickle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "DEADLINE", 5.0)
    monkeypatch.setattr(clients, "LONGEST_ANSWER", 100_000)
    with (
        OpenSyncClient(trickle, "osk_x", sleep=lambda _: None) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.put_batch({})
    assert str(caught.value) == f"{trickle}: an answer that is not OpenSync's."
    assert caught.value.hint == "Is the URL another site's, or a network's login page in between?"


def test_server_that_was_too_slow_once_is_asked_again_with_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a connection of its own: the first one is busy still."""
    monkeypatch.setattr(clients, "DEADLINE", 1.0)
    second = threading.Event()
    asked: list[str] = []

    def hold_the_first(_method: str, path: str, _body: bytes) -> None:
        asked.append(path)
        if len(asked) == 1:
            second.wait(30)
        second.set()

    with (
        real_opensync(tmp_path, on_request=hold_the_first) as (server, store, key),
        OpenSyncClient(server.url, key, sleep=lambda _: None) as client,
    ):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        client.put_session({"externalId": "s1", "title": "One"}, {})
        assert store.stats()["sessionCount"] == 1
    assert len(asked) > 1


def test_large_message_on_a_slow_line_has_the_time_it_takes(
    trickle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def note(seconds: float, _: object) -> None:
        asked.append(seconds)
        raise TooLateError

    monkeypatch.setattr(clients, "within", note)
    with OpenSyncClient(trickle, "osk_x", sleep=lambda _: None) as client:
        for text in ("", "x" * (8 << 20)):
            with pytest.raises(UnreachableError):
                client.put_session({"externalId": text}, {})
    assert asked[0] < 31
    assert asked[-1] > 8 * 32, "a megabit a second"
