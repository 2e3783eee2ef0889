"""What the agent itself counts is kept beside our sum, and a fork repeats nothing of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from opensync_hooks.delivery.agent_cost import other_calls
from opensync_hooks.delivery.spending import by_day
from opensync_hooks.model import AgentTotal, Charge, Json, Usage
from tests.delivery.harness import Harness, message

USD = 5.0
"""The cost of each call here: a million tokens in."""
NOON = 1_790_000_000_000


def charge(charge_id: str, **fields: Any) -> Charge:
    return Charge(charge_id, "claude-opus-4-5", Usage(input_tokens=1_000_000), **fields)


def deliver(
    harness: Harness, session_id: str, calls: str, *totals: AgentTotal, copied: str = ""
) -> Json:
    """Deliver a session with one call per letter, and with what the agent says of those copied."""
    charges = [charge(letter) for letter in calls]
    charges[: len(copied)] = [charge(letter, made_in="s1") for letter in copied]
    messages = [message(f"m{charge.id}", charge=charge) for charge in charges]
    harness.deliver(*messages, session_id=session_id, agent_totals=totals)
    row: Json = harness.stored(session_id)[0]
    return row


def agent_cost(row: Json) -> float | None:
    cost: float | None = row["extra"].get("agentCost")
    return cost


def test_last_total_of_the_agent_is_kept_beside_the_cost(embedded: Harness) -> None:
    row = deliver(embedded, "s1", "ab", AgentTotal(5.5, "a"), AgentTotal(10.75, "b"))
    assert (row["cost"], agent_cost(row)) == (2 * USD, 10.75)
    assert other_calls(agent_cost(row), [row["cost"]]) == pytest.approx(0.75)


def test_session_of_an_agent_without_totals_has_none(embedded: Harness) -> None:
    assert agent_cost(deliver(embedded, "s1", "a")) is None


def test_calls_after_the_last_total_are_added_to_it(embedded: Harness) -> None:
    """A process that still runs, or was killed, has not stated them."""
    row = deliver(embedded, "s1", "abc", AgentTotal(5.5, "a"))
    assert agent_cost(row) == 5.5 + 2 * USD


def test_total_with_a_guessed_price_says_so(embedded: Harness) -> None:
    row = deliver(embedded, "s1", "a", AgentTotal(5, "a", is_guess=True))
    assert row["extra"]["agentCostIsGuess"] is True


def test_fork_counts_nothing_that_its_original_counted(embedded: Harness) -> None:
    original = deliver(embedded, "s1", "ab", AgentTotal(11, "b"))
    fork = deliver(embedded, "s2", "abc", AgentTotal(16.25, "c"))
    assert (fork["cost"], agent_cost(fork)) == (USD, 5.25)
    # The original goes on; what the fork began with stays what it was.
    longer = deliver(embedded, "s1", "abxy", AgentTotal(11, "b"), AgentTotal(21, "y"))
    assert agent_cost(deliver(embedded, "s2", "abc", AgentTotal(16.25, "c"))) == 5.25
    rows = (longer, fork)
    assert sum(row["cost"] for row in rows) == 5 * USD
    assert sum(agent_cost(row) or 0 for row in rows) == 21 + 5.25
    assert agent_cost(original) == 11


def test_fork_of_a_fork_begins_with_the_total_of_the_nearest_one(embedded: Harness) -> None:
    deliver(embedded, "s1", "a", AgentTotal(5.5, "a"))
    deliver(embedded, "s2", "ab", AgentTotal(11, "b"))
    assert agent_cost(deliver(embedded, "s3", "abc", AgentTotal(16.125, "c"))) == 5.125


def test_fork_from_a_point_that_no_total_names_has_no_total_of_its_own(embedded: Harness) -> None:
    deliver(embedded, "s1", "abc", AgentTotal(15.5, "c"))
    fork = deliver(embedded, "s2", "abd", AgentTotal(15, "d"))
    assert (fork["cost"], agent_cost(fork)) == (USD, None)
    assert other_calls(None, [fork["cost"]]) is None


def test_original_that_is_delivered_after_its_fork_repeats_nothing(embedded: Harness) -> None:
    """Versions that do not say what was copied: the fork has counted all of it."""
    fork = deliver(embedded, "s2", "abc", AgentTotal(16, "c"))
    original = deliver(embedded, "s1", "ab", AgentTotal(11, "b"))
    assert (fork["cost"], agent_cost(fork)) == (3 * USD, 16)
    assert (original["cost"], agent_cost(original)) == (0, None)


def test_original_that_is_delivered_after_its_fork_keeps_what_it_cost_beside_its_calls(
    embedded: Harness,
) -> None:
    """The fork was billed for the calls, and knows what it copied, but not what that had cost."""
    fork = deliver(embedded, "s2", "abc", AgentTotal(16.25, "c"), copied="ab")
    assert (fork["cost"], agent_cost(fork)) == (3 * USD, None)
    totals = (AgentTotal(11, "b"), AgentTotal(16.5, "x"))
    original = deliver(embedded, "s1", "abx", *totals)
    assert (original["cost"], agent_cost(original)) == (USD, 16.5 - 2 * USD)
    fork = deliver(embedded, "s2", "abcd", AgentTotal(21.5, "d"), copied="ab")
    assert (fork["cost"], agent_cost(fork)) == (4 * USD, 21.5 - 11 + 2 * USD)
    # In all: 5 USD for each of a, b, x, c, d, and 1, 0.5, and 0.5 for calls without a response.
    again = deliver(embedded, "s1", "abx", *totals)
    assert (agent_cost(again) or 0) + (agent_cost(fork) or 0) == 5 * USD + 2


def test_fork_after_a_response_with_advice_begins_with_its_total(embedded: Harness) -> None:
    charges = (charge("a"), charge("a:advisor_message:1"), charge("c"))
    embedded.deliver(
        message("m1"), session_id="s1", charges=charges[:2], agent_totals=(AgentTotal(11, "a"),)
    )
    embedded.deliver(
        message("m1"), session_id="s2", charges=charges, agent_totals=(AgentTotal(16.5, "c"),)
    )
    assert [agent_cost(embedded.stored(name)[0]) for name in ("s1", "s2")] == [11, 5.5]


def test_forgotten_session_leaves_no_total_behind(embedded: Harness) -> None:
    deliver(embedded, "s1", "a", AgentTotal(5.5, "a"))
    embedded.record("s1").forget()
    assert agent_cost(deliver(embedded, "s2", "ab", AgentTotal(11, "b"))) is None


@pytest.mark.parametrize(
    ("costs", "others"),
    [([1.0, 0.5], 0.5), ([2.0], 0.0), ([2.5], 0.0), ([2 - 1e-9], 0.0), ([1.0, None], None)],
)
def test_other_calls_are_what_no_session_of_the_family_accounts_for(
    costs: list[float | None], others: float | None
) -> None:
    assert other_calls(2.0, costs) == others


def test_spending_adds_up_by_day_model_and_basis_to_the_totals(embedded: Harness) -> None:
    tomorrow = NOON + 86_400_000
    charges = (
        *(charge("a", at=NOON), charge("b", at=NOON), charge("c", at=tomorrow)),
        Charge("d", "no-such-model", Usage(7), at=tomorrow),
        Charge("e", "claude-opus-4-5", Usage(1_000_000), 2.0, at=tomorrow),
    )
    embedded.deliver(message("m1"), session_id="s1", charges=charges)
    row = embedded.stored("s1")[0]
    spending = row["extra"]["spending"]
    facts = [(entry.get("basis"), entry["calls"], entry.get("cost")) for entry in spending]
    assert facts == [("list", 2, 10), ("list", 1, 5), (None, 1, None), ("agent", 1, 2)]
    assert spending[3]["listPrice"] == 5
    assert sum(entry.get("cost", 0) for entry in spending) == row["cost"] == 17
    assert sum(entry["inputTokens"] for entry in spending) == row["promptTokens"]
    days = [entry["day"] for entry in spending]
    assert days[0] == datetime.fromtimestamp(NOON / 1000, UTC).astimezone().date().isoformat()
    assert days[1] == days[2] == days[3] != days[0]
    assert row["extra"]["unpriced"] == ["no-such-model"]


def test_call_without_a_time_is_spent_on_the_day_of_its_session() -> None:
    (dated,) = by_day([charge("a")], NOON)
    (undated,) = by_day([charge("a")], None)
    assert dated.day is not None
    assert undated.day is None
