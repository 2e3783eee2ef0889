"""The embedded store: upserts, batches, reads, exports and damage."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.protocol import BatchReply, set_title
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.destinations.store.validation import OtherSessionError
from opensync_hooks.errors import RejectedError, UnusableFileError
from opensync_hooks.model import Json
from tests.opensync import FakeClock

ID_FORM = re.compile(r"[0-9a-z]{32}")
MARKDOWN = """# A/b?

- **Project:** N/A
- **Model:** opus
- **Tokens:** 0
- **Cost:** $0.0000

---

## User

one

two

## Assistant

three

"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store.db"


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[Store]:
    with Store(path, now=clock) as opened:
        yield opened


def text(content: str) -> Json:
    return {"type": "text", "content": content}


def put_message(store: Store, key: str, session: str = "s", **fields: Any) -> str:
    body = {"sessionExternalId": session, "externalId": key, "role": "user", **fields}
    return store.put_message(body, {}, replaces=False)


def the_session(store: Store, key: str = "s") -> Json:
    stored = store.session(key)
    assert stored is not None
    session: Json = stored["session"]
    return session


def messages(store: Store, key: str = "s") -> list[Json]:
    stored = store.session(key)
    assert stored is not None
    session_messages: list[Json] = stored["messages"]
    return session_messages


def test_every_field_of_a_session_is_returned(store: Store) -> None:
    body = {
        "externalId": "s",
        "title": "T",
        "projectPath": "/p",
        "projectName": "p",
        "model": "m",
        "provider": "v",
        "source": "claude-code",
        "promptTokens": 3,
        "completionTokens": 4,
        "cost": 0.25,
        "durationMs": 5,
        "createdAt": 6,
    }
    store_id = store.put_session(body, {"parentExternalId": "p", "gitBranch": "größe"})
    assert the_session(store) == {
        **body,
        "id": store_id,
        "totalTokens": 7,
        "isPublic": False,
        "messageCount": 0,
        "updatedAt": 1_000_000,
        "extra": {"parentExternalId": "p", "gitBranch": "größe"},
    }


def test_every_field_of_a_message_is_returned(store: Store) -> None:
    parts = [text("hi 😀"), {"type": "tool-call", "content": {"name": "x", "args": [None, 1.5]}}]
    body: Json = {
        "sessionExternalId": "s",
        "externalId": "m",
        "role": "tool",
        "textContent": "hi",
        "model": "m",
        "promptTokens": 1,
        "completionTokens": 0,
        "durationMs": 2.5,
        "createdAt": 4,
        "parts": parts,
    }
    message_id = store.put_message(body, {"undone": True}, replaces=False)
    del body["sessionExternalId"]
    assert messages(store) == [{**body, "id": message_id, "extra": {"undone": True}}]


def test_ids_have_the_servers_form_and_stay(store: Store, clock: FakeClock) -> None:
    session_id, message_id = store.put_session({"externalId": "s"}, {}), put_message(store, "m")
    clock.advance(60)
    assert ID_FORM.fullmatch(session_id)
    assert ID_FORM.fullmatch(message_id)
    assert store.put_session({"externalId": "s", "title": "new"}, {}) == session_id
    assert put_message(store, "m", textContent="new") == message_id


@pytest.mark.parametrize("seconds", [0, 4.9, 9.9, 60])
def test_update_is_applied_however_soon_it_comes(
    store: Store, clock: FakeClock, seconds: float
) -> None:
    store.put_session({"externalId": "s", "title": "T", "cost": 1, "promptTokens": 9}, {})
    put_message(store, "m", textContent="old", parts=[text("old"), text("more")])
    clock.advance(seconds)
    store.put_session({"externalId": "s", "title": "T", "cost": 2, "promptTokens": 0}, {})
    put_message(store, "m", role="system", textContent="new", parts=[text("new")])
    session, (message,) = the_session(store), messages(store)
    assert (session["cost"], session["promptTokens"], session["totalTokens"]) == (2, 0, 0)
    assert session["updatedAt"] == clock()
    assert (message["role"], message["textContent"], message["parts"]) == (
        *("system", "new"),
        [text("new")],
    )


def test_later_time_corrects_the_first(store: Store) -> None:
    put_message(store, "m")
    put_message(store, "m", createdAt=7)
    store.put_session({"externalId": "s", "createdAt": 5}, {})
    assert messages(store)[0]["createdAt"] == 7
    assert the_session(store)["createdAt"] == 5


def test_missing_fields_stay(store: Store) -> None:
    store.put_session({"externalId": "s", "title": "T", "model": "m", "createdAt": 5}, {"a": 1})
    put_message(store, "m", model="m", createdAt=6, parts=[text("kept")])
    before = the_session(store), messages(store)
    store.put_session({"externalId": "s"}, {})
    put_message(store, "m")
    assert (the_session(store), messages(store)) == before


def test_empty_parts_delete_the_stored_ones(store: Store) -> None:
    put_message(store, "m", parts=[text("gone")])
    put_message(store, "m", parts=[])
    assert messages(store)[0]["parts"] == []


def test_message_creates_its_unknown_session(store: Store) -> None:
    put_message(store, "m", model="opus", source="cursor", createdAt=1)
    session = the_session(store)
    head = {name: session.get(name) for name in ("model", "source", "title", "createdAt")}
    assert head == {
        "model": "opus",
        "source": "cursor-sync",
        "title": None,
        "createdAt": 1_000_000,
    }
    assert session["messageCount"] == 1


def test_message_of_another_session_is_refused(store: Store) -> None:
    put_message(store, "m", "one", textContent="mine")
    with pytest.raises(OtherSessionError, match="Message m belongs to session one already"):
        put_message(store, "m", "two", textContent="yours")
    assert messages(store, "one")[0]["textContent"] == "mine"
    assert store.session("two") is None


@pytest.mark.parametrize(
    ("first", "second", "stored"),
    [
        (None, None, "opencode"),
        ("", None, "opencode"),
        ("cursor", None, "cursor-sync"),
        ("opencode", "cursor", "cursor-sync"),
        ("claude-code", None, "claude-code"),
    ],
)
def test_agent_has_one_source_name(
    store: Store, first: str | None, second: str | None, stored: str
) -> None:
    for source in (first, second):
        store.put_session({"externalId": "s", **({"source": source} if source else {})}, {})
    assert the_session(store)["source"] == stored


def test_messages_are_sorted_by_time_then_arrival(store: Store) -> None:
    for key, at in (("c", 3), ("b2", 2), ("a", 1), ("b1", 2)):
        put_message(store, key, createdAt=at)
    put_message(store, "b2", createdAt=2, textContent="an update is not a new arrival")
    assert [message["externalId"] for message in messages(store)] == ["a", "b2", "b1", "c"]


def test_sessions_are_sorted_by_last_update(store: Store, clock: FakeClock) -> None:
    for key in ("a", "b", "c"):
        clock.advance(1)
        store.put_session({"externalId": key}, {"parentExternalId": "a"} if key == "b" else {})
    clock.advance(1)
    put_message(store, "m", "a")
    assert [session["externalId"] for session in store.sessions()] == ["a", "c", "b"]
    assert [session["externalId"] for session in store.sessions(2)] == ["a", "c"]
    assert [session["externalId"] for session in store.sessions(parent="a")] == ["b"]
    assert store.session_ids() == ["a", "b", "c"]


def test_session_is_found_by_either_id(store: Store) -> None:
    store_id = store.put_session({"externalId": "s"}, {})
    assert store.session(store_id) == store.session("s")
    assert store.session("nobody") is None
    assert store.session("\udcff") is None


def test_extra_is_replaced_unless_the_new_one_is_empty(store: Store) -> None:
    store.put_session({"externalId": "s"}, {"parentExternalId": "p", "endReason": "exit"})
    store.put_session({"externalId": "s"}, {})
    assert the_session(store)["extra"] == {"parentExternalId": "p", "endReason": "exit"}
    store.put_session({"externalId": "s"}, {"gitBranch": "main"})
    assert the_session(store)["extra"] == {"gitBranch": "main"}
    assert store.sessions(parent="p") == []


@pytest.mark.parametrize(
    "extra",
    [{"a": b"x"}, {"a": float("inf")}, {"parentExternalId": "\ud83d"}],
    ids=["bytes", "infinity", "lone surrogate"],
)
def test_extra_that_is_not_json_is_refused(store: Store, extra: Json) -> None:
    with pytest.raises(RejectedError):
        store.put_session({"externalId": "s"}, extra)
    assert store.session_ids() == []


def test_title_that_does_not_fit_into_the_row_is_refused(store: Store) -> None:
    store.put_session({"externalId": "s", "projectPath": "p" * 500_000}, {})
    with pytest.raises(RejectedError, match="Value is too large"):
        store.put_session({"externalId": "s", "title": "t" * 300_000}, {})
    assert "title" not in the_session(store)


def test_new_title_changes_nothing_else(store: Store) -> None:
    store.put_session({"externalId": "s", "title": "old", "createdAt": 5}, {"a": 1})
    put_message(store, "m", parts=[text("kept")])
    before = the_session(store)
    set_title(store, "s", "new")
    assert the_session(store) == {**before, "title": "new"}
    assert messages(store)[0]["parts"] == [text("kept")]


def test_batch_sent_twice_stores_the_same(store: Store, clock: FakeClock) -> None:
    message = {"sessionExternalId": "s", "externalId": "m", "role": "user", "parts": [text("hi")]}
    body = {"sessions": [{"externalId": "s", "title": "T"}], "messages": [message, message]}
    assert store.put_batch(body) == BatchReply(1, 2)
    clock.advance(60)
    assert store.put_batch(body) == BatchReply(1, 2)
    assert [message["parts"] for message in messages(store)] == [[text("hi")]]


@pytest.mark.parametrize(
    "body",
    [{}, {"sessions": [], "messages": ""}, {"sessions": None, "messages": 5}, {"x": 1}],
    ids=["empty", "empty lists", "no lists", "unknown"],
)
def test_batch_without_content_stores_nothing(store: Store, body: Json) -> None:
    assert store.put_batch(body) == BatchReply(0, 0)


def test_invalid_element_refuses_its_list_only(store: Store) -> None:
    good = {"sessionExternalId": "s", "externalId": "m", "role": "user"}
    reply = store.put_batch(
        {"sessions": [{"externalId": "a"}, {"externalId": "b", "createdAt": 1}], "messages": [good]}
    )
    assert (reply.sessions, reply.messages, len(reply.errors)) == (0, 1, 1)
    assert reply.errors[0].startswith("Sessions batch error: Error: ArgumentValidationError: ")
    assert store.session_ids() == ["s"]


def test_too_large_message_of_a_batch_leaves_the_others_stored(store: Store) -> None:
    good = {"sessionExternalId": "s", "externalId": "good", "role": "user"}
    large = {**good, "externalId": "large", "parts": [text("x" * 1_100_000)]}
    reply = store.put_batch({"messages": [large, good]})
    assert (reply.messages, len(reply.errors)) == (1, 1)
    assert reply.errors[0].startswith("large: Error: Value is too large")
    assert [message["externalId"] for message in messages(store)] == ["good"]


def test_stats_are_sums_over_the_sessions(store: Store) -> None:
    store.put_session({"externalId": "a", "model": "opus", "promptTokens": 5, "cost": 0.5}, {})
    store.put_session({"externalId": "b", "completionTokens": 7, "durationMs": 9}, {})
    put_message(store, "m", "a", promptTokens=1000)
    assert store.stats() == {
        "sessionCount": 2,
        "messageCount": 1,
        "totalTokens": 12,
        "totalCost": 0.5,
        "totalDurationMs": 9,
        "modelUsage": {
            "opus": {"tokens": 5, "cost": 0.5, "sessions": 1},
            "unknown": {"tokens": 7, "cost": 0, "sessions": 1},
        },
    }


def fill_for_export(store: Store) -> str:
    store_id = store.put_session({"externalId": "s", "title": "A/b?", "model": "opus"}, {})
    wrapped = [{"type": "text", "content": {"text": "two"}}, {"type": "text", "content": [1]}]
    put_message(store, "m1", createdAt=1, parts=[text("one"), *wrapped], textContent="unused")
    call = {"type": "tool-call", "content": {"name": "x"}}
    put_message(store, "m2", createdAt=2, role="assistant", parts=[call], textContent="three")
    return store_id


def test_export_holds_the_texts(store: Store) -> None:
    store_id = fill_for_export(store)
    assert store.export("s") == {
        "session": {"id": store_id, "title": "A/b?", "model": "opus"},
        "messages": [
            {"role": "user", "content": "one\ntwo"},
            {"role": "assistant", "content": "three"},
        ],
    }
    assert store.export("nobody") is None


@pytest.mark.parametrize(
    ("form", "filename", "content"),
    [
        (
            "jsonl",
            "A-b-.jsonl",
            '{"role": "user", "content": "one\\ntwo"}\n{"role": "assistant", "content": "three"}',
        ),
        ("markdown", "A-b-.md", MARKDOWN),
    ],
)
def test_export_as_a_file(store: Store, form: Any, filename: str, content: str) -> None:
    fill_for_export(store)
    assert store.export("s", form) == {"content": content, "filename": filename}


def test_deleted_session_leaves_no_message_and_no_text(store: Store, path: Path) -> None:
    first = store.put_session({"externalId": "s"}, {})
    put_message(store, "m", parts=[text("plaintext-of-the-deleted")])
    put_message(store, "n", "other")
    assert store.delete_session("s")
    assert not store.delete_session("s")
    assert (store.session_ids(), store.stats()["messageCount"]) == (["other"], 1)
    for file in path.parent.iterdir():
        assert b"plaintext-of-the-deleted" not in file.read_bytes()
    assert store.put_session({"externalId": "s"}, {}) != first
    put_message(store, "m", parts=[text("again")])
    assert [message["parts"] for message in messages(store)] == [[text("again")]]


def test_session_of_5000_messages_is_stored_and_read(store: Store) -> None:
    body = [
        {"sessionExternalId": "s", "externalId": str(n), "role": "user", "parts": [text(str(n))]}
        for n in range(5000)
    ]
    assert store.put_batch({"messages": body}).messages == 5000
    assert [message["externalId"] for message in messages(store)] == [str(n) for n in range(5000)]
    assert store.sessions()[0]["messageCount"] == 5000


@pytest.mark.parametrize("damage", ['[{"type', "{}", "7", "\x00"])
def test_damaged_row_is_marked_and_hides_no_other(store: Store, path: Path, damage: str) -> None:
    put_message(store, "m", parts=[text("one")])
    put_message(store, "n", parts=[text("two")])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE message SET parts = ?, extra = ? WHERE externalId = 'm'", [damage] * 2)
    bad, good = messages(store)
    assert "damaged" in bad["parts"][0]["content"]
    assert good["parts"] == [text("two")]


@pytest.mark.parametrize(
    ("text_in_file", "damage"),
    [
        (b"textContent TEXT", b"textContend TEXT"),
        (b"extra TEXT", b"extrb TEXT"),
        (b"CREATE TABLE message", b"CREATE TAB\xe1E message"),
    ],
    ids=["textContent", "extra", "invalid UTF-8"],
)
def test_damaged_schema_is_reported_as_damage(
    tmp_path: Path, text_in_file: bytes, damage: bytes
) -> None:
    path = tmp_path / "closed.db"
    with Store(path) as intact:
        intact.put_session({"externalId": "s"}, {})
        put_message(intact, "m", parts=[text("one")])
    assert text_in_file in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(text_in_file, damage))
    with pytest.raises(UnusableFileError, match="damaged") as caught, Store(path) as store:
        store.session("s")
    assert caught.value.hint


def test_version_and_choices_follow_every_change_by_any_process(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db", now=lambda: 1) as store, Store(tmp_path / "s.db") as other:
        seen = {store.version()}
        assert store.filter_choices()["model"] == []
        for writer, model in ((store, "a"), (other, "b"), (store, "c")):
            writer.put_session({"externalId": model, "model": model}, {"gitBranch": f"x/{model}"})
            assert model in store.filter_choices()["model"]
            assert f"x/{model}" in store.filter_choices()["branch"]
            assert store.version() not in seen
            seen.add(store.version())
        assert store.version() in seen, "reading changes nothing"
        other.delete_session("b")
        assert store.filter_choices()["model"] == ["a", "c"]
