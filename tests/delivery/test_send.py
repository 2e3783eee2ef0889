"""Each message is sent once, in order, whatever the server answers and whenever it goes away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from opensync_hooks.agents.source import UNREAD_COPY
from opensync_hooks.cli.verify.verifier import Verifier
from opensync_hooks.delivery.limits import Limits, SendingTime
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.send import MAX_FAILURES
from opensync_hooks.errors import (
    DiskError,
    RejectedError,
    ServerFailureError,
    TimeLimitError,
    UnreachableError,
)
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.session_record import MessageState
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Attachment, Json, Message, Skipped
from opensync_hooks.privacy.excerpt import MAX_TEXT_BYTES
from opensync_hooks.server.routes import Response
from tests.delivery.harness import Harness, message, no_fault, session, source_of
from tests.opensync import Fault, RealStore

REFUSAL = Fault(Response(500, b'{"error": "Error: Value is too large"}'))
FAILURE = Fault(Response(500, b'{"error": "Server Error"}'))


def fail_on(harness: Harness, fault: Fault, *texts: str) -> None:
    """Have the server fail on messages with these texts, and on no others."""
    harness.fault = lambda _, body: (
        fault if any(f'"{text}"'.encode() in body for text in texts) else None
    )


def deliver_five(harness: Harness, limits: Limits | None = None) -> SyncOutcome:
    messages = [message(f"m{number}") for number in range(1, 6)]
    return harness.syncer.sync(*source_of(session(*messages)), limits=limits)


def is_current(harness: Harness) -> bool:
    return harness.syncer.state(*source_of(session())) is SyncState.UP_TO_DATE


def states(harness: Harness) -> list[MessageState | None]:
    records = (harness.record().message(f"m{number}") for number in range(1, 6))
    return [record.state if record else None for record in records]


# ---- requests ------------------------------------------------------------------------------------


def test_session_is_sent_first_and_its_totals_last(opensync: Harness) -> None:
    bodies: list[Json] = []

    def note(_path: str, body: bytes) -> None:
        if body:
            bodies.append(json.loads(body))

    opensync.fault = note
    opensync.deliver(message("m1"), title="One", project_path="/work")
    assert [body.get("title") for body in bodies] == ["One", None, None]
    assert [body.get("projectPath") for body in bodies] == ["/work", None, "/work"]
    bodies.clear()
    opensync.deliver(message("m1"), message("m2"), title="Two", project_path="/work")
    assert bodies[1] == {"sessions": [{"externalId": "s1", "title": "Two"}]}
    assert [body.get("title") for body in bodies] == [None] * 3
    assert opensync.stored()[0]["title"] == "Two"


def test_new_title_is_sent_alone_and_keeps_the_search_text(opensync: Harness) -> None:
    transcript = opensync.transcript()
    transcript.turn(1)
    opensync.sync()
    transcript.write(b'{"type":"custom-title","customTitle":"Better"}\n')
    opensync.sync()
    assert opensync.stored()[0]["title"] == "Better"
    look = "/api/sessions?limit=3"
    assert opensync.request_counts == {look: 1, "/sync/batch": 1, "/sync/session": 1}
    assert isinstance(opensync.store, RealStore)
    assert "answer 1" in opensync.store.search_text["s1"]


def test_source_of_a_cursor_session_is_the_one_that_opensync_counts(opensync: Harness) -> None:
    for messages in ([message("m1")], [message("m1"), message("m2")]):
        opensync.deliver(*messages)
        assert opensync.stored()[0]["source"] == "cursor-sync"
    located = source_of(session(message("m1"), message("m2"), title="Other"))
    opensync.syncer.sync(*located, force=True)
    assert opensync.stored()[0]["source"] == "cursor-sync"


def test_source_that_an_earlier_version_stored_is_corrected_with_the_next_turn(
    opensync: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("opensync_hooks.agents.registry.opensync_name", lambda agent: agent)
        opensync.deliver(message("m1"), title="One")
    assert opensync.stored()[0]["source"] == "cursor"
    opensync.deliver(message("m1"), title="One")
    assert opensync.stored()[0]["source"] == "cursor-sync"


def test_text_content_is_sent_only_where_there_is_or_was_a_text(opensync: Harness) -> None:
    images = (Attachment("image/png", 3),)
    bodies: list[Json] = []

    def note(path: str, body: bytes) -> None:
        if path == "/sync/message":
            bodies.append(json.loads(body))

    opensync.fault = note
    opensync.deliver(message("m1", parts=images), message("m2", "words"))
    opensync.deliver(message("m1", parts=images), message("m2", parts=images))
    assert [body.get("textContent") for body in bodies] == [None, "words", ""]
    assert {body["source"] for body in bodies} == {"cursor-sync"}
    assert {body["sessionExternalId"] for body in bodies} == {"s1"}


def test_totals_are_right_though_the_server_ignores_repeated_sessions(opensync: Harness) -> None:
    transcript = opensync.transcript()
    for number in range(1, 4):
        transcript.turn(number)
        opensync.sync()
    session, _ = opensync.stored()
    assert (session["promptTokens"], session["completionTokens"]) == (3, 15)
    assert session["cost"] == pytest.approx(3 * (1 * 5 + 5 * 25) / 1e6)


def test_session_id_may_hold_a_lone_surrogate(opensync: Harness) -> None:
    assert opensync.deliver(message("m1"), session_id="s\ud800").sent == 1


def test_cuts_are_counted_once_however_often_the_session_is_sent(embedded: Harness) -> None:
    long = "x" * (MAX_TEXT_BYTES + 1)
    messages = (message("m1", long), message("m2"), message("m3", long))
    with_losses = source_of(session(*messages, skipped={Skipped("unreadable", "torn lines"): 2}))
    for force in (False, True):
        outcome = embedded.syncer.sync(*with_losses, force=force)
        assert outcome.losses == {losses.CUT_TEXTS: 2}
        total = losses.total(embedded.syncer.ledger, embedded.store.name)
        assert total == {losses.CUT_TEXTS: 2, "torn lines": 2}
    embedded.deliver(message("m1", long), session_id="s2")
    assert losses.total(embedded.syncer.ledger, embedded.store.name)[losses.CUT_TEXTS] == 3


# ---- a destination that goes away ----------------------------------------------------------------


def test_destination_that_goes_away_in_the_middle_gets_the_rest_later(opensync: Harness) -> None:
    transcript = opensync.transcript()
    for number in range(1, 4):
        transcript.turn(number)
    opensync.fault = lambda _, body: Fault() if b"prompt 2" in body else None
    with pytest.raises(UnreachableError):
        opensync.sync()
    opensync.fault = no_fault
    assert opensync.sync().sent == 4
    assert opensync.texts() == [f"{kind} {n}" for n in range(1, 4) for kind in ("prompt", "answer")]


def test_lost_answer_leads_to_one_row(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    faults = iter([Fault(stored=True)] * 5)
    opensync.fault = lambda path, _: next(faults, None) if path == "/sync/message" else None
    with pytest.raises(UnreachableError):
        opensync.sync()
    opensync.sync()
    assert opensync.texts() == ["prompt 1", "answer 1"]
    assert opensync.store.stats()["messageCount"] == 2


# ---- a server that refuses or fails --------------------------------------------------------------


def test_refused_message_is_quarantined_with_its_reason_and_not_sent_again(
    opensync: Harness,
) -> None:
    fail_on(opensync, REFUSAL, "m2", "m4")
    outcome = deliver_five(opensync)
    assert (outcome.sent, outcome.quarantined, outcome.unclear) == (3, 2, 0)
    reason = f"{opensync.syncer.destination.name}: refused (500). Error: Value is too large"
    assert outcome.reason == reason
    rows = opensync.syncer.ledger.rows("SELECT id, reason FROM message WHERE state = 'parked'")
    assert rows == [("m2", reason), ("m4", reason)]
    opensync.fault = no_fault
    opensync.requests.clear()
    assert deliver_five(opensync).unchanged == 5
    assert opensync.requests == []
    assert opensync.syncer.state(*source_of(session())) is SyncState.QUARANTINED


def test_refused_message_is_sent_again_by_force(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    opensync.fault = lambda _, body: REFUSAL if b"answer 1" in body else None
    assert opensync.sync().quarantined == 1
    opensync.fault = no_fault
    assert opensync.sync(force=True).sent == 2


def test_message_that_the_server_fails_on_is_sent_by_the_next_run(opensync: Harness) -> None:
    fail_on(opensync, FAILURE, "m2")
    outcome = deliver_five(opensync)
    assert (outcome.sent, outcome.quarantined, outcome.unclear) == (4, 0, 1)
    assert outcome.reason == f"{opensync.syncer.destination.name}: server error 500. Server Error"
    assert states(opensync)[1] is MessageState.PENDING
    query = "SELECT reason FROM message WHERE id = 'm2'"
    assert opensync.syncer.ledger.rows(query) == [(outcome.reason,)]
    assert not is_current(opensync)
    opensync.fault = no_fault
    assert deliver_five(opensync).sent == 1
    assert opensync.texts() == ["m1", "m3", "m4", "m5", "m2"]


def test_message_that_the_server_fails_on_at_the_last_attempt_is_quarantined(
    opensync: Harness,
) -> None:
    fail_on(opensync, FAILURE, "m2")
    outcome = deliver_five(opensync, Limits(is_last_attempt=True))
    assert (outcome.sent, outcome.quarantined, outcome.unclear) == (4, 1, 0)
    assert states(opensync)[1] is MessageState.QUARANTINED
    assert not is_current(opensync)
    opensync.fault = no_fault
    assert deliver_five(opensync).unchanged == 5


def test_last_attempt_quarantines_any_number_of_messages(opensync: Harness) -> None:
    fail_on(opensync, FAILURE, "m1", "m2", "m3", "m4", "m5")
    assert deliver_five(opensync, Limits(is_last_attempt=True)).quarantined == 5


def test_server_that_fails_on_three_messages_in_a_row_is_left_alone(opensync: Harness) -> None:
    fail_on(opensync, FAILURE, "m2", "m3", "m4", "m5")
    with pytest.raises(ServerFailureError):
        deliver_five(opensync)
    assert states(opensync) == [MessageState.CONFIRMED, *[MessageState.PENDING] * 3, None]
    assert MAX_FAILURES == 3


def test_success_between_failures_blames_the_messages(opensync: Harness) -> None:
    fail_on(opensync, FAILURE, "m1", "m2", "m4", "m5")
    assert deliver_five(opensync).unclear == 4


def test_unchanged_message_between_failures_says_nothing_about_the_server(
    opensync: Harness,
) -> None:
    opensync.deliver(message("m2"), message("m4"))
    fail_on(opensync, FAILURE, "m1", "m3", "m5")
    with pytest.raises(ServerFailureError):
        deliver_five(opensync)


def test_reason_of_a_failure_outlives_later_successes(opensync: Harness) -> None:
    fail_on(opensync, REFUSAL, "m1")
    subagent = session(message("c1"), session_id="subagent")
    outcome = opensync.syncer.sync(*source_of(session(message("m1")), subagent))
    assert (outcome.sent, outcome.quarantined) == (1, 1)
    reason = f"{opensync.syncer.destination.name}: refused (500). Error: Value is too large"
    assert outcome.reason == reason


def test_run_past_its_deadline_sends_one_message_and_leaves_the_rest(opensync: Harness) -> None:
    for number in range(1, 5):
        with pytest.raises(TimeLimitError) as caught:
            deliver_five(opensync, Limits(deadline=time.monotonic() - 1))
        assert str(caught.value) == "s1: takes too long; the other sessions go first."
        assert opensync.texts() == [f"m{n}" for n in range(1, number + 1)]
    assert deliver_five(opensync, Limits(deadline=time.monotonic() + 3600)).sent == 1


class Clock:
    """In place of the module `time` where the time of a run is counted."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("opensync_hooks.delivery.limits.time", clock)
    return clock


def test_comparing_takes_no_time_from_the_run(opensync: Harness, clock: Clock) -> None:
    """Else each attempt compares the whole session once more, and sends one message of it."""

    class SlowMessages:
        def __iter__(self) -> Iterator[Message]:
            for number in range(1, 6):
                clock.now += 1_000
                yield message(f"m{number}")

    slow = replace(session(), messages=SlowMessages())
    outcome = opensync.syncer.sync(*source_of(slow), limits=Limits(sending_time=SendingTime(240)))
    assert (outcome.sent, opensync.texts()) == (5, ["m1", "m2", "m3", "m4", "m5"])


def test_requests_take_time_from_the_run_over_all_of_its_sessions(
    opensync: Harness, clock: Clock
) -> None:
    def respond_late(path: str, _: bytes) -> None:
        clock.now += 50 if path == "/sync/message" else 0

    opensync.fault = respond_late
    main = session(message("m1"), message("m2"), message("m3"))
    subagent = session(*(message(f"c{n}") for n in range(1, 6)), session_id="subagent")

    def attempt() -> SyncOutcome:
        limits = Limits(sending_time=SendingTime(240))
        return opensync.syncer.sync(*source_of(main, subagent), limits=limits)

    with pytest.raises(TimeLimitError, match="subagent: takes too long"):
        attempt()
    assert (opensync.texts(), opensync.texts("subagent")) == (["m1", "m2", "m3"], ["c1", "c2"])
    assert attempt().sent == 3
    assert opensync.request_counts["/sync/message"] == 8, "each message once"


# ---- several messages in one transaction of the store --------------------------------------------


def fail_store_on(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, text: str, error: Exception
) -> None:
    """Have the embedded store raise an error for the message with this text."""
    real = harness.store.put_message

    def put_message(body: Json, extra: Json, *, replaces: bool) -> str:
        if body.get("textContent") == text:
            raise error
        return real(body, extra, replaces=replaces)

    monkeypatch.setattr(harness.store, "put_message", put_message)


def test_message_that_the_store_refuses_leaves_the_others_of_its_transaction(
    embedded: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_store_on(embedded, monkeypatch, "m3", RejectedError("no"))
    outcome = deliver_five(embedded)
    assert (outcome.sent, outcome.quarantined, outcome.reason) == (4, 1, "no")
    assert embedded.texts() == ["m1", "m2", "m4", "m5"]
    confirmed = MessageState.CONFIRMED
    quarantined = MessageState.QUARANTINED
    assert states(embedded) == [confirmed, confirmed, quarantined, confirmed, confirmed]


def test_transaction_that_fails_is_not_confirmed_and_is_sent_again_as_a_whole(
    embedded: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_store_on(embedded, patch, "m3", DiskError("full"))
        with pytest.raises(DiskError):
            deliver_five(embedded)
    assert embedded.texts() == []
    assert states(embedded) == [MessageState.PENDING] * 5
    assert deliver_five(embedded).sent == 5
    assert embedded.texts() == ["m1", "m2", "m3", "m4", "m5"]


def test_long_session_is_stored_in_several_transactions(
    embedded: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(embedded.store), "messages_per_transaction", 2)
    fail_store_on(embedded, monkeypatch, "m5", DiskError("full"))
    with pytest.raises(DiskError):
        deliver_five(embedded)
    assert embedded.texts() == ["m1", "m2", "m3", "m4"]
    assert states(embedded) == [MessageState.CONFIRMED] * 4 + [MessageState.PENDING]


def test_texts_that_fill_a_transaction_are_not_held_back(
    embedded: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "x" * 1_200_000
    fail_store_on(embedded, monkeypatch, "last", DiskError("full"))
    with pytest.raises(DiskError):
        embedded.deliver(message("m1", long), message("m2", long), message("m3", "last"))
    assert len(embedded.texts()) == 2


# ---- which copy was delivered --------------------------------------------------------------------

RICH = {"origin": "database"}
POOR = {"origin": "transcript", "richer_origin": "database"}


def test_poorer_copy_is_left_out_once_the_richer_one_was_delivered(opensync: Harness) -> None:
    """Its messages have other ids: every text would be there twice."""
    opensync.deliver(message("m1", "text"), **RICH)
    poor = session(message("line-1", "text"), **POOR)
    outcome = opensync.syncer.sync(*source_of(poor))
    assert (outcome.state, outcome.sent, outcome.unchanged) == (SyncState.SYNCED, 0, 1)
    (preview,) = opensync.syncer.preview(*source_of(poor))
    assert isinstance(preview, SyncOutcome)
    assert opensync.texts() == ["text"]


@pytest.mark.parametrize(
    ("is_partial", "state"), [(False, SyncState.INCOMPLETE), (True, SyncState.WAITING)]
)
def test_poorer_copy_says_that_the_richer_one_cannot_be_read(
    opensync: Harness, is_partial: bool, state: SyncState
) -> None:
    opensync.deliver(message("m1", "text"), **RICH)
    lost = {UNREAD_COPY: 1}
    poor = source_of(
        session(message("line-1", "text"), skipped=lost, is_partial=is_partial, **POOR)
    )
    outcome = opensync.syncer.sync(*poor)
    assert (outcome.state, outcome.unchanged, outcome.skipped) == (state, 1, lost)
    ledger, account = opensync.syncer.ledger, opensync.syncer.destination.name
    assert losses.total(ledger, account) == {UNREAD_COPY.name: 1}
    verdict = Verifier(opensync.syncer, opensync.syncer.destination).verify(*poor)
    kinds = [difference.kind for difference in verdict.differences]
    assert (kinds, verdict.is_partial) == ([] if is_partial else ["not read"], is_partial)
    opensync.deliver(message("m1", "text"), **RICH)
    assert losses.total(ledger, account) == {}


def test_richer_copy_replaces_the_poorer_one_message_by_message(opensync: Harness) -> None:
    opensync.deliver(message("line-1", "poor"), **POOR)
    opensync.deliver(message("m1", "rich", aliases=("line-1",)), **RICH)
    assert opensync.texts() == ["rich"]


def test_richer_copy_that_was_only_previewed_bars_no_other(opensync: Harness) -> None:
    list(opensync.syncer.preview(*source_of(session(message("m1", "text"), **RICH))))
    assert opensync.deliver(message("line-1", "text"), **POOR).sent == 1


def test_richer_copy_without_a_message_bars_no_other(opensync: Harness) -> None:
    assert opensync.deliver(**RICH).sessions == 0
    assert opensync.deliver(message("line-1", "text"), **POOR).sent == 1


@pytest.mark.parametrize(("fails_on", "sent"), [("first", 2), ("second", 0)])
def test_richer_copy_bars_another_once_a_message_of_it_arrived(
    opensync: Harness, fails_on: str, sent: int
) -> None:
    opensync.fault = lambda _, body: Fault() if fails_on.encode() in body else None
    with pytest.raises(UnreachableError):
        opensync.deliver(message("m1", "first"), message("m2", "second"), **RICH)
    opensync.fault = no_fault
    poor = (message("line-1", "first"), message("line-2", "second"))
    assert opensync.deliver(*poor, **POOR).sent == sent


def test_copy_at_one_destination_bars_none_at_another(opensync: Harness, embedded: Harness) -> None:
    opensync.deliver(message("m1", "text"), **RICH)
    assert embedded.deliver(message("line-1", "text"), **POOR).sent == 1


def test_copy_that_an_older_version_delivered_is_remembered_when_it_is_read(
    opensync: Harness,
) -> None:
    opensync.deliver(message("m1", "text"))
    opensync.deliver(message("m1", "text"), **RICH)
    assert opensync.deliver(message("line-1", "text"), **POOR).sent == 0
