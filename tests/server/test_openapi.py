"""The OpenAPI file describes the routes as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store import reader, validation
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json
from opensync_hooks.server.routes import _ID_FORM, ROUTES, Request, respond

API: Json = json.loads(files("opensync_hooks.server").joinpath("openapi.json").read_text())
SCHEMAS: Json = API["components"]["schemas"]
KEY = new_key()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as opened:
        yield opened


def test_every_route_is_described_and_no_other() -> None:
    described = {
        (method.upper(), path) for path, methods in API["paths"].items() for method in methods
    }
    assert described == set(ROUTES)


def test_fields_of_bodies_are_those_that_are_validated() -> None:
    assert set(SCHEMAS["Session"]["properties"]) == set(validation._SESSION.checks)
    assert set(SCHEMAS["Message"]["properties"]) == set(validation._MESSAGE.checks)
    assert set(SCHEMAS["BatchSession"]["properties"]) == set(validation._BATCH_SESSION.checks)
    assert set(SCHEMAS["BatchMessage"]["properties"]) == set(validation._BATCH_MESSAGE.checks)
    assert SCHEMAS["Message"]["properties"]["role"]["enum"] == list(validation._ROLES)
    assert SCHEMAS["Message"]["required"] == [*validation._MESSAGE.required]


def test_fields_of_answers_are_those_that_are_sent() -> None:
    assert set(SCHEMAS["StoredSession"]["properties"]) == set(reader.SESSION_FIELDS)
    assert set(SCHEMAS["StoredMessage"]["properties"]) == set(reader.MESSAGE_FIELDS)


BODIES: list[tuple[str, str, bytes]] = [
    ("POST", "/sync/session", b'{"externalId": "s", "title": "T", "cost": 0.5}'),
    ("POST", "/sync/session", b"{}"),
    ("POST", "/sync/session", b"["),
    ("POST", "/sync/message", b'{"sessionExternalId": "s", "externalId": "m", "role": "user"}'),
    ("POST", "/sync/message", b'{"sessionExternalId": "t", "externalId": "m", "role": "user"}'),
    ("POST", "/sync/message", b'{"role": 5}'),
    ("POST", "/sync/batch", b'{"sessions": [{"externalId": "b"}], "messages": [1]}'),
    ("POST", "/sync/batch", b"null"),
    ("GET", "/sync/sessions/list", b""),
    ("GET", "/api/sessions", b""),
    ("GET", "/api/sessions/get", b""),
    ("GET", "/api/stats", b""),
    ("GET", "/health", b""),
]


@pytest.mark.parametrize(("method", "path", "body"), BODIES)
def test_answers_have_a_described_status_and_its_fields(
    store: Store, method: str, path: str, body: bytes
) -> None:
    message = {"sessionExternalId": "s", "externalId": "m", "role": "user"}
    store.put_message(message, {}, replaces=False)
    request = Request(method, path, {}, f"Bearer {KEY}", body)
    response = respond(store, KEY, request)
    described = API["paths"][path][method.lower()]["responses"][str(int(response.status))]
    schema = described["content"]["application/json"]["schema"]
    schema = SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    answer = json.loads(response.body)
    assert set(schema["required"]) <= set(answer)
    assert set(answer) <= set(schema["properties"])


def test_message_of_another_session_is_a_conflict_and_stays(store: Store) -> None:
    """OpenSync overwrites it and answers 200: the second session would lack it for ever."""
    body = {"externalId": "m", "role": "user", "textContent": "mine"}
    store.put_message({**body, "sessionExternalId": "s"}, {}, replaces=False)
    other = json.dumps({**body, "sessionExternalId": "t", "textContent": "yours"}).encode()
    response = respond(store, KEY, Request("POST", "/sync/message", {}, f"Bearer {KEY}", other))
    assert (response.status, "belongs to session s" in response.body.decode()) == (409, True)
    session = store.session("s")
    assert session
    assert [message["textContent"] for message in session["messages"]] == ["mine"]


def test_sum_too_large_for_a_number_is_null_as_in_javascript(store: Store) -> None:
    for key in ("a", "b"):
        body = {"externalId": key, "cost": 1.7e308, "promptTokens": 1.7e308}
        store.put_session({**body, "completionTokens": 1.7e308, "durationMs": -1.7e308}, {})
    for path in ("/api/stats", "/api/sessions"):
        response = respond(store, KEY, Request("GET", path, {}, f"Bearer {KEY}"))
        assert b"Infinity" not in response.body
        answer = json.loads(response.body)
    assert [session["totalTokens"] for session in answer["sessions"]] == [None, None]


def test_described_ids_and_names_are_those_that_are_accepted(store: Store) -> None:
    for path in ("/api/sessions/get", "/api/export"):
        (parameter,) = [
            parameter
            for parameter in API["paths"][path]["get"]["parameters"]
            if parameter["name"] == "id"
        ]
        assert parameter["schema"]["pattern"] == f"^{_ID_FORM.pattern}$"
    pattern = SCHEMAS["Value"]["propertyNames"]["pattern"].removeprefix("^").removesuffix("$")
    for name in ("", "a", " b", "a$", "$a", "é", "\n", "\x7f", "~"):
        body = {"sessionExternalId": "s", "externalId": "m", "role": "user"}
        parts = [{"type": "x", "content": {name: 1}}]
        try:
            store.put_message({**body, "parts": parts}, {}, replaces=True)
            is_accepted = True
        except RejectedError:
            is_accepted = False
        assert bool(re.fullmatch(pattern, name)) is is_accepted, name
