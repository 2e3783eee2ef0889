"""No call lasts longer than its deadline, whatever the server does."""

from __future__ import annotations

import _thread
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from operator import getitem
from pathlib import Path

import pytest

from opensync_hooks.destinations.opensync import transport
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.opensync.deadline import DeadlineError, DeadlineThread
from opensync_hooks.errors import UnreachableError
from tests.opensync import real_opensync


def test_result_and_error_of_the_call_come_through() -> None:
    thread = DeadlineThread()
    assert thread.run_within(30, lambda: 7) == 7
    with pytest.raises(KeyError, match="mine"):
        thread.run_within(30, partial(getitem, {}, "mine"))
    with pytest.raises(TimeoutError, match="its own"):
        thread.run_within(30, partial(_raise, TimeoutError("its own")))
    assert thread.run_within(30, threading.get_ident) == thread.run_within(30, threading.get_ident)
    thread.close()


def test_call_that_takes_too_long_is_abandoned() -> None:
    is_over, thread = threading.Event(), DeadlineThread()
    start = time.monotonic()
    with pytest.raises(DeadlineError):
        thread.run_within(0.2, lambda: is_over.wait(60))
    assert thread.run_within(30, lambda: "not delayed by it") == "not delayed by it"
    assert time.monotonic() - start < 30
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    assert all(thread.daemon for thread in others), "the process can end without it"
    is_over.set()
    thread.close()


def test_interrupted_call_does_not_answer_the_next_one() -> None:
    is_over, thread = threading.Event(), DeadlineThread()
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        thread.run_within(60, lambda: is_over.wait(60))
    assert thread.run_within(30, lambda: 7) == 7
    is_over.set()
    thread.close()


def test_threads_end_when_they_are_no_longer_needed() -> None:
    is_over, thread = threading.Event(), DeadlineThread()
    own = thread.run_within(30, threading.current_thread)
    with pytest.raises(DeadlineError):
        thread.run_within(0.2, lambda: is_over.wait(60))
    successor = thread.run_within(30, threading.current_thread)
    is_over.set()
    thread.close()
    for ended in (own, successor):
        ended.join(30)
        assert not ended.is_alive()


def _raise(error: Exception) -> None:
    raise error


@pytest.fixture
def trickle() -> Iterator[str]:
    """The URL of a server whose response never ends: much at first, then a byte at a time."""
    is_over = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not is_over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=respond, args=(connection,), daemon=True).start()

    def respond(connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            connection.sendall(b" " * 200_000)
            while not is_over.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        is_over.set()
        thread.join()


def test_response_that_trickles_is_given_up(trickle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "REQUEST_DEADLINE_S", 0.3)
    start = time.monotonic()
    with (
        OpenSyncClient(trickle, "osk_x", sleep=lambda _: None) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.put_batch({})
    assert str(caught.value) == f"{trickle}: cannot be reached (the response takes too long)."
    assert caught.value.hint == "Try again later."
    assert 0.9 <= time.monotonic() - start < 30


def test_response_that_is_too_large_is_left_unread(
    trickle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "REQUEST_DEADLINE_S", 5.0)
    monkeypatch.setattr(transport, "MAX_RESPONSE_BYTES", 100_000)
    with (
        OpenSyncClient(trickle, "osk_x", sleep=lambda _: None) as client,
        pytest.raises(UnreachableError, match="the response is not from OpenSync"),
    ):
        client.put_batch({})


def test_retry_after_a_deadline_uses_a_new_connection_with_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "REQUEST_DEADLINE_S", 1.0)
    second_request = threading.Event()
    paths: list[str] = []

    def hold_the_first(_method: str, path: str, _body: bytes) -> None:
        paths.append(path)
        if len(paths) == 1:
            second_request.wait(30)
        second_request.set()

    with (
        real_opensync(tmp_path, on_request=hold_the_first) as (server, store, key),
        OpenSyncClient(server.url, key, sleep=lambda _: None) as client,
    ):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        client.put_session({"externalId": "s1", "title": "One"}, {})
        assert store.stats()["sessionCount"] == 1
    assert len(paths) > 1


def test_large_message_has_the_time_that_a_slow_line_needs(
    trickle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: list[float] = []

    def record(_self: DeadlineThread, seconds: float, _call: object) -> None:
        deadlines.append(seconds)
        raise DeadlineError

    monkeypatch.setattr(DeadlineThread, "run_within", record)
    with OpenSyncClient(trickle, "osk_x", sleep=lambda _: None) as client:
        for text in ("", "x" * (8 << 20)):
            with pytest.raises(UnreachableError):
                client.put_session({"externalId": text}, {})
    assert deadlines[0] < 31
    assert deadlines[-1] > 8 * 32, "a quarter of a megabit a second"
