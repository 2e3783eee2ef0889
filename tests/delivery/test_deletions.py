"""A delivered message that the agent has deleted since is marked as undone, once."""

from __future__ import annotations

from typing import Any

import pytest

from opensync_hooks.cli.verify.verifier import Verifier
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.model import Attachment, Charge, Message, Usage
from tests.delivery.harness import Harness, message, session, source_of

FIRST, WRONG, LAST = message("m1", "first"), message("m2", "wrong"), message("m3", "last")


@pytest.fixture(params=["opensync", "embedded"])
def harness(request: pytest.FixtureRequest) -> Harness:
    value: Harness = request.getfixturevalue(request.param)
    return value


def deliver(harness: Harness, *messages: Message, **fields: Any) -> SyncOutcome:
    """Deliver these messages from an agent that has no others."""
    stored_ids = frozenset(message.id for message in messages)
    return harness.deliver(*messages, **{"stored_ids": stored_ids, **fields})


def test_deleted_message_is_marked_and_sent_once(harness: Harness) -> None:
    deliver(harness, FIRST, WRONG)
    assert deliver(harness, FIRST, LAST).sent == 2
    assert harness.texts() == ["first", "[undone] wrong", "last"]
    parts = harness.stored()[1][1]["parts"]
    assert [part["content"] for part in parts] == ["[undone] wrong"]
    assert deliver(harness, FIRST, LAST).sent == 0
    assert harness.texts() == ["first", "[undone] wrong", "last"]


def test_message_that_was_undone_before_it_was_deleted_is_marked_once(harness: Harness) -> None:
    deliver(harness, FIRST, WRONG)
    deliver(harness, FIRST, message("m2", "wrong", undone=True))
    assert deliver(harness, FIRST).sent == 0
    assert harness.texts() == ["first", "[undone] wrong"]


def test_message_that_comes_back_loses_its_mark(harness: Harness) -> None:
    deliver(harness, FIRST, WRONG)
    deliver(harness, FIRST)
    deliver(harness, FIRST, WRONG)
    assert harness.texts() == ["first", "wrong"]


def test_message_keeps_its_counts_and_parts(embedded: Harness) -> None:
    charge = Charge("c", "m", Usage(input_tokens=7, output_tokens=3), 0.5)
    wrong = message("m2", charge=charge, parts=(Attachment("a/b", 1),), model="m")
    deliver(embedded, FIRST, wrong)
    before = embedded.stored()[1][1]
    deliver(embedded, FIRST)
    after = embedded.stored()[1][1]
    assert after["parts"] == [{"type": "text", "content": "[undone] [a/b, 1 bytes]"}]
    assert after["extra"] == {**before["extra"], "undone": True}
    for name in ("promptTokens", "completionTokens", "model", "createdAt", "role"):
        assert after[name] == before[name]


@pytest.mark.parametrize("stored_ids", [None, frozenset({"m1", "m2"})], ids=["unknown", "kept"])
def test_nothing_is_marked_unless_the_agent_has_certainly_deleted_it(
    harness: Harness, stored_ids: frozenset[str] | None
) -> None:
    deliver(harness, FIRST, WRONG)
    assert deliver(harness, FIRST, stored_ids=stored_ids).sent == 0
    assert harness.texts() == ["first", "wrong"]


def test_message_that_the_destination_lacks_is_not_looked_for_again(opensync: Harness) -> None:
    deliver(opensync, FIRST, WRONG)
    with opensync.store._file.writing() as db:
        db.execute("DELETE FROM message WHERE textContent = 'wrong'")
    deliver(opensync, FIRST)
    opensync.requests.clear()
    deliver(opensync, FIRST)
    assert not opensync.request_counts


def test_verify_names_a_deleted_message_until_it_is_marked(harness: Harness) -> None:
    deliver(harness, FIRST, WRONG)
    verifier = Verifier(harness.syncer, harness.syncer.destination)
    source, located = source_of(session(FIRST, stored_ids=frozenset({"m1"})))
    verdict = verifier.verify(source, located)
    assert [(difference.kind, difference.message_id) for difference in verdict.differences] == [
        ("deleted message", "m2")
    ]
    assert "m2" in verdict.differences[0].description
    verifier.repair(source, located, verdict)
    assert verifier.verify(source, located).is_equal
    assert harness.texts() == ["first", "[undone] wrong"]


def test_session_of_nothing_but_costs_is_sent(harness: Harness) -> None:
    charge = Charge("c", "m", Usage(input_tokens=7), 0.5)
    outcome = harness.deliver(charges=(charge,), title="Silent")
    assert (outcome.sessions, outcome.sent) == (1, 0)
    row, messages = harness.stored()
    assert (row["title"], row["cost"], row["promptTokens"], messages) == ("Silent", 0.5, 7, [])


def test_session_of_nothing_at_all_is_not_sent(harness: Harness) -> None:
    assert harness.deliver(title="Empty").sessions == 0
    assert harness.store.session("s1") is None
