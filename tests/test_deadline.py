"""Whatever keeps a call, somebody waits for it no longer than was said."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from operator import getitem

import pytest

from opensync_hooks import client as clients
from opensync_hooks.client import Client
from opensync_hooks.client.deadline import TooLateError, within
from opensync_hooks.errors import UnreachableError


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
    over.set()


@pytest.fixture
def trickle() -> Iterator[str]:
    """A server that never stops answering, a byte at a time."""
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
        Client(trickle, "osk_x", sleep=lambda _: None) as client,
        pytest.raises(UnreachableError, match="answers too slowly"),
    ):
        client.put_batch({})
    assert 0.9 <= time.monotonic() - began < 30


def test_large_message_on_a_slow_line_has_the_time_it_takes(
    trickle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def note(seconds: float, _: object) -> None:
        asked.append(seconds)
        raise TooLateError

    monkeypatch.setattr(clients, "within", note)
    with Client(trickle, "osk_x", sleep=lambda _: None) as client:
        for text in ("", "x" * (8 << 20)):
            with pytest.raises(UnreachableError):
                client.put_session({"externalId": text}, {})
    assert asked[0] < 31
    assert asked[-1] > 8 * 32, "a megabit a second"
