"""The real server's windows and losses, as the tests' own server has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from opensync_hooks.destinations.protocol import BatchReply
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json
from tests import opensync
from tests.opensync import FakeClock, RealStore, real_opensync

FULL: Json = {"externalId": "s", "title": "T", "projectPath": "/p", "model": "m", "promptTokens": 5}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def real(tmp_path: Path, clock: FakeClock) -> Iterator[RealStore]:
    with RealStore(tmp_path / "real.db", clock=clock) as opened:
        yield opened


def text(content: str) -> Json:
    return {"type": "text", "content": content}


def message(key: str = "m", session: str = "s", **fields: Any) -> Json:
    return {"sessionExternalId": session, "externalId": key, "role": "user", **fields}


def put_message(real: RealStore, key: str = "m", session: str = "s", **fields: Any) -> str:
    return real.put_message(message(key, session, **fields), {}, replaces=False)


def messages(real: RealStore, key: str = "s") -> list[Json]:
    stored = real.session(key)
    assert stored is not None
    session_messages: list[Json] = stored["messages"]
    return session_messages


def the_session(real: RealStore, key: str = "s") -> Json:
    stored = real.session(key)
    assert stored is not None
    session: Json = stored["session"]
    return session


@pytest.mark.parametrize(
    ("age_s", "stored"),
    [(0, "old"), (4.999, "old"), (5, "new"), (-3600, "old")],
    ids=["at once", "in the window", "after it", "in the future"],
)
def test_message_is_not_updated_in_its_first_5_seconds(
    real: RealStore, clock: FakeClock, age_s: float, stored: str
) -> None:
    created = clock() - round(age_s * 1000)
    first = put_message(real, textContent="old", createdAt=created)
    assert put_message(real, textContent="new", createdAt=created) == first
    assert messages(real)[0]["textContent"] == stored


def test_message_keeps_its_first_time_and_role(real: RealStore, clock: FakeClock) -> None:
    put_message(real, createdAt=1)
    put_message(real, createdAt=2, role="system")
    assert (messages(real)[0]["createdAt"], messages(real)[0]["role"]) == (1, "user")
    real.put_session({**FULL, "createdAt": 3}, {})
    assert the_session(real)["createdAt"] == clock()


def test_update_without_parts_deletes_them(real: RealStore) -> None:
    put_message(real, createdAt=1, parts=[text("lost")])
    put_message(real, createdAt=1)
    assert messages(real)[0]["parts"] == []


def test_message_of_more_than_4092_parts_can_never_be_changed(real: RealStore) -> None:
    put_message(real, createdAt=1, parts=[text("x")] * 4092)
    put_message(real, createdAt=1, parts=[text("x")] * 4093)
    with pytest.raises(RejectedError, match="Too many"):
        put_message(real, createdAt=1, parts=[text("x")])


def test_message_id_of_two_sessions_rewrites_the_first_and_leaves_the_second_empty(
    real: RealStore,
) -> None:
    first = put_message(real, "m", "one", createdAt=1, textContent="mine")
    assert put_message(real, "m", "two", createdAt=1, textContent="yours") == first
    assert messages(real, "one")[0]["textContent"] == "yours"
    assert messages(real, "two") == []


@pytest.mark.parametrize(
    ("change", "seconds", "applied"),
    [
        ({"cost": 9}, 0, False),
        ({"cost": 9, "provider": "v", "source": "x", "durationMs": 1}, 9.9, False),
        ({"cost": 9, "promptTokens": 0}, 0, False),
        ({"cost": 9, "promptTokens": ...}, 0, False),
        ({"cost": 9}, 10, True),
        ({"cost": 9, "title": "U"}, 0, True),
        ({"cost": 9, "projectPath": "/q"}, 0, True),
        ({"cost": 9, "completionTokens": 1}, 0, True),
        ({"cost": 9, "title": ...}, 0, True),
    ],
    ids=[
        "cost",
        "unseen fields",
        "no count",
        "count left out",
        "after 10 s",
        "title",
        "path",
        "tokens",
        "no title",
    ],
)
def test_session_repeated_within_10_seconds_is_ignored_unless_it_looks_different(
    real: RealStore, clock: FakeClock, change: Json, seconds: float, *, applied: bool
) -> None:
    real.put_session(FULL, {})
    clock.advance(seconds)
    body = {name: value for name, value in {**FULL, **change}.items() if value is not ...}
    real.put_session(body, {})
    assert (the_session(real)["cost"] == 9) is applied


def test_message_restarts_the_sessions_window(real: RealStore, clock: FakeClock) -> None:
    real.put_session(FULL, {})
    clock.advance(9)
    put_message(real)
    clock.advance(9)
    real.put_session({**FULL, "cost": 9}, {})
    assert the_session(real)["cost"] == 0


def test_changed_message_restarts_the_window_only_with_a_text(
    real: RealStore, clock: FakeClock
) -> None:
    real.put_session(FULL, {})
    put_message(real)
    first = the_session(real)["updatedAt"]
    clock.advance(6)
    put_message(real, textContent="beside the parts")
    assert the_session(real)["updatedAt"] == first
    put_message(real, parts=[text("words")])
    assert the_session(real)["updatedAt"] == clock()


def test_zero_does_not_replace_a_count(real: RealStore) -> None:
    real.put_session(FULL, {})
    real.put_session({"externalId": "s", "promptTokens": 0, "cost": 1}, {})
    assert (the_session(real)["promptTokens"], the_session(real)["cost"]) == (5, 1)


def test_source_cursor_is_mapped_on_insert_only(real: RealStore, clock: FakeClock) -> None:
    real.put_session({**FULL, "source": "cursor"}, {})
    assert the_session(real)["source"] == "cursor-sync"
    clock.advance(60)
    real.put_session({**FULL, "source": "cursor"}, {})
    assert the_session(real)["source"] == "cursor"


def test_batch_sent_again_deletes_the_parts(real: RealStore, clock: FakeClock) -> None:
    body = {"messages": [message(parts=[text("precious")])]}
    assert real.put_batch(body) == BatchReply(0, 1)
    assert real.put_batch(body) == BatchReply(0, 0)
    clock.advance(5)
    assert real.put_batch(body) == BatchReply(0, 1)
    assert messages(real)[0]["parts"] == []


@pytest.mark.parametrize(
    ("change", "count"),
    [({"cost": 9}, 0), ({"projectPath": "/q"}, 0), ({"title": "U"}, 1)],
    ids=["cost", "path", "title"],
)
def test_batch_ignores_a_session_of_the_last_10_seconds(
    real: RealStore, change: Json, count: int
) -> None:
    real.put_session(FULL, {})
    assert real.put_batch({"sessions": [{**FULL, **change}]}) == BatchReply(count, 0)


def test_new_title_resets_the_search_text_unless_it_comes_by_batch(real: RealStore) -> None:
    real.put_session(FULL, {})
    put_message(real, parts=[text("words")])
    real.put_batch({"sessions": [{"externalId": "s", "title": "U"}]})
    assert real.search_text["s"] == "T words"
    real.put_session({"externalId": "s", "title": "V"}, {})
    assert real.search_text["s"] == "V"


def test_emoji_at_the_cut_of_the_search_text_refuses_the_message(real: RealStore) -> None:
    split = "x" * 9998 + "😀"
    for _ in range(2):
        with pytest.raises(RejectedError, match="lone leading surrogate"):
            put_message(real, parts=[text(split)])
    assert real.session("s") is None
    put_message(real, parts=[text(" " + split)])
    assert len(real.search_text["s"]) == 10_000


def test_split_emoji_refuses_the_whole_batch(real: RealStore) -> None:
    split = [message("a"), message("b", parts=[text("x" * 9998 + "😀")])]
    reply = real.put_batch({"sessions": [{"externalId": "s"}], "messages": split})
    assert (reply.sessions, reply.messages) == (1, 0)
    assert reply.errors[0].startswith("Messages batch error: Error: Received invalid json: lone")
    assert messages(real) == []


def test_http_server_answers_as_a_deployment(tmp_path: Path, clock: FakeClock) -> None:
    with real_opensync(tmp_path, clock=clock) as (server, store, key), requests.Session() as http:
        headers = {"Authorization": f"Bearer {key}"}
        body = message(textContent="old")
        for text_content in ("old", "new"):
            response = http.post(
                server.url + "/sync/message",
                json={**body, "textContent": text_content},
                headers=headers,
            )
            assert response.json()["ok"] is True
        assert http.get(server.url + "/health").json()["timestamp"] == clock()
        assert messages(store)[0]["textContent"] == "old"


@pytest.mark.parametrize("limit", ["ids", "bytes"])
def test_large_account_has_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(opensync, "MAX_LISTED_IDS", 2 if limit == "ids" else 9)
    with real_opensync(tmp_path) as (server, store, key):
        url = f"{server.url}/sync/sessions/list"
        headers = {"Authorization": f"Bearer {key}"}
        for number in range(2):
            store.put_session({"externalId": f"s{number}", "title": "t"}, {})
        assert requests.get(url, headers=headers, timeout=60).json() == {"sessionIds": ["s0", "s1"]}
        if limit == "bytes":
            store.max_read_bytes = 1_600
        store.put_session({"externalId": "s2", "title": "t" * 100}, {})
        response = requests.get(url, headers=headers, timeout=60)
        assert response.status_code == 500
        assert "Read too much data" in response.json()["error"]
