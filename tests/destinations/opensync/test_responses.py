"""What a response of the server means, in the user's words, and how long the client waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.opensync.responses import (
    ForeignResponseError,
    InvalidArgumentError,
    SplitEmojiError,
)
from opensync_hooks.destinations.opensync.transport import MAX_RETRY_WAIT_S
from opensync_hooks.errors import (
    KeyRefusedError,
    OpenSyncError,
    RejectedError,
    ServerFailureError,
    UnreachableError,
    UnusableDestinationError,
)
from opensync_hooks.server.routes import Response
from tests.opensync import Fault, real_opensync

SESSION = {"externalId": "s1", "title": "One"}


class Deployment:
    """A running OpenSync whose next responses are set; `waits` is what the client slept."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.waits: list[float] = []
        self.client: OpenSyncClient

    def __call__(self, *_: object) -> Fault | None:
        return Fault(self.responses.pop(0)) if self.responses else None

    def error(self, response: Response) -> OpenSyncError:
        """Return what a session ends with that is answered with this every time."""
        self.responses = [response] * 3
        with pytest.raises(OpenSyncError) as caught:
            self.client.put_session(SESSION, {})
        return caught.value


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    running = Deployment()
    with (
        real_opensync(tmp_path, on_request=running) as (server, _, key),
        OpenSyncClient(server.url, key, sleep=running.waits.append) as running.client,
    ):
        yield running


def response(status: int, value: Any, **headers: str) -> Response:
    return Response(status, json.dumps(value).encode(), headers)


def error(status: int, text: Any) -> Response:
    return response(status, {"error": text})


# ---- sentences -----------------------------------------------------------------------------------

NOT_THERE = "no OpenSync server there."
FOREIGN = "the response is not from OpenSync."
LOGIN_PAGE = "Check the URL, and whether this network has a login page of its own."
COPY = "Copy it from OpenSync's settings page and run `opensync-hooks login`."
CHECK = "Check the URL."
SENTENCES: dict[str, tuple[Response, type[OpenSyncError], str, str]] = {
    "401": (error(401, "Invalid"), KeyRefusedError, "the key is refused. Invalid", COPY),
    "404": (
        Response(404, b"No matching routes found"),
        UnusableDestinationError,
        NOT_THERE,
        CHECK,
    ),
    "400": (error(400, "No id"), RejectedError, "refused (400). No id", ""),
    "409": (error(409, "Taken"), RejectedError, "refused (409). Taken", ""),
    "413": (error(413, "Large"), RejectedError, "refused (413). Large", ""),
    "422": (error(422, "Odd"), RejectedError, "refused (422). Odd", ""),
    "permanent 500": (error(500, "TypeError: x"), RejectedError, "refused (500). TypeError: x", ""),
    "validation": (
        error(500, "ArgumentValidationError: x"),
        InvalidArgumentError,
        "refused (500). ArgumentValidationError: x",
        "",
    ),
    "emoji": (
        error(500, "lone leading surrogate"),
        SplitEmojiError,
        "refused (500). lone leading surrogate",
        "",
    ),
    "500": (error(500, "Server Error"), ServerFailureError, "server error 500. Server Error", ""),
    "503 without a text": (Response(503, b""), UnreachableError, "temporary error 503.", ""),
    "503": (error(503, "Busy"), UnreachableError, "temporary error 503. Busy", ""),
    "array": (response(200, ["ok"]), ForeignResponseError, FOREIGN, LOGIN_PAGE),
    "not JSON": (Response(200, b"<html>Hi</html>"), ForeignResponseError, FOREIGN, LOGIN_PAGE),
    "no id": (response(200, {"ok": True}), ForeignResponseError, FOREIGN, LOGIN_PAGE),
    "empty id": (response(200, {"sessionId": ""}), ForeignResponseError, FOREIGN, LOGIN_PAGE),
    "number as id": (response(200, {"sessionId": 7}), ForeignResponseError, FOREIGN, LOGIN_PAGE),
}


FROM_IN_BETWEEN = {
    "300": Response(300, b""),
    "308": Response(308, b""),
    "401 in html": Response(401, b"<html>Sign in</html>"),
    "401 without a body": Response(401, b""),
    "401 in JSON of another": response(401, {"message": "Sign in"}),
    "401 of a gateway": response(401, {"status": 401, "error": "Unauthorized", "path": "/sync"}),
    "401 of an identity provider": response(
        401, {"error": "invalid_token", "error_description": "Expired"}
    ),
    "302 in JSON": error(302, "Found"),
    "403": error(403, "Banned"),
    "404 in text": Response(404, b"Nothing here"),
    "404 in JSON": error(404, "Not Found"),
    "404 in html": Response(404, b"\n<!DOCTYPE html>"),
    "405": Response(405, b"Not this way"),
    "407": Response(407, b""),
    "422 in html": Response(422, b"<html>Odd</html>"),
    "500 in html": Response(500, b"<html>Oops</html>"),
    "511": error(511, "Network Authentication Required"),
}


@pytest.mark.parametrize("case", FROM_IN_BETWEEN)
def test_only_opensyncs_own_json_is_a_refusal(deployment: Deployment, case: str) -> None:
    answer = FROM_IN_BETWEEN[case]
    caught = deployment.error(answer)
    assert type(caught) is ForeignResponseError
    sentence = f"the response is not from OpenSync ({answer.status})."
    assert (str(caught), caught.hint) == (f"{deployment.client.name}: {sentence}", LOGIN_PAGE)


@pytest.mark.parametrize("case", SENTENCES)
def test_each_response_has_one_error_with_a_next_step(deployment: Deployment, case: str) -> None:
    answer, error_class, sentence, hint = SENTENCES[case]
    caught = deployment.error(answer)
    assert type(caught) is error_class
    assert (str(caught), caught.hint) == (f"{deployment.client.name}: {sentence}", hint)


TEXTS: dict[str, tuple[Any, str]] = {
    "first line only": ({"error": "first\nsecond\nthird"}, "first"),
    "stripped": ({"error": " \n first \n"}, "first"),
    "without what was sent": ({"error": "No match. Object: {a} is: {b} Object: {c}"}, "No match."),
    "message field": ({"message": "by its other name"}, "by its other name"),
    "empty error": ({"error": "", "message": "by its other name"}, "by its other name"),
    "both fields": ({"error": "the first counts", "message": "not this"}, "the first counts"),
    "blank": ({"error": " "}, ""),
    "not a text": ({"error": {"text": "deep"}}, ""),
    "not an object": (["error"], ""),
    "160 characters": ({"error": "x" * 200}, "x" * 160),
    "terminal codes": ({"error": "a\x1b[2Jb\u202ec"}, "a [2Jb c"),
    "another key": ({"error": "is osk_some-other_Key1, no"}, "is osk_…, no"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_only_the_start_of_the_servers_text_is_shown(deployment: Deployment, case: str) -> None:
    """The rest may be what was sent, which belongs in no log; nothing may steer a terminal."""
    value, text = TEXTS[case]
    shown = str(deployment.error(response(400, value)))
    assert shown == f"{deployment.client.name}: refused (400). {text}".rstrip()


def test_invalid_utf8_does_not_spoil_a_response(deployment: Deployment) -> None:
    caught = deployment.error(Response(400, b'{"error": "caf\xe9"}'))
    assert str(caught).endswith("refused (400). caf\ufffd")
    deployment.responses = [Response(200, b'{"sessionId": "x", "note": "caf\xe9"}')]
    assert deployment.client.put_session(SESSION, {}) == "x"


@pytest.mark.parametrize("key", ["osk_" + "k" * 32, "a key that does not look like one"])
def test_key_that_a_server_echoes_is_not_shown(deployment: Deployment, key: str) -> None:
    with OpenSyncClient(deployment.client.name, key, sleep=lambda _: None) as deployment.client:
        caught = deployment.error(error(400, f"not {key}!"))
        assert str(caught).endswith("refused (400). not …!")
        errors = {"sessions": 0, "messages": 0, "errors": [f"not {key}!"]}
        deployment.responses = [response(200, errors)]
        with pytest.raises(RejectedError) as in_batch:
            deployment.client.put_batch({})
    assert str(in_batch.value) == f"{deployment.client.name}: not …!"


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error_class"),
    [("Too many concurrent requests", UnreachableError), ("x" * 200, RejectedError)],
    ids=["temporary", "permanent"],
)
def test_first_error_of_a_batch_decides_whether_to_retry(
    deployment: Deployment, text: str, error_class: type[OpenSyncError]
) -> None:
    value = {"ok": True, "sessions": 0, "messages": 0, "errors": [text, "and another one"]}
    deployment.responses = [response(200, value)]
    with pytest.raises(OpenSyncError) as caught:
        deployment.client.put_batch({})
    assert type(caught.value) is error_class
    assert str(caught.value) == f"{deployment.client.name}: {text[:160]}"


@pytest.mark.parametrize(
    "value",
    [
        {"ok": True},
        {"sessions": 1, "messages": 1},
        {"sessions": 1, "messages": 1, "errors": "none"},
        {"sessions": "1", "messages": 1, "errors": []},
        {"sessions": 1, "messages": None, "errors": []},
    ],
    ids=["only ok", "no errors", "text as errors", "text as count", "no count"],
)
def test_batch_without_counts_and_errors_is_not_a_success(
    deployment: Deployment, value: dict[str, Any]
) -> None:
    deployment.responses = [response(200, value)]
    with pytest.raises(UnreachableError) as caught:
        deployment.client.put_batch({})
    assert str(caught.value) == f"{deployment.client.name}: {FOREIGN}"


@pytest.mark.parametrize("timestamp", ["now", None, -1, 1e15, []], ids=str)
def test_server_without_a_clock_is_not_opensync(deployment: Deployment, timestamp: Any) -> None:
    deployment.responses = [response(200, {"status": "ok", "timestamp": timestamp})]
    with pytest.raises(ForeignResponseError) as caught:
        deployment.client.server_time()
    assert str(caught.value) == f"{deployment.client.name}: {FOREIGN}"
    assert caught.value.hint == LOGIN_PAGE


def test_only_a_session_can_be_missing(deployment: Deployment) -> None:
    """Whatever else says 404 in JSON is a gateway in between."""
    deployment.responses = [error(404, "No session")]
    assert deployment.client.fetch("s1", "remote") is None
    deployment.responses = [response(404, {"error": "No route", "status": 404})] * 3
    with pytest.raises(ForeignResponseError):
        deployment.client.fetch("s1", "remote")


# ---- waits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("0", 0),
        ("2.5", 2.5),
        ("-5", 0),
        (f"{MAX_RETRY_WAIT_S}", MAX_RETRY_WAIT_S),
        ("Sat, 21 Nov 2020 08:00:00 GMT", 0),
    ],
    ids=["at once", "fraction", "negative", "longest", "past date"],
)
def test_retry_after_is_honoured(deployment: Deployment, header: str, wait_s: float) -> None:
    deployment.responses = [response(503, {}, **{"Retry-After": header})]
    deployment.client.put_session(SESSION, {})
    assert deployment.waits == [wait_s]


@pytest.mark.parametrize(
    "header",
    ["", "soon", "Sat, 21 Nov 2026 08:00:00 +99999999999999"],
    ids=["empty", "words", "beyond any date"],
)
def test_unreadable_retry_after_leaves_the_wait_to_us(deployment: Deployment, header: str) -> None:
    deployment.responses = [response(503, {}, **{"Retry-After": header})]
    deployment.client.put_session(SESSION, {})
    (wait_s,) = deployment.waits
    assert 0.4 <= wait_s <= 0.6


def test_waits_have_jitter_so_that_machines_do_not_return_together() -> None:
    waits: list[float] = []
    for _ in range(60):
        with (
            OpenSyncClient("http://127.0.0.1:1", "osk_x", sleep=waits.append) as client,
            pytest.raises(UnreachableError),
        ):
            client.put_batch({})
    for round_of_waits, middle in ((waits[::2], 0.5), (waits[1::2], 1.0)):
        assert all(0.8 * middle <= wait_s <= 1.2 * middle for wait_s in round_of_waits)
        assert max(round_of_waits) - min(round_of_waits) > 0.2 * middle
