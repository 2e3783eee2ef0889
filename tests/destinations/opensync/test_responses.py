"""What an answer of the server means, in the words that a user reads, and how long it is waited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.opensync.client import LONGEST_WAIT, OpenSyncClient
from opensync_hooks.errors import (
    KeyRefusedError,
    OpenSyncError,
    RejectedError,
    UnclearError,
    UnreachableError,
    WrongAddressError,
)
from opensync_hooks.server.routes import Response
from tests.opensync import Fault, real_opensync

SESSION = {"externalId": "s1", "title": "One"}


class There:
    """A running OpenSync whose next answers are given; `waits` are what the client slept."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.waits: list[float] = []
        self.client: OpenSyncClient

    def __call__(self, *_: object) -> Fault | None:
        return Fault(self.answers.pop(0)) if self.answers else None

    def refusal(self, answer: Response) -> OpenSyncError:
        """What comes of a session that is answered so every time."""
        self.answers = [answer] * 3
        with pytest.raises(OpenSyncError) as caught:
            self.client.put_session(SESSION, {})
        return caught.value


@pytest.fixture
def there(tmp_path: Path) -> Iterator[There]:
    made = There()
    with (
        real_opensync(tmp_path, on_request=made) as (server, _, key),
        OpenSyncClient(server.url, key, sleep=made.waits.append) as made.client,
    ):
        yield made


def answer(status: int, value: Any, **headers: str) -> Response:
    return Response(status, json.dumps(value).encode(), headers)


def error(status: int, text: Any) -> Response:
    return answer(status, {"error": text})


# ---- sentences -----------------------------------------------------------------------------------

REDIRECT = "redirects elsewhere, where the key must not follow."
NO_OPENSYNC = "no OpenSync answers there."
NOT_OURS = "an answer that is not OpenSync's."
OTHER_SITE = "Is the URL another site's, or a network's login page in between?"
COPY = "Copy it from OpenSync's settings page and run `opensync-hooks login`."
CHECK = "Check the URL."
SENTENCES: dict[str, tuple[Response, type[OpenSyncError], str, str]] = {
    "401": (error(401, "Invalid"), KeyRefusedError, "the key is refused. Invalid", COPY),
    "403": (error(403, "Banned"), KeyRefusedError, "the key is refused. Banned", COPY),
    "300": (Response(300, b""), WrongAddressError, REDIRECT, CHECK),
    "308": (Response(308, b""), WrongAddressError, REDIRECT, CHECK),
    "404": (Response(404, b"Nothing here"), WrongAddressError, NO_OPENSYNC, CHECK),
    "405": (Response(405, b"Not that way"), WrongAddressError, NO_OPENSYNC, CHECK),
    "400": (error(400, "No id"), RejectedError, "refused (400). No id", ""),
    "413": (error(413, "Large"), RejectedError, "refused (413). Large", ""),
    "422": (error(422, "Odd"), RejectedError, "refused (422). Odd", ""),
    "500 for good": (error(500, "TypeError: x"), RejectedError, "refused (500). TypeError: x", ""),
    "500": (error(500, "Server Error"), UnclearError, "answers 500 for now. Server Error", ""),
    "503 without a word": (Response(503, b""), UnreachableError, "answers 503 for now.", ""),
    "503": (error(503, "Busy"), UnreachableError, "answers 503 for now. Busy", ""),
    "no object": (answer(200, ["ok"]), UnreachableError, NOT_OURS, OTHER_SITE),
    "no JSON": (Response(200, b"<html>Hi</html>"), UnreachableError, NOT_OURS, OTHER_SITE),
    "no id": (answer(200, {"ok": True}), UnreachableError, NOT_OURS, ""),
    "an empty id": (answer(200, {"sessionId": ""}), UnreachableError, NOT_OURS, ""),
    "a number for an id": (answer(200, {"sessionId": 7}), UnreachableError, NOT_OURS, ""),
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_answer_is_told_in_one_sentence_with_the_next_step(there: There, kind: str) -> None:
    given, expected, sentence, hint = SENTENCES[kind]
    found = there.refusal(given)
    assert type(found) is expected
    assert (str(found), found.hint) == (f"{there.client.name}: {sentence}", hint)


WORDS: dict[str, tuple[Any, str]] = {
    "one line": ({"error": "first\nsecond\nthird"}, "first"),
    "no edges": ({"error": " \n first \n"}, "first"),
    "not what was sent": ({"error": "No match. Object: {a} is: {b} Object: {c}"}, "No match."),
    "by another name": ({"message": "by its other name"}, "by its other name"),
    "an empty one beside": ({"error": "", "message": "by its other name"}, "by its other name"),
    "two of them": ({"error": "the first counts", "message": "not this"}, "the first counts"),
    "a blank": ({"error": " "}, ""),
    "no text": ({"error": {"text": "deep"}}, ""),
    "no object": (["error"], ""),
    "160 letters": ({"error": "x" * 200}, "x" * 160),
    "no signs for the terminal": ({"error": "a\x1b[2Jb\u202ec"}, "a [2Jb c"),
    "nobody's key": ({"error": "is osk_some-other_Key1, no"}, "is osk_…, no"),
}


@pytest.mark.parametrize("kind", WORDS)
def test_only_the_first_words_of_a_server_are_shown(there: There, kind: str) -> None:
    """The rest may be what was sent, and must neither be kept in a log nor steer a terminal."""
    body, shown = WORDS[kind]
    found = str(there.refusal(answer(400, body)))
    assert found == f"{there.client.name}: refused (400). {shown}".rstrip()


def test_letter_that_is_none_spoils_no_answer(there: There) -> None:
    found = there.refusal(Response(400, b'{"error": "caf\xe9"}'))
    assert str(found).endswith("refused (400). caf\ufffd")
    there.answers = [Response(200, b'{"sessionId": "x", "note": "caf\xe9"}')]
    assert there.client.put_session(SESSION, {}) == "x"


@pytest.mark.parametrize("key", ["osk_" + "k" * 32, "a key that looks like none"])
def test_key_that_a_server_repeats_is_not_shown(there: There, key: str) -> None:
    with OpenSyncClient(there.client.name, key, sleep=lambda _: None) as there.client:
        assert str(there.refusal(error(400, f"not {key}!"))).endswith("refused (400). not …!")
        there.answers = [answer(200, {"sessions": 0, "messages": 0, "errors": [f"not {key}!"]})]
        with pytest.raises(RejectedError) as caught:
            there.client.put_batch({})
    assert str(caught.value) == f"{there.client.name}: not …!"


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [("Too many concurrent requests", UnreachableError), ("x" * 200, RejectedError)],
    ids=["passing", "for good"],
)
def test_batch_that_stored_nothing_says_whether_it_is_worth_another_try(
    there: There, said: str, expected: type[OpenSyncError]
) -> None:
    told = [f"{said}", "and another one"]
    there.answers = [answer(200, {"ok": True, "sessions": 0, "messages": 0, "errors": told})]
    with pytest.raises(OpenSyncError) as caught:
        there.client.put_batch({})
    assert type(caught.value) is expected
    assert str(caught.value) == f"{there.client.name}: {said[:160]}"


@pytest.mark.parametrize(
    "lie",
    [
        {"ok": True},
        {"sessions": 1, "messages": 1},
        {"sessions": 1, "messages": 1, "errors": "none"},
        {"sessions": "1", "messages": 1, "errors": []},
        {"sessions": 1, "messages": None, "errors": []},
    ],
    ids=["only ok", "no errors", "words for errors", "text for a count", "no count"],
)
def test_batch_without_its_counts_is_no_success(there: There, lie: dict[str, Any]) -> None:
    there.answers = [answer(200, lie)]
    with pytest.raises(UnreachableError) as caught:
        there.client.put_batch({})
    assert str(caught.value) == f"{there.client.name}: {NOT_OURS}"


@pytest.mark.parametrize("told", ["now", None, -1, 1e15, []], ids=str)
def test_server_without_a_clock_is_no_opensync(there: There, told: Any) -> None:
    there.answers = [answer(200, {"status": "ok", "timestamp": told})]
    with pytest.raises(WrongAddressError) as caught:
        there.client.server_time()
    assert str(caught.value) == f"{there.client.name}: {NO_OPENSYNC}"
    assert caught.value.hint == "Check the URL in its settings page."


# ---- waits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("0", 0),
        ("2.5", 2.5),
        ("-5", 0),
        (f"{LONGEST_WAIT}", LONGEST_WAIT),
        ("Sat, 21 Nov 2020 08:00:00 GMT", 0),
    ],
    ids=["at once", "a fraction", "less than nothing", "the longest", "a date that is over"],
)
def test_server_says_how_long_to_wait_and_never_less_than_nothing(
    there: There, asked: str, wait: float
) -> None:
    there.answers = [answer(503, {}, **{"Retry-After": asked})]
    there.client.put_session(SESSION, {})
    assert there.waits == [wait]


@pytest.mark.parametrize(
    "asked",
    ["", "soon", "Sat, 21 Nov 2026 08:00:00 +99999999999999"],
    ids=["nothing", "words", "beyond any date"],
)
def test_wait_that_nobody_can_read_is_ours_to_choose(there: There, asked: str) -> None:
    there.answers = [answer(503, {}, **{"Retry-After": asked})]
    there.client.put_session(SESSION, {})
    (wait,) = there.waits
    assert 0.4 <= wait <= 0.6


def test_waits_are_spread_so_that_machines_do_not_come_back_together() -> None:
    waits: list[float] = []
    for _ in range(60):
        with (
            OpenSyncClient("http://127.0.0.1:1", "osk_x", sleep=waits.append) as client,
            pytest.raises(UnreachableError),
        ):
            client.put_batch({})
    for found, middle in ((waits[::2], 0.5), (waits[1::2], 1.0)):
        assert all(0.8 * middle <= one <= 1.2 * middle for one in found)
        assert max(found) - min(found) > 0.2 * middle
