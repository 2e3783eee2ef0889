"""What a server is asked for and may answer when a session is read back from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.opensync.reader import Reader
from opensync_hooks.errors import RejectedError, UnreachableError, WrongAddressError
from opensync_hooks.server.routes import Response
from tests.opensync import Fault, RealStore, real_opensync

GONE = Fault(Response(404, b"Not Found"))


class Library:
    """A running OpenSync with two sessions, its reader, and what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.faults: dict[str, Fault] = {}
        self.store: RealStore
        self.reader: Reader
        self.mine = ""

    def __call__(self, method: str, path: str, body: bytes) -> Fault | None:
        self.asked.append((method, path))
        self.bodies.append(body)
        return self.faults.get(path.partition("?")[0])

    def answers(self, path: str, value: Any, status: int = 200) -> None:
        self.faults[path] = Fault(Response(status, json.dumps(value).encode()))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library()
    with (
        real_opensync(tmp_path, on_request=made) as (server, made.store, key),
        Reader(server.url, key, sleep=lambda _: None) as made.reader,
    ):
        made.store.put_session({"externalId": "other", "title": "Not this one"}, {})
        made.mine = made.store.put_session({"externalId": "mine", "title": "This one"}, {})
        said = {"sessionExternalId": "mine", "externalId": "m1", "role": "user"}
        made.store.put_message({**said, "textContent": "hello"}, {}, replaces=False)
        yield made


def test_session_is_asked_for_by_the_servers_own_id(library: Library) -> None:
    found = library.reader.fetch("mine", library.mine)
    assert found
    assert found["session"]["title"] == "This one"
    assert [one["textContent"] for one in found["messages"]] == ["hello"]
    assert library.asked == [("GET", f"/api/sessions/get?id={library.mine}")]
    assert library.bodies == [b""], "some proxies refuse a question with a body"


def test_session_without_a_known_id_is_looked_for_among_the_newest(library: Library) -> None:
    found = library.reader.fetch("mine", None)
    assert found == library.reader.fetch("mine", library.mine)
    assert library.asked[:2] == [
        ("GET", "/api/sessions?limit=200"),
        ("GET", f"/api/sessions/get?id={library.mine}"),
    ]
    library.asked.clear()
    assert library.reader.fetch("unknown", None) is None
    assert library.asked == [("GET", "/api/sessions?limit=200")]


def test_id_of_another_deployment_finds_nothing_and_breaks_no_address(library: Library) -> None:
    assert library.reader.fetch("mine", "an id/of?another&deployment") is None
    asked = "/api/sessions/get?id=an%20id%2Fof%3Fanother%26deployment"
    assert library.asked == [("GET", asked)]


def test_session_that_was_deleted_is_not_there(library: Library) -> None:
    library.store.delete_session("mine")
    assert library.reader.fetch("mine", library.mine) is None
    assert library.asked[1:] == [("POST", "/sync/batch")], "only to see that it is an OpenSync"


def test_other_site_at_the_address_is_no_deleted_session(library: Library) -> None:
    library.faults = {"/api/sessions/get": GONE, "/sync/batch": GONE}
    with pytest.raises(WrongAddressError, match="no OpenSync answers there"):
        library.reader.fetch("mine", library.mine)


def test_session_that_opensync_cannot_open_is_said_to_be_so(library: Library) -> None:
    said = {"error": "Error: Too many bytes read in a single function execution"}
    library.answers("/api/sessions/get", said, 500)
    with pytest.raises(RejectedError) as caught:
        library.reader.fetch("mine", library.mine)
    name = library.reader.name
    assert str(caught.value) == (
        f"{name}: cannot open this session any more, so it cannot be compared."
    )
    assert caught.value.hint == "OpenSync opens 4,094 messages and 16 MiB at most."


@pytest.mark.parametrize(
    "lie",
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
def test_answer_of_another_shape_is_not_opensyncs(library: Library, lie: Any) -> None:
    library.answers("/api/sessions/get", lie)
    with pytest.raises(UnreachableError) as caught:
        library.reader.fetch("mine", library.mine)
    assert str(caught.value) == f"{library.reader.name}: an answer that is not OpenSync's."


def test_message_without_parts_is_one_all_the_same(library: Library) -> None:
    told = {"session": {"id": "x"}, "messages": [{"role": "user"}, {"parts": [{"type": "text"}]}]}
    library.answers("/api/sessions/get", told)
    assert library.reader.fetch("mine", library.mine) == told


@pytest.mark.parametrize("lie", [None, {}, 7, "mine", [], ["mine", None]], ids=range(6))
def test_list_of_another_shape_names_no_session(library: Library, lie: Any) -> None:
    library.answers("/api/sessions", {"sessions": lie})
    assert library.reader.fetch("mine", None) is None


def test_odd_one_in_the_list_hides_no_session(library: Library) -> None:
    listed = ["odd", {"id": "x"}, {"externalId": "mine", "id": library.mine}]
    library.answers("/api/sessions", {"sessions": listed})
    assert library.reader.fetch("mine", None)
