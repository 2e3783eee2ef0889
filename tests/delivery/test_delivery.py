"""What is sent of a session, what it is billed for, and what is known of it afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from opensync_hooks.delivery import split
from opensync_hooks.delivery.json_values import MAX_TEXT_BYTES
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.send import MAX_FAILURES, NO_LIMITS, Limits
from opensync_hooks.errors import ServerFailureError, TimeLimitError
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.model import Charge, Json, Reasoning, ToolCall, Usage
from opensync_hooks.server.routes import Response
from tests.desk import Desk, at_opensync, at_the_store, said, session, source, told
from tests.opensync import Fault

NOON = 1_790_000_000_000
KNOWN, UNKNOWN = "claude-opus-4-5", "a-model-without-a-price"
"""Of the first one a million tokens cost 5 USD to read, and 25 to write."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with at_opensync(tmp_path) as made:
        yield made


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Desk]:
    with at_the_store(tmp_path) as made:
        yield made


def charge(name: str, model: str | None = KNOWN, **more: float) -> Charge:
    return Charge(name, model, Usage(input_tokens=100, output_tokens=10), **more)


def held(desk: Desk, session_id: str = "s1") -> tuple[Json, list[Json]]:
    """The session and its messages, as the destination has them."""
    found = desk.store.session(session_id)
    assert found
    return found["session"], found["messages"]


def state(desk: Desk, message_id: str) -> MessageState | None:
    """What the ledger says of a message."""
    record = SessionRecord(desk.syncer.ledger, desk.syncer.destination.name, "cursor", "s1")
    existing = record.message(message_id)
    return existing.state if existing else None


# ---- the bill ------------------------------------------------------------------------------------


def test_each_message_bears_the_tokens_and_the_cost_of_its_own_call(embedded: Desk) -> None:
    told(embedded, said("m1", charge=charge("c1")), said("m2", charge=charge("c2", cost=0.5)))
    _, (first, second) = held(embedded)
    for one in (first, second):
        assert (one["promptTokens"], one["completionTokens"]) == (100, 10)
        assert (one["extra"]["inputTokens"], one["extra"]["outputTokens"]) == (100, 10)
    assert first["extra"]["cost"] == pytest.approx((100 * 5 + 10 * 25) / 1e6)
    assert second["extra"]["cost"] == 0.5


def test_message_that_was_copied_with_a_fork_bears_no_tokens_there(embedded: Desk) -> None:
    copied = said("m1", charge=charge("c1"))
    told(embedded, copied)
    told(embedded, copied, said("m2", charge=charge("c2")), name="fork")
    session_row, messages = held(embedded, "fork")
    assert [one.get("promptTokens") for one in messages] == [None, 100]
    assert "cost" not in messages[0]["extra"]
    assert session_row["promptTokens"] == 100
    assert session_row["extra"]["inputTokens"] == 100


def test_fork_of_a_fork_is_linked_to_the_nearest_one(embedded: Desk) -> None:
    calls = [said(f"m{number}", charge=charge(f"c{number}")) for number in range(4)]
    told(embedded, *calls[:2], name="first")
    told(embedded, *calls[:3], name="second")
    told(embedded, *calls, name="third")
    extras = [held(embedded, name)[0]["extra"] for name in ("first", "second", "third")]
    found = [one.get("forkedFromExternalId") for one in extras]
    assert found == [None, "first", "second"]


def test_models_without_a_price_are_named_and_no_others(embedded: Desk) -> None:
    calls = [charge("c1"), charge("c2", UNKNOWN), charge("c3", None), charge("c4", "another-one")]
    told(embedded, *(said(one.id, charge=one) for one in calls))
    summary = summarize(embedded.syncer.ledger, embedded.store.name)
    assert summary.unpriced == (UNKNOWN, "another-one")


def test_session_without_any_price_has_none(embedded: Desk) -> None:
    told(embedded, said("m1", charge=charge("c1", UNKNOWN)))
    _, (message,) = held(embedded)
    assert (message["promptTokens"], message["extra"].get("cost")) == (100, None)


# ---- the messages --------------------------------------------------------------------------------


def test_message_that_has_nothing_to_show_keeps_no_other_one_back(desk: Desk) -> None:
    thought = replace(said("m1"), parts=(Reasoning("hm"),))
    outcome = told(desk, thought, said("m2"), replace(said("m3"), parts=()), said("m4"))
    assert outcome.sent == 2
    assert desk.texts() == ["m2", "m4"]


def test_times_never_contradict_the_order(embedded: Desk) -> None:
    at = (None, NOON, None, NOON - 5, NOON + 5)
    told(embedded, *(replace(said(f"m{n}"), created_at=one) for n, one in enumerate(at)))
    _, messages = held(embedded)
    times = [one["createdAt"] for one in messages if one["textContent"] != "m0"]
    assert times == [NOON, NOON, NOON, NOON + 5]


def test_what_only_the_store_has_room_for_is_kept_there(embedded: Desk) -> None:
    old = said("m1", aliases=("piece-1",))
    told(embedded, old)
    told(embedded, replace(old, undone=True), git_branch="main", agent_version="1.2")
    head, (message,) = held(embedded)
    assert message["extra"] == {"undone": True, "aliases": ["piece-1"]}
    assert (head["extra"]["gitBranch"], head["extra"]["agentVersion"]) == ("main", "1.2")


def test_change_that_a_destination_cannot_hold_is_no_reason_to_send(
    desk: Desk, embedded: Desk
) -> None:
    """Another alias changes nothing that OpenSync has; the embedded store keeps it."""
    for one in (desk, embedded):
        told(one, said("m1"))
    changed = said("m1", aliases=("piece-1",))
    assert (told(desk, changed).sent, told(embedded, changed).sent) == (0, 1)
    assert desk.requests[-1][0] == "/sync/session"


def test_text_stands_beside_the_parts_only_where_there_is_or_was_one(desk: Desk) -> None:
    call = ToolCall("t1", "Bash", {})
    bodies: list[Json] = []

    def note(path: str, body: bytes) -> None:
        if path == "/sync/message":
            bodies.append(json.loads(body))

    desk.fault = note
    told(desk, replace(said("m1"), parts=(call,)), said("m2", "words"))
    told(desk, replace(said("m1"), parts=(call,)), replace(said("m2"), parts=(call,)))
    assert [one.get("textContent") for one in bodies] == [None, "words", ""]
    assert {one["source"] for one in bodies} == {"cursor"}
    assert {one["sessionExternalId"] for one in bodies} == {"s1"}


def test_secrets_are_counted_when_they_are_sent_and_not_again(desk: Desk) -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 3 + "F6g7H8"
    messages = [said("m1", f"use {secret}"), said("m2"), said("m3", f"not {secret}")]
    assert sum(told(desk, *messages).redacted.values()) == 2
    assert told(desk, *messages).redacted == {}
    assert "ghp_" not in json.dumps(desk.store.session("s1"))


def test_title_is_masked_as_the_messages_are(desk: Desk) -> None:
    told(desk, said("m1"), title="use ghp_" + "a1B2c3D4e5" * 3 + "F6g7H8")
    assert "ghp_" not in held(desk)[0]["title"]


# ---- what could not be kept whole ----------------------------------------------------------------


def test_all_that_was_cut_is_counted_once_however_often_it_is_sent(embedded: Desk) -> None:
    long = "x" * (MAX_TEXT_BYTES + 1)
    whole = session(said("m1", long), said("m2"), said("m3", long), skipped={"torn lines": 2})
    for force in (False, True):
        outcome = embedded.syncer.sync(*source(whole), force=force)
        assert outcome.losses == {losses.CUT_TEXTS: 2, "torn lines": 2}
        assert losses.total(embedded.syncer.ledger, embedded.store.name) == outcome.losses
    told(embedded, said("m1", long), name="s2")
    assert losses.total(embedded.syncer.ledger, embedded.store.name)[losses.CUT_TEXTS] == 3


# ---- a server that fails -------------------------------------------------------------------------

REFUSED = Fault(Response(500, b'{"error": "Error: Value is too large"}'))
UNCLEAR = Fault(Response(500, b'{"error": "Server Error"}'))


def failing(desk: Desk, fault: Fault, *texts: str) -> None:
    """The server fails on messages with these texts, and on no other one."""
    desk.fault = lambda _, body: (
        fault if any(f'"{text}"'.encode() in body for text in texts) else None
    )


def five(desk: Desk, limits: Limits = NO_LIMITS) -> SyncOutcome:
    messages = [said(f"m{number}") for number in range(1, 6)]
    return desk.syncer.sync(*source(session(*messages)), limits=limits)


def test_refused_message_is_known_with_its_reason_and_not_sent_again_as_it_was(desk: Desk) -> None:
    failing(desk, REFUSED, "m2", "m4")
    outcome = five(desk)
    assert (outcome.sent, outcome.quarantined, outcome.unclear) == (3, 2, 0)
    reason = f"{desk.syncer.destination.name}: refused (500). Error: Value is too large"
    assert outcome.reason == reason
    rows = desk.syncer.ledger.rows("SELECT id, reason FROM message WHERE state = 'parked'")
    assert rows == [("m2", reason), ("m4", reason)]
    desk.fault = lambda _path, _body: None
    desk.requests.clear()
    assert five(desk).unchanged == 5
    assert desk.requests == []
    assert desk.syncer.is_current(*source(session(said("m1"))))


def test_message_that_the_server_fails_on_is_sent_by_the_next_run(desk: Desk) -> None:
    failing(desk, UNCLEAR, "m2")
    outcome = five(desk)
    assert (outcome.sent, outcome.quarantined, outcome.unclear) == (4, 0, 1)
    assert outcome.reason == f"{desk.syncer.destination.name}: server error 500. Server Error"
    assert state(desk, "m2") is MessageState.PENDING
    assert desk.syncer.ledger.rows("SELECT reason FROM message WHERE id = 'm2'") == [
        (outcome.reason,)
    ]
    assert not desk.syncer.is_current(*source(session(said("m1"))))
    desk.fault = lambda _path, _body: None
    assert (five(desk).sent, desk.texts()) == (1, ["m1", "m3", "m4", "m5", "m2"])


def test_message_that_the_server_still_fails_on_at_the_last_try_is_set_aside(desk: Desk) -> None:
    failing(desk, UNCLEAR, "m2")
    outcome = five(desk, limits=Limits(is_last_attempt=True))
    assert (outcome.sent, outcome.quarantined, outcome.unclear) == (4, 1, 0)
    assert state(desk, "m2") is MessageState.QUARANTINED
    assert desk.syncer.is_current(*source(session(said("m1"))))
    desk.fault = lambda _path, _body: None
    assert five(desk).unchanged == 5


def test_server_that_fails_on_three_messages_in_a_row_is_left_alone(desk: Desk) -> None:
    failing(desk, UNCLEAR, "m2", "m3", "m4", "m5")
    with pytest.raises(ServerFailureError):
        five(desk)
    assert [state(desk, f"m{n}") for n in range(1, 6)] == [
        MessageState.CONFIRMED, *[MessageState.PENDING] * 3, None,
    ]  # fmt: skip
    assert MAX_FAILURES == 3


def test_failures_with_a_success_between_them_are_the_messages_fault(desk: Desk) -> None:
    failing(desk, UNCLEAR, "m1", "m2", "m4", "m5")
    assert five(desk).unclear == 4


def test_message_that_needs_no_request_tells_nothing_of_the_server(desk: Desk) -> None:
    told(desk, said("m2"), said("m4"))
    failing(desk, UNCLEAR, "m1", "m3", "m5")
    with pytest.raises(ServerFailureError):
        five(desk)


def test_delivery_whose_time_is_over_sends_one_message_and_leaves_the_rest_for_later(
    desk: Desk,
) -> None:
    for number in range(1, 5):
        with pytest.raises(TimeLimitError) as caught:
            five(desk, limits=Limits(deadline=time.monotonic() - 1))
        assert str(caught.value) == "s1: takes too long; the other sessions go first."
        assert desk.texts() == [f"m{n}" for n in range(1, number + 1)]
    assert five(desk, limits=Limits(deadline=time.monotonic() + 3600)).sent == 1


# ---- the session ---------------------------------------------------------------------------------


def test_session_is_opened_first_and_brought_up_to_date_last(desk: Desk) -> None:
    bodies: list[Json] = []

    def note(_path: str, body: bytes) -> None:
        bodies.append(json.loads(body) if body else {})

    desk.fault = note
    told(desk, said("m1"), title="One", project_path="/work")
    sent = [one for one in bodies if one]
    assert [one.get("title") for one in sent] == ["One", None, None]
    assert [one.get("projectPath") for one in sent] == ["/work", None, "/work"]
    bodies.clear()
    told(desk, said("m1"), said("m2"), title="Two", project_path="/work")
    sent = [one for one in bodies if one]
    assert sent[2] == {"sessions": [{"externalId": "s1", "title": "Two"}]}
    assert [one.get("title") for one in sent] == [None, None, None, None]
    assert held(desk)[0]["title"] == "Two"


def test_session_is_weighed_as_it_travels_and_goes_on_where_it_would_be_too_much(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters of three bytes each, and thoughts that stay here and so weigh nothing."""
    texts = ["会" * 1_000, "话" * 1_000, "a" * 1_000, "b" * 1_000]
    messages = [said(text[0], text) for text in texts]
    messages = [replace(one, parts=(*one.parts, Reasoning("x" * 9_000))) for one in messages]
    monkeypatch.setattr(split, "MAX_BYTES", 10_000)
    assert told(desk, *messages).sent == 4
    found = ["".join(text[0] for text in desk.texts(name)) for name in ("s1", "s1#2", "s1#3")]
    assert found == ["会", "话a", "b"]


def test_field_that_changes_alone_is_brought_up_to_date_alone(embedded: Desk) -> None:
    told(embedded, said("m1"), git_branch="main")
    before = held(embedded)[1]
    outcome = told(embedded, said("m1"), git_branch="other")
    assert (outcome.sessions, outcome.sent, outcome.unchanged) == (1, 0, 1)
    head, messages = held(embedded)
    assert head["extra"]["gitBranch"] == "other"
    assert messages == before
