"""OpenSync's routes and the HTTP server over the embedded store, over real connections."""

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
MISMATCH = "Error: ArgumentValidationError: Value does not match validator"
NO_SESSION = "0" * 32


class Caller:
    """One kept-alive connection to one server, with its key."""

    def __init__(self, server: Server, key: str) -> None:
        self.url = server.url
        self.key = key
        self.http = requests.Session()
        self.http.trust_env = False  # no proxy and no .netrc of this machine

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
    with Store(tmp_path / "store.db", now=FakeClock(1_000_000)) as store:
        yield store


@pytest.fixture
def faults() -> list[Fault]:
    """The faults of the next requests, in order."""
    return []


@pytest.fixture
def requests_seen() -> list[tuple[str, str, bytes]]:
    return []


@pytest.fixture
def server(
    store: Store, key: str, faults: list[Fault], requests_seen: list[tuple[str, str, bytes]]
) -> Iterator[Server]:
    def on_request(method: str, path: str, body: bytes) -> Fault | None:
        requests_seen.append((method, path, body))
        return faults.pop(0) if faults else None

    with FaultyServer(store, key, on_request) as listening:
        yield listening.start()


@pytest.fixture
def call(server: Server, key: str) -> Iterator[Caller]:
    caller = Caller(server, key)
    with caller.http:
        yield caller


def raw_response(server: Server, request: bytes) -> bytes:
    """Return all that the server sends until it ends the connection."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_health_needs_no_key_and_has_the_time(call: Caller) -> None:
    answer = call.get("/health", headers={"Authorization": None})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "timestamp": 1_000_000})
    assert answer.headers["Content-Type"] == "application/json"


def test_posted_session_and_message_are_read_back(call: Caller) -> None:
    body = {"externalId": "s", "title": "T", "source": "pi", "cost": 0.5, "createdAt": 5}
    session_id = call.post("/sync/session", body).json()["sessionId"]
    parts = [{"type": "text", "content": "hi 😀"}]
    answer = call.post("/sync/message", {**MESSAGE, "createdAt": 6, "parts": parts}).json()
    session = {
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
    assert call.get("/api/sessions").json() == {"sessions": [session]}
    assert call.get(f"/api/sessions/get?id={session_id}").json() == {
        "session": session,
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


def test_batch_answers_200_with_counts_and_errors(call: Caller) -> None:
    answer = call.post("/sync/batch", {})
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "sessions": 0, "messages": 0, "errors": []}
    body = {"sessions": [{"externalId": "s"}], "messages": [{**MESSAGE, "createdAt": 1}]}
    reply = call.post("/sync/batch", body).json()
    assert (reply["ok"], reply["sessions"], reply["messages"]) == (True, 1, 0)
    assert reply["errors"][0].startswith("Messages batch error: Error: ArgumentValidationError")


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/sync/session", {}, 400, "Missing externalId or sessionId"),
        ("/sync/session", [], 400, "Missing externalId or sessionId"),
        ("/sync/session", {"externalId": "s", "title": None}, 500, f"{MISMATCH}. Path: .title"),
        ("/sync/message", {**MESSAGE, "role": "x"}, 500, f"{MISMATCH}. Path: .role"),
        ("/sync/message", {}, 500, "Error: ArgumentValidationError: Object is missing the"),
        ("/sync/message", {**MESSAGE, "textContent": "\ud83d"}, 500, "Error: Received invalid"),
        ("/sync/session", None, 500, "TypeError: "),
        ("/sync/message", None, 500, "TypeError: "),
        ("/sync/batch", None, 500, "TypeError: "),
        ("/sync/batch", 5, 500, "TypeError: "),
    ],
)
def test_invalid_body_is_answered_as_by_the_real_server(
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
    ids=["empty", "broken", "NaN", "gzip", "digits"],
)
def test_body_that_is_not_json_is_a_syntax_error(call: Caller, path: str, body: bytes) -> None:
    answer = call("POST", path, data=body)
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("SyntaxError: ")


def test_too_deeply_nested_body_is_refused(call: Caller) -> None:
    answer = call("POST", "/sync/message", data=b"[" * 100_000)
    assert (answer.status_code, answer.json()) == (500, {"error": "Error: Value is too nested"})


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b'\xef\xbb\xbf{"externalId": "s", "title": "T"}', "T"),
        (b'{"externalId": "s", "title": "a\xffb"}', "a�b"),
        (b'{"externalId": "s", "title": "\\ud83d\\ude00"}', "😀"),
    ],
    ids=["BOM", "invalid UTF-8", "surrogate pair"],
)
def test_body_is_parsed_as_by_javascript(
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
def test_wrong_key_is_refused_with_the_servers_text(
    call: Caller, authorization: str | None, text: str
) -> None:
    header = authorization and authorization.format(key=call.key).encode("latin-1")
    for method, path in ROUTES:
        if path in {"/health", "/sync/sessions/list"}:
            continue
        answer = call(method, path, headers={"Authorization": header})
        assert (answer.status_code, answer.json()) == (401, {"error": text})


@pytest.mark.parametrize("authorization", [None, "Bearer eyJhbGciOi", "Basic x"])
def test_session_list_has_its_own_text_for_a_missing_key(
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
def test_other_path_or_method_is_not_found(call: Caller, method: str, path: str) -> None:
    answer = call(method, path, data=b"{}")
    assert (answer.status_code, answer.text) == (404, "No matching routes found")
    assert answer.headers["Content-Type"] == "text/plain"


def test_head_response_has_no_body_and_keeps_the_connection(call: Caller) -> None:
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
def test_session_list_is_limited(
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
        ("?id=s", 500, f"{MISMATCH}. Path: .sessionId"),
        ("?id=%ff", 500, f"{MISMATCH}. Path: .sessionId"),
    ],
)
def test_session_is_requested_by_the_servers_own_id(
    call: Caller, store: Store, *, path: str, query: str, status: int, text: str
) -> None:
    store.put_session({"externalId": "e" * 32}, {})
    answer = call.get(path + query)
    assert (answer.status_code, answer.json()) == (status, {"error": text})


def test_export_is_json_by_default(call: Caller, store: Store) -> None:
    store_id = store.put_session({"externalId": "s", "title": "A\r\nb"}, {})
    store.put_message({**MESSAGE, "textContent": "hi"}, {}, replaces=False)
    texts = [{"role": "user", "content": "hi"}]
    path = f"/api/export?id={store_id}"
    assert call.get(path).json() == {
        "session": {"id": store_id, "title": "A\r\nb"},
        "messages": texts,
    }
    assert call.get(path + "&format=other").json()["messages"] == texts
    assert call.get(path + "&format=jsonl").json() == {
        "content": json.dumps(texts[0]),
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
def test_internal_error_is_answered(
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
def test_only_requests_to_this_machine_are_answered(
    call: Caller, server: Server, host: str, status: int
) -> None:
    header = host.format(port=server.server_port)
    assert call.get("/health", headers={"Host": header}).status_code == status


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n"])
def test_missing_or_second_host_header_is_refused(server: Server, hosts: bytes) -> None:
    assert raw_response(server, b"GET /health HTTP/1.1\r\n" + hosts + b"\r\n").startswith(
        b"HTTP/1.1 403 "
    )


def test_server_listens_on_the_loopback_address_only(server: Server) -> None:
    assert server.socket.getsockname() == ("127.0.0.1", server.server_port)
    assert server.url == f"http://127.0.0.1:{server.server_port}"


def test_foreign_web_page_gets_no_cors_header(call: Caller) -> None:
    for method in ("GET", "OPTIONS"):
        headers = call(method, "/health", headers={"Origin": "https://evil.example"}).headers
        assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_kept_alive_connection_has_no_delay(call: Caller, server: Server) -> None:
    """With Nagle's algorithm, each response would wait 40 ms for an acknowledgement."""

    def seconds(*, reconnect: bool) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        started = time.monotonic()
        for number in range(50):
            body = json.dumps({**MESSAGE, "externalId": str(number)})
            headers = {"Authorization": f"Bearer {call.key}"}
            connection.request("POST", "/sync/message", body, headers)
            first = connection.sock
            assert connection.getresponse().read()
            assert connection.sock is first
            if reconnect:
                connection.close()
        connection.close()
        return time.monotonic() - started

    assert any(seconds(reconnect=False) < 1.5 * seconds(reconnect=True) for _ in range(4))


def test_body_over_20_mib_is_refused(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_module.MAX_BODY_BYTES == 20 * 1024 * 1024
    monkeypatch.setattr(connection_module, "MAX_BODY_BYTES", 1_000_000)
    assert call("POST", "/sync/message", data=b" " * 1_000_000).status_code == 500
    assert call("POST", "/sync/message", data=b" " * 1_000_001).status_code == 413
    assert call.get("/health").status_code == 200


def test_too_large_body_is_drained_and_answered(
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
def test_body_of_unknown_length_ends_the_connection(server: Server, header: bytes) -> None:
    responses = raw_response(
        server,
        b"POST /sync/batch HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n"
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    assert re.findall(rb"HTTP/1.1 (\d+)", responses) == [b"411"]


def test_half_a_body_is_not_a_request(
    server: Server, key: str, requests_seen: list[tuple[str, str, bytes]]
) -> None:
    head = f"POST /sync/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    assert raw_response(server, head.encode() + b"Content-Length: 99\r\n\r\n{}") == b""
    assert requests_seen == []


def test_silent_connection_is_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connection_module.Connection, "timeout", 0.05)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
        assert connection.recv(1) == b""
    assert capfd.readouterr().err == ""


def test_server_writes_nothing_about_requests(
    call: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    call.post("/sync/session", {"externalId": "s", "title": "secret"})
    call.post("/sync/message", {**MESSAGE, "role": "secret"})
    call("GET", "/secret", headers={"Authorization": "Bearer secret"})
    assert capfd.readouterr() == ("", "")


def test_parallel_clients_are_all_served(server: Server, key: str, store: Store) -> None:
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
    counts = {session["externalId"]: session["messageCount"] for session in store.sessions()}
    assert counts == dict.fromkeys("abcdefgh", 20)


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
def test_fault_of_the_tests_server_happens_to_one_request(
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


def test_fault_of_the_tests_server_sees_method_path_and_body(
    call: Caller, requests_seen: list[tuple[str, str, bytes]]
) -> None:
    call("POST", "/sync/batch?x=1", data=b"{ }")
    assert requests_seen == [("POST", "/sync/batch?x=1", b"{ }")]


def test_close_ends_kept_alive_connections_at_once(
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


def test_close_completes_a_request_that_is_being_stored(store: Store, key: str) -> None:
    is_storing = threading.Event()

    def on_request(_method: str, _path: str, _body: bytes) -> None:
        is_storing.set()
        time.sleep(0.2)

    answers: list[int] = []
    server = FaultyServer(store, key, on_request).start()
    caller = Caller(server, key)

    def post() -> None:
        answers.append(caller.post("/sync/session", {"externalId": "s"}).status_code)

    with caller.http:
        thread = threading.Thread(target=post)
        thread.start()
        is_storing.wait(5)
        server.close()
        thread.join(5)
    assert answers == [200]
    assert store.session_ids() == ["s"]


@pytest.mark.parametrize("start", [True, False], ids=["after its start", "without one"])
def test_server_can_be_closed_twice(store: Store, key: str, *, start: bool) -> None:
    with Server(store, key) as server:
        if start:
            server.start()
        server.close()


def test_new_key_has_opensyncs_form_and_is_unique() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"osk_[A-Za-z0-9_-]{32}", key) for key in keys)


@pytest.mark.parametrize("key", ["", "osk_", "osk_short", "x" * 36, "osk_" + "ü" * 32])
def test_malformed_key_is_refused(store: Store, key: str) -> None:
    with pytest.raises(UsageError, match="osk_"):
        Server(store, key)


def test_port_in_use_is_named_in_the_error(store: Store, server: Server, key: str) -> None:
    for port in (server.server_port, 99_999):
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}: cannot listen") as refused:
            Server(store, key, port)
        assert refused.value.hint
