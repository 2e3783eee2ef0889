from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import (
    OpenSyncError,
    UnreachableError,
    UnusableDestinationError,
    UsageError,
)
from opensync_hooks.model import Json
from opensync_hooks.server import connection as connection_module
from opensync_hooks.server.routes import ROUTES, Response
from opensync_hooks.server.server import Server
from tests.opensync import FakeClock, Fault, FaultyServer

MESSAGE: Json = {"sessionExternalId": "s", "externalId": "m", "role": "user"}
WRONG = "Error: ArgumentValidationError: Value does not match validator"
NO_SESSION = "0" * 32


class Caller:
    """One kept-alive connection to one server, with its key."""

    def __init__(self, server: Server, key: str) -> None:
        self.url = server.url
        self.key = key
        self.http = requests.Session()
        self.http.trust_env = False  # a proxy or a .netrc of this machine has no say here

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return self.http.request(method, self.url + path, headers=headers, timeout=10, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        return self("POST", path, json=body, **options)


@pytest.fixture
def key() -> str:
    return new_key()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db", now=FakeClock(1_000_000)) as opened:
        yield opened


@pytest.fixture
def faults() -> list[Fault]:
    """What happens to the next requests, in this order; with none left, nothing."""
    return []


@pytest.fixture
def seen() -> list[tuple[str, str, bytes]]:
    return []


@pytest.fixture
def server(
    store: Store, key: str, faults: list[Fault], seen: list[tuple[str, str, bytes]]
) -> Iterator[Server]:
    def on_request(method: str, path: str, body: bytes) -> Fault | None:
        seen.append((method, path, body))
        return faults.pop(0) if faults else None

    with FaultyServer(store, key, on_request) as listening:
        yield listening.start()


@pytest.fixture
def call(server: Server, key: str) -> Iterator[Caller]:
    caller = Caller(server, key)
    with caller.http:
        yield caller


def raw(server: Server, request: bytes) -> bytes:
    """What comes back for these very bytes, until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_health_takes_no_key_and_tells_the_time(call: Caller) -> None:
    answer = call.get("/health", headers={"Authorization": None})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "timestamp": 1_000_000})
    assert answer.headers["Content-Type"] == "application/json"


def test_what_is_posted_is_stored_and_read_back(call: Caller) -> None:
    body = {"externalId": "s", "title": "T", "source": "pi", "cost": 0.5, "createdAt": 5}
    session_id = call.post("/sync/session", body).json()["sessionId"]
    parts = [{"type": "text", "content": "hi 😀"}]
    answer = call.post("/sync/message", {**MESSAGE, "createdAt": 6, "parts": parts}).json()
    shown = {
        **{name: body[name] for name in ("externalId", "title", "cost", "createdAt")},
        "id": session_id,
        "promptTokens": 0,
        "completionTokens": 0,
        "totalTokens": 0,
        "isPublic": False,
        "messageCount": 1,
        "updatedAt": 1_000_000,
    }
    assert answer.keys() == {"ok", "messageId"}
    assert call.get("/api/sessions").json() == {"sessions": [shown]}
    assert call.get(f"/api/sessions/get?id={session_id}").json() == {
        "session": shown,
        "messages": [
            {
                "id": answer["messageId"],
                "externalId": "m",
                "role": "user",
                "createdAt": 6,
                "parts": parts,
            }
        ],
    }
    assert call.get("/sync/sessions/list").json() == {"sessionIds": ["s"]}
    assert call.get("/api/stats").json()["totalCost"] == 0.5


def test_a_batch_answers_200_with_counts_and_errors(call: Caller) -> None:
    answer = call.post("/sync/batch", {})
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "sessions": 0, "messages": 0, "errors": []}
    body = {"sessions": [{"externalId": "s"}], "messages": [{**MESSAGE, "createdAt": 1}]}
    said = call.post("/sync/batch", body).json()
    assert (said["ok"], said["sessions"], said["messages"]) == (True, 1, 0)
    assert said["errors"][0].startswith("Messages batch error: Error: ArgumentValidationError")


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/sync/session", {}, 400, "Missing externalId or sessionId"),
        ("/sync/session", [], 400, "Missing externalId or sessionId"),
        ("/sync/session", {"externalId": "s", "title": None}, 500, f"{WRONG}. Path: .title"),
        ("/sync/message", {**MESSAGE, "role": "x"}, 500, f"{WRONG}. Path: .role"),
        ("/sync/message", {}, 500, "Error: ArgumentValidationError: Object is missing the"),
        ("/sync/message", {**MESSAGE, "textContent": "\ud83d"}, 500, "Error: Received invalid"),
        ("/sync/session", None, 500, "TypeError: "),
        ("/sync/message", None, 500, "TypeError: "),
        ("/sync/batch", None, 500, "TypeError: "),
        ("/sync/batch", 5, 500, "TypeError: "),
    ],
)
def test_a_bad_body_is_answered_as_the_real_server_does(
    call: Caller, path: str, body: Any, status: int, text: str
) -> None:
    answer = call("POST", path, data=json.dumps(body))
    assert answer.status_code == status
    assert answer.json()["error"].startswith(text)
    assert answer.json().keys() == {"error"}


@pytest.mark.parametrize("path", ["/sync/session", "/sync/message", "/sync/batch"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": NaN}', b"\x1f\x8b\x08\x00", b'{"a": ' + b"9" * 5000 + b"}"],
    ids=["empty", "broken", "no number", "gzip", "digits"],
)
def test_a_body_that_is_no_json_is_a_syntax_error(call: Caller, path: str, body: bytes) -> None:
    answer = call("POST", path, data=body)
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("SyntaxError: ")


def test_a_body_without_an_end_of_nesting_is_refused(call: Caller) -> None:
    answer = call("POST", "/sync/message", data=b"[" * 100_000)
    assert (answer.status_code, answer.json()) == (500, {"error": "Error: Value is too nested"})


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b'\xef\xbb\xbf{"externalId": "s", "title": "T"}', "T"),
        (b'{"externalId": "s", "title": "a\xffb"}', "a�b"),
        (b'{"externalId": "s", "title": "\\ud83d\\ude00"}', "😀"),
    ],
    ids=["mark", "broken letter", "escaped pair"],
)
def test_a_body_is_read_as_javascript_reads_it(
    call: Caller, store: Store, body: bytes, title: str
) -> None:
    assert call("POST", "/sync/session", data=body).status_code == 200
    assert store.sessions()[0]["title"] == title


@pytest.mark.parametrize(
    ("authorization", "text"),
    [
        (None, "Missing Authorization header"),
        ("", "Missing Authorization header"),
        ("Bearer", "Missing Authorization header"),
        ("Basic {key}", "Missing Authorization header"),
        ("bearer {key}", "Missing Authorization header"),
        ("Bearer osk_" + "x" * 32, "Invalid API key"),
        ("Bearer {key}x", "Invalid API key"),
        ("Bearer  {key}", "Invalid or expired token"),
        ("Bearer eyJhbGciOi", "Invalid or expired token"),
        ("Bearer osk_é", "Invalid API key"),
    ],
)
def test_a_wrong_key_is_told_in_the_servers_words(
    call: Caller, authorization: str | None, text: str
) -> None:
    sent = authorization.format(key=call.key).encode("latin-1") if authorization else authorization
    for method, path in ROUTES:
        if path in {"/health", "/sync/sessions/list"}:
            continue
        answer = call(method, path, headers={"Authorization": sent})
        assert (answer.status_code, answer.json()) == (401, {"error": text})


@pytest.mark.parametrize("authorization", [None, "Bearer eyJhbGciOi", "Basic x"])
def test_the_list_of_sessions_has_a_text_of_its_own_for_no_key(
    call: Caller, authorization: str | None
) -> None:
    answer = call.get("/sync/sessions/list", headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid API key format"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("GET", "/health/"),
        ("GET", "/Health"),
        ("POST", "/health"),
        ("GET", "/sync/session"),
        ("PUT", "/sync/session"),
        ("OPTIONS", "/sync/session"),
        ("DELETE", "/api/sessions"),
        ("BREW", "/api/sessions"),
        ("POST", "/sync/session/"),
        ("GET", "/api/search"),
        ("GET", "/api%2Fstats"),
    ],
)
def test_any_other_path_or_method_is_not_found(call: Caller, method: str, path: str) -> None:
    answer = call(method, path, data=b"{}")
    assert (answer.status_code, answer.text) == (404, "No matching routes found")
    assert answer.headers["Content-Type"] == "text/plain"


def test_a_head_request_has_no_body_and_leaves_the_connection_in_order(call: Caller) -> None:
    assert call("HEAD", "/health").status_code == 404
    assert call.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "count"),
    [
        ("", 200, 50),
        ("?limit=2", 200, 2),
        ("?limit=2x", 200, 2),
        ("?limit=2&limit=9", 200, 2),
        ("?limit=", 200, 50),
        ("?limit=0", 200, 0),
        ("?limit=999999999999999999999", 200, 60),
        ("?limit=-1", 500, None),
        ("?limit=x", 500, None),
    ],
)
def test_sessions_are_limited(
    call: Caller, store: Store, query: str, status: int, count: int | None
) -> None:
    store.put_batch({"sessions": [{"externalId": str(number)} for number in range(60)]})
    answer = call.get("/api/sessions" + query)
    assert answer.status_code == status
    assert count is None or len(answer.json()["sessions"]) == count


@pytest.mark.parametrize("path", ["/api/sessions/get", "/api/export"])
@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 400, "Missing session ID"),
        ("?id=", 400, "Missing session ID"),
        (f"?id={NO_SESSION}", 404, "Session not found"),
        ("?id=" + "e" * 32, 404, "Session not found"),
        ("?id=s", 500, f"{WRONG}. Path: .sessionId"),
        ("?id=%ff", 500, f"{WRONG}. Path: .sessionId"),
    ],
)
def test_a_session_is_asked_for_by_the_servers_own_id(
    call: Caller, store: Store, *, path: str, query: str, status: int, text: str
) -> None:
    store.put_session({"externalId": "e" * 32}, {})
    answer = call.get(path + query)
    assert (answer.status_code, answer.json()) == (status, {"error": text})


def test_an_export_is_json_unless_markdown_is_asked_for(call: Caller, store: Store) -> None:
    store_id = store.put_session({"externalId": "s", "title": "A\r\nb"}, {})
    store.put_message({**MESSAGE, "textContent": "hi"}, {}, replaces=False)
    said = [{"role": "user", "content": "hi"}]
    path = f"/api/export?id={store_id}"
    assert call.get(path).json() == {
        "session": {"id": store_id, "title": "A\r\nb"},
        "messages": said,
    }
    assert call.get(path + "&format=other").json()["messages"] == said
    assert call.get(path + "&format=jsonl").json() == {
        "content": json.dumps(said[0]),
        "filename": "A--b.jsonl",
    }
    markdown = call.get(path + "&format=markdown")
    assert markdown.headers["Content-Type"] == "text/markdown"
    assert markdown.headers["Content-Disposition"] == 'attachment; filename="A--b.md"'
    assert markdown.text.endswith("## User\n\nhi\n\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnreachableError("/x: the disk is full."), 503),
        (UnusableDestinationError("/x: is damaged."), 500),
        (RuntimeError("a secret"), 500),
    ],
)
def test_what_goes_wrong_inside_is_an_answer_too(
    call: Caller, store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail() -> Json:
        raise error

    monkeypatch.setattr(store, "stats", fail)
    answer = call.get("/api/stats")
    expected = str(error) if isinstance(error, OpenSyncError) else "RuntimeError inside the server"
    assert (answer.status_code, answer.json()) == (status, {"error": f"Error: {expected}"})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:{port}", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:{port}", 200),
        ("evil.example", 403),
        ("evil.example:{port}", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.1@evil.example", 403),
        ("", 403),
    ],
)
def test_only_requests_for_this_machine_are_answered(
    call: Caller, server: Server, host: str, status: int
) -> None:
    sent = host.format(port=server.server_port)
    assert call.get("/health", headers={"Host": sent}).status_code == status


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n"])
def test_no_host_or_two_are_refused(server: Server, hosts: bytes) -> None:
    assert raw(server, b"GET /health HTTP/1.1\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 403 ")


def test_it_listens_on_the_loopback_address_only(server: Server) -> None:
    assert server.socket.getsockname() == ("127.0.0.1", server.server_port)
    assert server.url == f"http://127.0.0.1:{server.server_port}"


def test_a_web_page_of_a_stranger_gets_no_permission_to_read(call: Caller) -> None:
    for method in ("GET", "OPTIONS"):
        headers = call(method, "/health", headers={"Origin": "https://evil.example"}).headers
        assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_a_connection_serves_many_requests_without_delay(call: Caller, server: Server) -> None:
    """An answer in two pieces would wait 40 ms for the acknowledgement of the first."""

    def seconds(*, renewed: bool) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        started = time.monotonic()
        for number in range(50):
            body = json.dumps({**MESSAGE, "externalId": str(number)})
            headers = {"Authorization": f"Bearer {call.key}"}
            connection.request("POST", "/sync/message", body, headers)
            first = connection.sock
            assert connection.getresponse().read()
            assert connection.sock is first
            if renewed:
                connection.close()
        connection.close()
        return time.monotonic() - started

    assert any(seconds(renewed=False) < 1.5 * seconds(renewed=True) for _ in range(4))


def test_a_body_over_20_mib_is_refused(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_module.MAX_BODY_BYTES == 20 * 1024 * 1024
    monkeypatch.setattr(connection_module, "MAX_BODY_BYTES", 1_000_000)
    assert call("POST", "/sync/message", data=b" " * 1_000_000).status_code == 500
    assert call("POST", "/sync/message", data=b" " * 1_000_001).status_code == 413
    assert call.get("/health").status_code == 200


def test_who_sends_too_much_is_heard_out_and_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_BODY_BYTES", 1_000_000)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.request("POST", "/sync/message", b" " * 12_000_000)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    "header",
    [b"Transfer-Encoding: chunked", b"Content-Length: -1", b"Content-Length: x"],
)
def test_a_body_of_unknown_length_ends_the_connection(server: Server, header: bytes) -> None:
    said = raw(
        server,
        b"POST /sync/batch HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n"
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"411"]


def test_half_a_body_is_no_request(
    server: Server, key: str, seen: list[tuple[str, str, bytes]]
) -> None:
    head = f"POST /sync/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    assert raw(server, head.encode() + b"Content-Length: 99\r\n\r\n{}") == b""
    assert seen == []


def test_a_silent_connection_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connection_module.Connection, "timeout", 0.05)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
        assert connection.recv(1) == b""
    assert capfd.readouterr().err == ""


def test_it_writes_nothing_of_what_it_sees(call: Caller, capfd: pytest.CaptureFixture[str]) -> None:
    call.post("/sync/session", {"externalId": "s", "title": "secret"})
    call.post("/sync/message", {**MESSAGE, "role": "secret"})
    call("GET", "/secret", headers={"Authorization": "Bearer secret"})
    assert capfd.readouterr() == ("", "")


def test_many_callers_at_once_are_all_served(server: Server, key: str, store: Store) -> None:
    def write(session: str) -> None:
        caller = Caller(server, key)
        with caller.http:
            for number in range(20):
                body = {**MESSAGE, "sessionExternalId": session, "externalId": f"{session}{number}"}
                assert caller.post("/sync/message", body).status_code == 200

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((found["externalId"], found["messageCount"]) for found in store.sessions()) == [
        (name, 20) for name in "abcdefgh"
    ]


@pytest.mark.parametrize(
    ("fault", "status", "stored"),
    [
        (Fault(), None, False),
        (Fault(stored=True), None, True),
        (Fault(Response(503, b"<html>", {"Retry-After": "1"})), 503, False),
        (Fault(Response(502, b""), stored=True), 502, True),
    ],
    ids=["lost before", "lost after", "refused before", "lost in a gateway"],
)
def test_a_fault_happens_once_and_to_one_request(
    call: Caller,
    store: Store,
    faults: list[Fault],
    *,
    fault: Fault,
    status: int | None,
    stored: bool,
) -> None:
    faults.append(fault)
    try:
        answer = call.post("/sync/session", {"externalId": "s"})
    except requests.ConnectionError:
        assert status is None
    else:
        assert answer.status_code == status
        assert "Retry-After" in answer.headers or status == 502
    assert (store.session("s") is not None) is stored
    assert call.post("/sync/session", {"externalId": "s"}).status_code == 200


def test_a_fault_is_chosen_by_method_path_and_body(
    call: Caller, seen: list[tuple[str, str, bytes]]
) -> None:
    call("POST", "/sync/batch?x=1", data=b"{ }")
    assert seen == [("POST", "/sync/batch?x=1", b"{ }")]


def test_closing_ends_kept_alive_connections_at_once(
    store: Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensync_hooks.server.server.CLOSE_TIMEOUT_S", 60)
    server = Server(store, key).start()
    caller = Caller(server, key)
    with caller.http:
        assert caller.get("/health").status_code == 200
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < 30
        with pytest.raises(requests.ConnectionError):
            caller.get("/health")
    assert not server._connections


def test_closing_lets_a_request_finish_that_is_being_stored(store: Store, key: str) -> None:
    begun = threading.Event()

    def on_request(_method: str, _path: str, _body: bytes) -> None:
        begun.set()
        time.sleep(0.2)

    answers: list[int] = []
    server = FaultyServer(store, key, on_request).start()
    caller = Caller(server, key)

    def post() -> None:
        answers.append(caller.post("/sync/session", {"externalId": "s"}).status_code)

    with caller.http:
        thread = threading.Thread(target=post)
        thread.start()
        begun.wait(5)
        server.close()
        thread.join(5)
    assert answers == [200]
    assert store.session_ids() == ["s"]


@pytest.mark.parametrize("start", [True, False], ids=["after its start", "without one"])
def test_a_server_is_closed_as_often_as_one_likes(store: Store, key: str, *, start: bool) -> None:
    with Server(store, key) as server:
        if start:
            server.start()
        server.close()


def test_a_new_key_is_one_of_opensyncs_form_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"osk_[A-Za-z0-9_-]{32}", key) for key in keys)


@pytest.mark.parametrize("key", ["", "osk_", "osk_short", "x" * 36, "osk_" + "ü" * 32])
def test_a_key_that_is_easy_to_guess_is_no_key(store: Store, key: str) -> None:
    with pytest.raises(UsageError, match="osk_"):
        Server(store, key)


def test_a_port_that_is_taken_is_named(store: Store, server: Server, key: str) -> None:
    for port in (server.server_port, 99_999):
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}: cannot listen") as refused:
            Server(store, key, port)
        assert refused.value.hint
