"""The client against the real server's traps, over a socket."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.opensync import client as clients
from opensync_hooks.destinations.opensync.client import LONGEST_WAIT, TRIES, OpenSyncClient
from opensync_hooks.destinations.protocol import BatchReply, rename
from opensync_hooks.errors import (
    KeyRefusedError,
    OpenSyncError,
    RejectedError,
    UnreachableError,
    WrongAddressError,
)
from opensync_hooks.model import Json
from opensync_hooks.server.routes import Response
from tests.opensync import Fault, RealStore, real_opensync

WINDOW_AND_MARGIN = pytest.approx(5.5, abs=0.003)
"""Seconds: what the server ignores, and half a second for two clocks that are read apart."""
SESSION = {"externalId": "s1", "title": "One", "createdAt": 1_700_000_000_000}


class Sent:
    """Records every request; answers as `faults` say, one after the other, then truly."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Json]] = []
        self.faults: list[Fault | None] = []
        self.waits: list[float] = []

    def __call__(self, method: str, path: str, body: bytes) -> Fault | None:
        if path == "/health":
            return None
        self.requests.append((method, path, json.loads(body) if body else {}))
        return self.faults.pop(0) if self.faults else None


class Clock:
    """Time that passes only by sleeping: the client waits without anybody waiting for it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def ms(self) -> int:
        return int(self.now * 1000)


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opensync(
    tmp_path: Path, sent: Sent, clock: Clock
) -> Iterator[tuple[OpenSyncClient, RealStore]]:
    def sleep(seconds: float) -> None:
        sent.waits.append(seconds)
        clock.now += seconds

    with (
        real_opensync(tmp_path, clock=clock.ms, on_request=sent) as (server, store, key),
        OpenSyncClient(server.url, key, sleep=sleep, clock=clock) as client,
    ):
        yield client, store


def message(remote_id: str, name: str = "m1", text: str = "hello", **more: Any) -> Json:
    return {
        "sessionExternalId": "s1",
        "externalId": f"{remote_id}:{name}",
        "role": "assistant",
        "parts": [{"type": "text", "content": text}],
        "createdAt": 1_700_000_001_000,
        **more,
    }


def stored_texts(store: RealStore) -> list[str]:
    session = store.session("s1")
    assert session
    return [part["content"] for one in session["messages"] for part in one["parts"]]


def test_session_and_message_arrive_with_their_own_times(
    opensync: tuple[OpenSyncClient, RealStore],
) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    client.put_message(message(remote_id), {}, replaces=False)
    session = store.session("s1")
    assert session
    assert session["session"]["createdAt"] == 1_700_000_000_000
    assert session["messages"][0]["createdAt"] == 1_700_000_001_000


def test_second_version_of_a_young_message_outwaits_the_window_and_wins(
    opensync: tuple[OpenSyncClient, RealStore], clock: Clock, sent: Sent
) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    young = clock.ms()
    client.put_message(message(remote_id, text="half", createdAt=young), {}, replaces=False)
    client.put_message(message(remote_id, text="whole", createdAt=young), {}, replaces=True)
    assert stored_texts(store) == ["whole"]
    assert sum(sent.waits) == WINDOW_AND_MARGIN


def test_second_version_of_a_message_without_a_time_outwaits_the_window_once(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent
) -> None:
    """The server dated it to its arrival: what came at once was taken, and never kept."""
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    for text in ("half", "whole"):
        body = message(remote_id, text=text)
        del body["createdAt"]
        client.put_message(body, {}, replaces=text == "whole")
    assert stored_texts(store) == ["whole"]
    assert sum(sent.waits) == WINDOW_AND_MARGIN
    client.put_message(body, {}, replaces=True)
    assert sum(sent.waits) == WINDOW_AND_MARGIN


def test_second_version_of_an_old_message_waits_for_nothing(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent
) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    for text in ("half", "whole"):
        client.put_message(message(remote_id, text=text), {}, replaces=True)
    assert stored_texts(store) == ["whole"]
    assert sum(sent.waits) == 0


def test_time_in_the_servers_future_is_drawn_back_to_now(
    opensync: tuple[OpenSyncClient, RealStore], clock: Clock
) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    ahead = message(remote_id, createdAt=clock.ms() + 3_600_000)
    client.put_message(ahead, {}, replaces=False)
    session = store.session("s1")
    assert session
    assert session["messages"][0]["createdAt"] <= clock.ms()


def test_new_title_keeps_the_search_text(opensync: tuple[OpenSyncClient, RealStore]) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    client.put_message(message(remote_id, text="find me"), {}, replaces=False)
    rename(client, "s1", "Two")
    session = store.session("s1")
    assert session
    assert session["session"]["title"] == "Two"
    assert "find me" in store.search_text["s1"]


def test_poisoned_cut_of_the_search_text_is_moved_and_the_message_stored(
    opensync: tuple[OpenSyncClient, RealStore],
) -> None:
    client, store = opensync
    remote_id = client.put_session({**SESSION, "title": "x"}, {})
    # "x", a blank, then an emoji of two UTF-16 units across the ten-thousandth
    poison = "a" * 9_997 + "🎉" * 3
    call = {"type": "tool-call", "content": {"id": "t1", "name": "Bash", "args": {}}}
    texts = [{"type": "text", "content": text} for text in (poison, "the end")]
    client.put_message(message(remote_id, parts=[call, *texts]), {}, replaces=False)
    session = store.session("s1")
    assert session
    parts = session["messages"][0]["parts"]
    assert [part["content"] for part in parts] == [call["content"], " " + poison, "the end"]


def test_batch_that_stored_nothing_is_not_taken_for_a_success(
    opensync: tuple[OpenSyncClient, RealStore],
) -> None:
    client, _ = opensync
    with pytest.raises(RejectedError, match="ArgumentValidationError"):
        client.put_batch({"sessions": [{"externalId": "s1", "createdAt": 1}]})


# ---- classes of answers --------------------------------------------------------------------------


def said(status: int, text: str, **headers: str) -> Fault:
    return Fault(Response(status, json.dumps({"error": text}).encode(), headers))


BROKEN = Fault()
LOST = Fault(stored=True)
PASSING = {
    "connection breaks": BROKEN,
    "408": said(408, "Request Timeout"),
    "425": said(425, "Too Early"),
    "429": said(429, "Too Many Requests"),
    "502": said(502, "Bad Gateway"),
    "503 in html": Fault(Response(503, b"<html>busy</html>")),
    "504": said(504, "Gateway Timeout"),
    "500 conflict": said(
        500, 'Documents read from or written to the "sessions" table changed while this mutation'
    ),
    "500 overload": said(500, "Too many concurrent requests"),
    "500 unclear": said(500, "Your request couldn't be completed. Try again later."),
    "500 without a text": said(500, ""),
    "401 while the key is looked up": said(401, "API key validation failed: Error: overloaded"),
    "200 in html": Fault(Response(200, b"<html>hotel login</html>")),
    "200 cut short": Fault(Response(200, b'{"ok": tr')),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_passing_failure_is_tried_again_and_stored_once(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent, fault: Fault
) -> None:
    client, store = opensync
    sent.faults = [fault] * (TRIES - 1)
    client.put_session(SESSION, {})
    assert len(sent.requests) == TRIES
    assert store.stats()["sessionCount"] == 1


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_failure_that_lasts_is_unreachable_after_three_tries(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent, fault: Fault
) -> None:
    client, _ = opensync
    sent.faults = [fault] * 9
    with pytest.raises(UnreachableError):
        client.put_session(SESSION, {})
    assert len(sent.requests) == TRIES


FINAL: dict[str, tuple[Fault, type[OpenSyncError]]] = {
    "401": (said(401, "Invalid API key"), KeyRefusedError),
    "403": (said(403, "Forbidden"), KeyRefusedError),
    "404": (Fault(Response(404, b"No matching routes found")), WrongAddressError),
    "redirect": (Fault(Response(302, b"", {"Location": "http://127.0.0.1:1/"})), WrongAddressError),
    "400": (said(400, "Missing externalId or sessionId"), RejectedError),
    "413": (said(413, "too big"), RejectedError),
    "422": (said(422, "no"), RejectedError),
    "500 validation": (said(500, "Error: ArgumentValidationError: no"), RejectedError),
    "500 field name": (said(500, "Error: Field name $ref starts with a '$'"), RejectedError),
    "500 size": (said(500, "Error: Value is too large (2 MiB > 1 MiB)"), RejectedError),
    "500 nesting": (said(500, "Error: Document is too nested"), RejectedError),
    "500 reads": (said(500, "Too many reads in a single function execution"), RejectedError),
    "500 type": (said(500, "TypeError: Cannot read properties of null"), RejectedError),
}


@pytest.mark.parametrize(("fault", "expected"), FINAL.values(), ids=FINAL)
def test_final_answer_is_not_asked_for_twice(
    opensync: tuple[OpenSyncClient, RealStore],
    sent: Sent,
    fault: Fault,
    expected: type[OpenSyncError],
) -> None:
    client, _ = opensync
    sent.faults = [fault] * 9
    with pytest.raises(expected):
        client.put_session(SESSION, {})
    assert len(sent.requests) == 1


def test_lost_answers_store_a_message_once(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent
) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    sent.faults = [LOST, LOST]
    client.put_message(message(remote_id), {}, replaces=False)
    assert stored_texts(store) == ["hello"]
    assert store.stats()["messageCount"] == 1


def _in_seconds() -> str:
    return "7"


def _as_date() -> str:
    return email.utils.formatdate(time.time() + 7, usegmt=True)


@pytest.mark.parametrize("form", [_in_seconds, _as_date], ids=["seconds", "date"])
def test_server_decides_how_long_to_wait(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent, form: Callable[[], str]
) -> None:
    client, _ = opensync
    sent.faults = [said(429, "slow down", **{"Retry-After": form()})]
    client.put_session(SESSION, {})
    assert 5 < sum(sent.waits) <= 8


def test_wait_that_is_too_long_is_left_to_a_later_worker(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent
) -> None:
    client, _ = opensync
    sent.faults = [said(503, "later", **{"Retry-After": str(LONGEST_WAIT + 1)})] * 3
    with pytest.raises(UnreachableError):
        client.put_session(SESSION, {})
    assert (len(sent.requests), sent.waits) == (1, [])


def test_waits_between_tries_grow(opensync: tuple[OpenSyncClient, RealStore], sent: Sent) -> None:
    client, _ = opensync
    sent.faults = [BROKEN] * 9
    with pytest.raises(UnreachableError):
        client.put_session(SESSION, {})
    first, second = sent.waits
    assert 0.4 <= first <= 0.6 < second <= 1.2


def test_nobody_listening_is_unreachable() -> None:
    with (
        OpenSyncClient("http://127.0.0.1:1", "osk_x", sleep=lambda _: None) as client,
        pytest.raises(UnreachableError, match="nothing listens there"),
    ):
        client.put_batch({})


# ---- the key -------------------------------------------------------------------------------------


def test_entry_in_netrc_does_not_replace_the_key(tmp_path: Path, home: Path) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login thief password osk_stolen\n")
    (home / ".netrc").chmod(0o600)
    with real_opensync(tmp_path) as (server, _, key), OpenSyncClient(server.url, key) as client:
        assert client.put_batch({}).errors == ()


def test_key_and_payload_stay_out_of_every_error(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent
) -> None:
    client, _ = opensync
    secret = "the-users-own-words"
    echo = f"Error: ArgumentValidationError: Value does not match.\nObject: {{text: '{secret}'}}"
    sent.faults = [said(500, echo)]
    with pytest.raises(RejectedError) as caught:
        client.put_session({**SESSION, "title": secret}, {})
    assert secret not in str(caught.value)
    assert "osk_" not in repr(caught.value) + repr(client)


def test_letters_travel_as_they_are_and_no_larger(tmp_path: Path) -> None:
    """Escaped, a Chinese text takes twice the room that a request has for it."""
    came: list[bytes] = []
    with (
        real_opensync(tmp_path, on_request=lambda _, __, body: came.append(body)) as (
            server, store, key,
        ),
        OpenSyncClient(server.url, key) as client,
    ):  # fmt: skip
        client.put_session({"externalId": "s1", "title": "会话" * 100}, {})
        (session,) = store.sessions(9)
    assert session["title"] == "会话" * 100
    assert len(came[-1]) < 3 * 200 + 100


def test_answer_is_read_up_to_the_longest_and_no_further(
    opensync: tuple[OpenSyncClient, RealStore], sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = opensync
    longest = json.dumps({"sessionId": "x" * 200_000}).encode()
    monkeypatch.setattr(clients, "LONGEST_ANSWER", len(longest))
    sent.faults = [Fault(Response(200, longest))]
    assert client.put_session(SESSION, {}) == "x" * 200_000
    sent.faults = [Fault(Response(200, longest + b" "))] * TRIES
    with pytest.raises(UnreachableError, match=r"not OpenSync's"):
        client.put_session(SESSION, {})


def test_extra_never_travels(opensync: tuple[OpenSyncClient, RealStore], sent: Sent) -> None:
    client, _ = opensync
    client.put_session(SESSION, {"gitBranch": "main"})
    assert "gitBranch" not in sent.requests[-1][2]


def test_one_connection_serves_all_calls(opensync: tuple[OpenSyncClient, RealStore]) -> None:
    client, _ = opensync
    for _ in range(5):
        client.put_session(SESSION, {})
    pools: Any = client._http.adapters["http://"].poolmanager.pools  # type: ignore[attr-defined]
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118


def test_batch_tells_how_much_was_stored(opensync: tuple[OpenSyncClient, RealStore]) -> None:
    client, _ = opensync
    session = {"sessions": [{"externalId": "s1", "title": "one"}]}
    messages = [
        {"sessionExternalId": "s1", "externalId": name, "role": "user"} for name in ("m1", "m2")
    ]
    assert client.put_batch({**session, "messages": messages}) == BatchReply(1, 2)
    assert client.put_batch({}) == BatchReply(0, 0)


@pytest.mark.parametrize("beside", [-90.0, 90.0])
def test_time_of_the_server_is_told_by_its_own_clock(
    tmp_path: Path, clock: Clock, beside: float
) -> None:
    with (
        real_opensync(tmp_path, clock=clock.ms) as (server, _, key),
        OpenSyncClient(server.url, key, clock=lambda: clock() + beside) as client,
    ):
        for _ in range(2):
            assert abs(client.server_time() - clock.ms()) <= 1
            clock.now += 60


def test_message_without_a_time_is_replaced_at_once_when_its_window_is_over(
    opensync: tuple[OpenSyncClient, RealStore], clock: Clock, sent: Sent
) -> None:
    client, _ = opensync
    undated = {"sessionExternalId": "s1", "externalId": "m1", "role": "user"}
    client.put_message(undated, {}, replaces=False)
    clock.now += 10
    dated = {**undated, "externalId": "m2", "createdAt": clock.ms()}
    client.put_message(dated, {}, replaces=False)
    sent.waits.clear()
    client.put_message(undated, {}, replaces=True)
    assert sum(sent.waits) == 0
