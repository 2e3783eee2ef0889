"""The client against the real server's traps, over a socket."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.opensync import transport
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.opensync.transport import MAX_ATTEMPTS, MAX_RETRY_WAIT_S
from opensync_hooks.destinations.protocol import BatchReply, set_title
from opensync_hooks.errors import (
    KeyRefusedError,
    OpenSyncError,
    RejectedError,
    UnreachableError,
    UnusableDestinationError,
)
from opensync_hooks.model import Json
from opensync_hooks.server.routes import Response
from tests.opensync import Fault, RealStore, real_opensync

WINDOW_AND_MARGIN = pytest.approx(5.5, abs=0.003)
"""Seconds: the server's window, and half a second because two clocks never agree."""
SESSION = {"externalId": "s1", "title": "One", "createdAt": 1_700_000_000_000}


class Traffic:
    """Records every request; answers with `faults` in their order, then truly."""

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
    """Time that passes only when the client sleeps, so that no test has to wait."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def ms(self) -> int:
        return int(self.now * 1000)


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opensync(
    tmp_path: Path, traffic: Traffic, clock: Clock
) -> Iterator[tuple[OpenSyncClient, RealStore]]:
    def sleep(seconds: float) -> None:
        traffic.waits.append(seconds)
        clock.now += seconds

    with (
        real_opensync(tmp_path, clock=clock.ms, on_request=traffic) as (server, store, key),
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
    return [part["content"] for message in session["messages"] for part in message["parts"]]


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


def test_second_version_of_a_young_message_waits_for_the_window_and_wins(
    opensync: tuple[OpenSyncClient, RealStore], clock: Clock, traffic: Traffic
) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    young = clock.ms()
    client.put_message(message(remote_id, text="half", createdAt=young), {}, replaces=False)
    client.put_message(message(remote_id, text="whole", createdAt=young), {}, replaces=True)
    assert stored_texts(store) == ["whole"]
    assert sum(traffic.waits) == WINDOW_AND_MARGIN


def test_second_version_of_an_undated_message_waits_for_the_window_once(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic
) -> None:
    """The server dates it by its own clock, and would ignore the second version."""
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    for text in ("half", "whole"):
        body = message(remote_id, text=text)
        del body["createdAt"]
        client.put_message(body, {}, replaces=text == "whole")
    assert stored_texts(store) == ["whole"]
    assert sum(traffic.waits) == WINDOW_AND_MARGIN
    client.put_message(body, {}, replaces=True)
    assert sum(traffic.waits) == WINDOW_AND_MARGIN


def test_second_version_of_an_old_message_does_not_wait(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic
) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    for text in ("half", "whole"):
        client.put_message(message(remote_id, text=text), {}, replaces=True)
    assert stored_texts(store) == ["whole"]
    assert sum(traffic.waits) == 0


def test_time_in_the_servers_future_is_limited_to_now(
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
    set_title(client, "s1", "Two")
    session = store.session("s1")
    assert session
    assert session["session"]["title"] == "Two"
    assert "find me" in store.search_text["s1"]


def test_message_whose_emoji_the_server_would_split_is_shifted_and_stored(
    opensync: tuple[OpenSyncClient, RealStore],
) -> None:
    client, store = opensync
    remote_id = client.put_session({**SESSION, "title": "x"}, {})
    # "x" and a blank come first, so an emoji's two UTF-16 units straddle the 10,000th.
    split = "a" * 9_997 + "🎉" * 3
    call = {"type": "tool-call", "content": {"id": "t1", "name": "Bash", "args": {}}}
    texts = [{"type": "text", "content": text} for text in (split, "the end")]
    client.put_message(message(remote_id, parts=[call, *texts]), {}, replaces=False)
    session = store.session("s1")
    assert session
    parts = session["messages"][0]["parts"]
    assert [part["content"] for part in parts] == [call["content"], " " + split, "the end"]


def test_batch_that_stored_nothing_is_not_a_success(
    opensync: tuple[OpenSyncClient, RealStore],
) -> None:
    client, _ = opensync
    with pytest.raises(RejectedError, match="ArgumentValidationError"):
        client.put_batch({"sessions": [{"externalId": "s1", "createdAt": 1}]})


# ---- classes of responses ------------------------------------------------------------------------


def error(status: int, text: str, **headers: str) -> Fault:
    return Fault(Response(status, json.dumps({"error": text}).encode(), headers))


BROKEN = Fault()
LOST_RESPONSE = Fault(stored=True)
TEMPORARY = {
    "broken connection": BROKEN,
    "408": error(408, "Request Timeout"),
    "425": error(425, "Too Early"),
    "429": error(429, "Too Many Requests"),
    "502": error(502, "Bad Gateway"),
    "503 in html": Fault(Response(503, b"<html>busy</html>")),
    "504": error(504, "Gateway Timeout"),
    "500 conflict": error(
        500, 'Documents read from or written to the "sessions" table changed while this mutation'
    ),
    "500 overload": error(500, "Too many concurrent requests"),
    "500 incomplete": error(500, "Your request couldn't be completed. Try again later."),
    "500 without a text": error(500, ""),
    "401 during the key lookup": error(401, "API key validation failed: Error: overloaded"),
    "200 in html": Fault(Response(200, b"<html>hotel login</html>")),
    "302": Fault(Response(302, b"", {"Location": "http://127.0.0.1:1/"})),
    "401 in html": Fault(Response(401, b"<html>proxy login</html>")),
    "403": error(403, "Forbidden"),
    "403 in html": Fault(Response(403, b"<html>company policy</html>")),
    "404 in html": Fault(Response(404, b"<html>portal</html>")),
    "511": Fault(Response(511, b"")),
    "500 in html": Fault(Response(500, b" <!doctype html><p>oops</p>")),
    "200 cut short": Fault(Response(200, b'{"ok": tr')),
}


@pytest.mark.parametrize("fault", TEMPORARY.values(), ids=TEMPORARY)
def test_temporary_failure_is_retried_and_stored_once(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic, fault: Fault
) -> None:
    client, store = opensync
    traffic.faults = [fault] * (MAX_ATTEMPTS - 1)
    client.put_session(SESSION, {})
    assert len(traffic.requests) == MAX_ATTEMPTS
    assert store.stats()["sessionCount"] == 1


@pytest.mark.parametrize("fault", TEMPORARY.values(), ids=TEMPORARY)
def test_lasting_failure_is_unreachable_after_three_attempts(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic, fault: Fault
) -> None:
    client, _ = opensync
    traffic.faults = [fault] * 9
    with pytest.raises(UnreachableError):
        client.put_session(SESSION, {})
    assert len(traffic.requests) == MAX_ATTEMPTS


PERMANENT: dict[str, tuple[Fault, type[OpenSyncError]]] = {
    "401": (error(401, "Invalid API key"), KeyRefusedError),
    "404": (Fault(Response(404, b"No matching routes found")), UnusableDestinationError),
    "400": (error(400, "Missing externalId or sessionId"), RejectedError),
    "413": (error(413, "too big"), RejectedError),
    "422": (error(422, "no"), RejectedError),
    "500 validation": (error(500, "Error: ArgumentValidationError: no"), RejectedError),
    "500 field name": (error(500, "Error: Field name $ref starts with a '$'"), RejectedError),
    "500 size": (error(500, "Error: Value is too large (2 MiB > 1 MiB)"), RejectedError),
    "500 nesting": (error(500, "Error: Document is too nested"), RejectedError),
    "500 reads": (error(500, "Too many reads in a single function execution"), RejectedError),
    "500 type": (error(500, "TypeError: Cannot read properties of null"), RejectedError),
}


@pytest.mark.parametrize(("fault", "expected"), PERMANENT.values(), ids=PERMANENT)
def test_permanent_failure_is_not_retried(
    opensync: tuple[OpenSyncClient, RealStore],
    traffic: Traffic,
    fault: Fault,
    expected: type[OpenSyncError],
) -> None:
    client, _ = opensync
    traffic.faults = [fault] * 9
    with pytest.raises(expected):
        client.put_session(SESSION, {})
    assert len(traffic.requests) == 1


def test_lost_responses_store_a_message_once(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic
) -> None:
    client, store = opensync
    remote_id = client.put_session(SESSION, {})
    traffic.faults = [LOST_RESPONSE, LOST_RESPONSE]
    client.put_message(message(remote_id), {}, replaces=False)
    assert stored_texts(store) == ["hello"]
    assert store.stats()["messageCount"] == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_in_either_form_is_waited_for(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic, form: str
) -> None:
    client, _ = opensync
    date = email.utils.formatdate(time.time() + 7, usegmt=True)
    retry_after = {"seconds": "7", "date": date}[form]
    traffic.faults = [error(429, "slow down", **{"Retry-After": retry_after})]
    client.put_session(SESSION, {})
    assert 5 < sum(traffic.waits) <= 8


def test_rate_limit_is_waited_for_however_often_it_is_reached(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic
) -> None:
    client, _ = opensync
    traffic.faults = [error(429, "slow down", **{"Retry-After": "12"})] * 20
    client.put_session(SESSION, {})
    assert 240 <= sum(traffic.waits) <= 264
    traffic.faults = [error(429, "slow down", **{"Retry-After": "12"})] * 30
    with pytest.raises(UnreachableError):
        client.put_session(SESSION, {})


def test_wait_that_is_too_long_is_left_to_a_later_worker(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic
) -> None:
    client, _ = opensync
    traffic.faults = [error(503, "later", **{"Retry-After": str(MAX_RETRY_WAIT_S + 1)})] * 3
    with pytest.raises(UnreachableError):
        client.put_session(SESSION, {})
    assert (len(traffic.requests), traffic.waits) == (1, [])


def test_waits_between_attempts_grow(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic
) -> None:
    client, _ = opensync
    traffic.faults = [BROKEN] * 9
    with pytest.raises(UnreachableError):
        client.put_session(SESSION, {})
    first, second = traffic.waits
    assert 0.4 <= first <= 0.6 < second <= 1.2


def test_closed_port_is_unreachable() -> None:
    with (
        OpenSyncClient("http://127.0.0.1:1", "osk_x", sleep=lambda _: None) as client,
        pytest.raises(UnreachableError, match="nothing is listening there"),
    ):
        client.put_batch({})


# ---- the key -------------------------------------------------------------------------------------


def test_netrc_does_not_replace_the_key(tmp_path: Path, home: Path) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login thief password osk_stolen\n")
    (home / ".netrc").chmod(0o600)
    with real_opensync(tmp_path) as (server, _, key), OpenSyncClient(server.url, key) as client:
        assert client.put_batch({}).errors == ()


def test_key_and_payload_stay_out_of_every_error(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic
) -> None:
    client, _ = opensync
    secret = "the-user's-prompt"
    echo = f"Error: ArgumentValidationError: Value does not match.\nObject: {{text: '{secret}'}}"
    traffic.faults = [error(500, echo)]
    with pytest.raises(RejectedError) as caught:
        client.put_session({**SESSION, "title": secret}, {})
    assert secret not in str(caught.value)
    assert "osk_" not in repr(caught.value) + repr(client)


def test_non_ascii_text_is_sent_unescaped(tmp_path: Path) -> None:
    """Escaped, a Chinese text would take twice the bytes."""
    bodies: list[bytes] = []
    with (
        real_opensync(tmp_path, on_request=lambda _, __, body: bodies.append(body)) as (
            server, store, key,
        ),
        OpenSyncClient(server.url, key) as client,
    ):  # fmt: skip
        client.put_session({"externalId": "s1", "title": "会话" * 100}, {})
        (session,) = store.sessions(9)
    assert session["title"] == "会话" * 100
    assert len(bodies[-1]) < 3 * 200 + 100


def test_response_is_read_up_to_the_limit_and_no_further(
    opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = opensync
    largest = json.dumps({"sessionId": "x" * 200_000}).encode()
    monkeypatch.setattr(transport, "MAX_RESPONSE_BYTES", len(largest))
    traffic.faults = [Fault(Response(200, largest))]
    assert client.put_session(SESSION, {}) == "x" * 200_000
    traffic.faults = [Fault(Response(200, largest + b" "))] * MAX_ATTEMPTS
    with pytest.raises(UnreachableError, match="not from OpenSync"):
        client.put_session(SESSION, {})


def test_extra_is_not_sent(opensync: tuple[OpenSyncClient, RealStore], traffic: Traffic) -> None:
    client, _ = opensync
    client.put_session(SESSION, {"gitBranch": "main"})
    assert "gitBranch" not in traffic.requests[-1][2]


def test_one_connection_serves_all_calls(opensync: tuple[OpenSyncClient, RealStore]) -> None:
    client, _ = opensync
    for _ in range(5):
        client.put_session(SESSION, {})
    pools: Any = client._transport._http.adapters["http://"].poolmanager.pools  # type: ignore[attr-defined]
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118


def test_batch_returns_how_much_was_stored(opensync: tuple[OpenSyncClient, RealStore]) -> None:
    client, _ = opensync
    session = {"sessions": [{"externalId": "s1", "title": "one"}]}
    messages = [
        {"sessionExternalId": "s1", "externalId": name, "role": "user"} for name in ("m1", "m2")
    ]
    assert client.put_batch({**session, "messages": messages}) == BatchReply(1, 2)
    assert client.put_batch({}) == BatchReply(0, 0)


@pytest.mark.parametrize("skew_s", [-90.0, 90.0])
def test_server_time_follows_the_servers_clock(tmp_path: Path, clock: Clock, skew_s: float) -> None:
    with (
        real_opensync(tmp_path, clock=clock.ms) as (server, _, key),
        OpenSyncClient(server.url, key, clock=lambda: clock() + skew_s) as client,
    ):
        for _ in range(2):
            assert abs(client.server_time() - clock.ms()) <= 1
            clock.now += 60


def test_undated_message_is_replaced_at_once_after_its_window(
    opensync: tuple[OpenSyncClient, RealStore], clock: Clock, traffic: Traffic
) -> None:
    client, _ = opensync
    undated = {"sessionExternalId": "s1", "externalId": "m1", "role": "user"}
    client.put_message(undated, {}, replaces=False)
    clock.now += 10
    dated = {**undated, "externalId": "m2", "createdAt": clock.ms()}
    client.put_message(dated, {}, replaces=False)
    traffic.waits.clear()
    client.put_message(undated, {}, replaces=True)
    assert sum(traffic.waits) == 0
