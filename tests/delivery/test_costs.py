"""A session is billed for its own calls, and for none that it copied from another session."""

from __future__ import annotations

from typing import Any

import pytest

from opensync_hooks.ledger import charges
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.model import Charge, Usage
from tests.delivery.harness import Harness, message

PRICED, UNPRICED = "claude-opus-4-5", "a-model-without-a-price"
"""A million tokens of the first cost 5 USD to read, and 25 to write."""


def charge(charge_id: str, model: str | None = PRICED, **fields: Any) -> Charge:
    return Charge(charge_id, model, Usage(input_tokens=100, output_tokens=10), **fields)


def test_message_bears_the_tokens_and_the_cost_of_its_own_call(embedded: Harness) -> None:
    embedded.deliver(
        message("m1", charge=charge("c1")), message("m2", charge=charge("c2", cost=0.5))
    )
    _, messages = embedded.stored()
    for row in messages:
        assert (row["promptTokens"], row["completionTokens"]) == (100, 10)
        assert (row["extra"]["inputTokens"], row["extra"]["outputTokens"]) == (100, 10)
    by_table, by_agent = (row["extra"]["cost"] for row in messages)
    assert by_table == pytest.approx((100 * 5 + 10 * 25) / 1e6)
    assert by_agent == 0.5


def test_message_that_a_fork_copied_bears_no_tokens(embedded: Harness) -> None:
    original = message("m1", charge=charge("c1"))
    embedded.deliver(original)
    embedded.deliver(original, message("m2", charge=charge("c2")), session_id="fork")
    session, messages = embedded.stored("fork")
    assert [row.get("promptTokens") for row in messages] == [None, 100]
    assert "cost" not in messages[0]["extra"]
    assert session["promptTokens"] == session["extra"]["inputTokens"] == 100


def test_fork_of_a_fork_is_linked_to_the_nearest_one(embedded: Harness) -> None:
    messages = [message(f"m{number}", charge=charge(f"c{number}")) for number in range(4)]
    for session_id, count in (("first", 2), ("second", 3), ("third", 4)):
        embedded.deliver(*messages[:count], session_id=session_id)
    originals = [
        embedded.stored(session_id)[0]["extra"].get("forkedFromExternalId")
        for session_id in ("first", "second", "third")
    ]
    assert originals == [None, "first", "second"]


def test_only_models_without_a_price_are_named(embedded: Harness) -> None:
    charges = [charge("c1"), charge("c2", UNPRICED), charge("c3", None), charge("c4", "another")]
    embedded.deliver(*(message(charge.id, charge=charge) for charge in charges))
    assert summarize(embedded.syncer.ledger, embedded.store.name).unpriced == (UNPRICED, "another")


def test_message_of_a_model_without_a_price_has_tokens_and_no_cost(embedded: Harness) -> None:
    embedded.deliver(message("m1", charge=charge("c1", UNPRICED)))
    _, (row,) = embedded.stored()
    assert (row["promptTokens"], row["extra"].get("cost")) == (100, None)


def test_preview_claims_no_charge(embedded: Harness) -> None:
    embedded.transcript().turn(1)
    list(embedded.syncer.preview(embedded.source, embedded.locate()))
    fork = embedded.record("fork", embedded.source.agent)
    assert set(charges.claim(fork, ["msg_s1_1"]).values()) == {"fork"}


def test_recorded_fork_does_not_bill_what_it_copied(embedded: Harness) -> None:
    embedded.copy_recording("05-fork")
    ids = [f"0000000{number}-0000-4000-8000-00000000000{number}" for number in (7, 8)]
    for session_id in ids:
        embedded.sync(session_id)
    original, fork = (embedded.stored(session_id)[0] for session_id in ids)
    assert (original["completionTokens"], fork["completionTokens"]) == (312, 50)
    assert fork["extra"]["forkedFromExternalId"] == original["externalId"]
    assert fork["messageCount"] == 8


def test_cost_of_0_that_the_agent_states_stays_and_has_a_list_price(embedded: Harness) -> None:
    charges = [
        *(charge("c1", cost=0.0), charge("c2", cost=0.0)),
        *(charge("c3", UNPRICED, cost=0.0), charge("c4", "another", cost=0.5)),
    ]
    embedded.deliver(*(message(charge.id, charge=charge) for charge in charges))
    assert embedded.stored()[0]["cost"] == 0.5
    summary = summarize(embedded.syncer.ledger, embedded.store.name)
    assert summary.unpriced == ()
    (model,) = summary.stated_free
    assert model == charges[0].model
    assert summary.stated_free[model] == pytest.approx(2 * (100 * 5 + 10 * 25) / 1e6)
    embedded.record().forget()
    assert summarize(embedded.syncer.ledger, embedded.store.name).stated_free == {}
