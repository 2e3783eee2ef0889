"""What is requested, and what the server may answer, when a session is read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.errors import RejectedError, UnreachableError, UnusableDestinationError
from opensync_hooks.model import Json
from opensync_hooks.server.routes import Response
from tests.opensync import Fault, RealStore, real_opensync


class Deployment:
    """A running OpenSync with two sessions, a client of it, and the requests that it received."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.faults: dict[str, Fault] = {}
        self.store: RealStore
        self.client: OpenSyncClient
        self.remote_id = ""

    def __call__(self, method: str, path: str, body: bytes) -> Fault | None:
        self.requests.append((method, path))
        self.bodies.append(body)
        return self.faults.get(path.partition("?")[0])

    def respond(self, path: str, value: Any, status: int = 200) -> None:
        """Answer this path with a value from now on."""
        self.faults[path] = Fault(Response(status, json.dumps(value).encode()))

    def fetch(self) -> Json | None:
        return self.client.fetch("mine", self.remote_id)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    running = Deployment()
    with (
        real_opensync(tmp_path, on_request=running) as (server, running.store, key),
        OpenSyncClient(server.url, key, sleep=lambda _: None) as running.client,
    ):
        running.store.put_session({"externalId": "other", "title": "Not this"}, {})
        running.remote_id = running.store.put_session({"externalId": "mine", "title": "This"}, {})
        message = {"sessionExternalId": "mine", "externalId": "m1", "role": "user"}
        running.store.put_message({**message, "textContent": "hello"}, {}, replaces=False)
        yield running


def test_session_is_requested_by_the_servers_own_id(deployment: Deployment) -> None:
    session = deployment.fetch()
    assert session
    assert session["session"]["title"] == "This"
    assert [message["textContent"] for message in session["messages"]] == ["hello"]
    assert deployment.requests == [("GET", f"/api/sessions/get?id={deployment.remote_id}")]
    assert deployment.bodies == [b""], "some proxies refuse a GET with a body"


def test_without_the_servers_id_the_newest_sessions_are_searched(deployment: Deployment) -> None:
    session = deployment.client.fetch("mine", None)
    assert session == deployment.fetch()
    assert deployment.requests[:2] == [
        ("GET", "/api/sessions?limit=200"),
        ("GET", f"/api/sessions/get?id={deployment.remote_id}"),
    ]
    deployment.requests.clear()
    assert deployment.client.fetch("unknown", None) is None
    assert deployment.requests == [("GET", "/api/sessions?limit=200")]


def test_id_of_another_deployment_is_quoted_and_matches_nothing(deployment: Deployment) -> None:
    assert deployment.client.fetch("mine", "an id/of?another&deployment") is None
    path = "/api/sessions/get?id=an%20id%2Fof%3Fanother%26deployment"
    assert deployment.requests == [("GET", path)]


def test_deleted_session_is_none(deployment: Deployment) -> None:
    deployment.store.delete_session("mine")
    assert deployment.fetch() is None
    assert len(deployment.requests) == 1


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"Not Found", UnreachableError), (b"No matching routes found", UnusableDestinationError)],
    ids=["another site", "another Convex project"],
)
def test_other_site_at_the_url_is_not_a_deleted_session(
    deployment: Deployment, body: bytes, error: type[Exception]
) -> None:
    deployment.faults = {"/api/sessions/get": Fault(Response(404, body))}
    with pytest.raises(error):
        deployment.fetch()


def test_session_that_opensync_cannot_open_is_an_error_of_its_own(deployment: Deployment) -> None:
    body = {"error": "Error: Too many bytes read in a single function execution"}
    deployment.respond("/api/sessions/get", body, 500)
    with pytest.raises(RejectedError) as caught:
        deployment.fetch()
    assert str(caught.value) == (
        f"{deployment.client.name}: can no longer open this session, so it cannot be compared."
    )
    assert caught.value.hint == "OpenSync opens at most 4,094 messages and 16 MiB."


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"session": None, "messages": []},
        {"session": "mine", "messages": []},
        {"session": {}, "messages": []},
        {"session": {"id": 1}, "messages": []},
        {"session": {"id": "x"}},
        {"session": {"id": "x"}, "messages": None},
        {"session": {"id": "x"}, "messages": {}},
        {"session": {"id": "x"}, "messages": [1]},
        {"session": {"id": "x"}, "messages": [{}, None]},
        {"session": {"id": "x"}, "messages": [{"parts": None}]},
        {"session": {"id": "x"}, "messages": [{"parts": {}}]},
        {"session": {"id": "x"}, "messages": [{"parts": [{}, None]}]},
    ],
    ids=range(13),
)
def test_response_of_another_shape_is_not_from_opensync(deployment: Deployment, value: Any) -> None:
    deployment.respond("/api/sessions/get", value)
    with pytest.raises(UnreachableError) as caught:
        deployment.fetch()
    assert str(caught.value) == f"{deployment.client.name}: the response is not from OpenSync."


def test_message_without_parts_is_accepted(deployment: Deployment) -> None:
    value = {"session": {"id": "x"}, "messages": [{"role": "user"}, {"parts": [{"type": "text"}]}]}
    deployment.respond("/api/sessions/get", value)
    assert deployment.fetch() == value


@pytest.mark.parametrize("sessions", [None, {}, 7, "mine", [], ["mine", None]], ids=range(6))
def test_list_of_another_shape_names_no_session(deployment: Deployment, sessions: Any) -> None:
    deployment.respond("/api/sessions", {"sessions": sessions})
    assert deployment.client.fetch("mine", None) is None


def test_malformed_entry_of_the_list_hides_no_session(deployment: Deployment) -> None:
    sessions = ["odd", {"id": "x"}, {"externalId": "mine", "id": deployment.remote_id}]
    deployment.respond("/api/sessions", {"sessions": sessions})
    assert deployment.client.fetch("mine", None)
