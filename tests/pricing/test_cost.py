"""A call costs what the agent states, else what the table says for each of its tokens."""

from __future__ import annotations

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from opensync_hooks.model import Charge, Message, Session, Usage
from opensync_hooks.pricing.cost import cost, price
from opensync_hooks.pricing.table import bundled_table

RATES = bundled_table().by_name
NAMES_OF_ONE_TIER = sorted(name for name, rates in RATES.items() if rates.beyond is None)
COUNTS = st.integers(min_value=0, max_value=10_000_000)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)


def usd(model: str | None, usage: Usage, stated: float | None = None) -> float | None:
    return cost(Charge("c1", model, usage, stated), bundled_table())


def known_usd(model: str, usage: Usage) -> float:
    dollars = usd(model, usage)
    assert dollars is not None, model
    return dollars


def test_call_costs_what_pen_and_paper_say() -> None:
    usage = Usage(
        input_tokens=12,
        output_tokens=1_234,
        cache_read_tokens=150_000,
        cache_write_5m_tokens=1_000,
        cache_write_1h_tokens=2_000,
    )
    by_hand = 0.000_06 + 0.030_85 + 0.075 + 0.006_25 + 0.02
    assert usd("claude-opus-4-5-20251101", usage) == pytest.approx(by_hand, abs=1e-9)


def test_reasoning_is_not_charged_a_second_time() -> None:
    with_reasoning = Usage(output_tokens=500, reasoning_tokens=400)
    assert usd("gpt-5", with_reasoning) == usd("gpt-5", Usage(output_tokens=500))


@pytest.mark.parametrize(
    ("usage", "by_hand"),
    [
        (Usage(input_tokens=200_000, output_tokens=1_000), 0.615),
        (Usage(input_tokens=200_001, output_tokens=1_000), 1.222_506),
        (Usage(input_tokens=1, cache_read_tokens=200_000), 0.120_006),
    ],
    ids=["at the threshold", "above it", "above it by cache reads"],
)
def test_prompt_above_the_threshold_pays_more_for_all_tokens(usage: Usage, by_hand: float) -> None:
    assert usd("claude-sonnet-4-5", usage) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("model", ["gpt-4o", None])
@pytest.mark.parametrize("stated", [0.0, 1.25])
def test_cost_that_the_agent_states_wins_over_the_table(model: str | None, stated: float) -> None:
    assert usd(model, Usage(input_tokens=1), stated) == stated


@pytest.mark.parametrize("model", ["claude-opus-9", "", None])
def test_unknown_model_has_no_price(model: str | None) -> None:
    assert usd(model, Usage(input_tokens=1)) is None


def test_priced_session_has_the_cost_in_its_charges_and_in_its_messages() -> None:
    priced, unknown = Charge("c1", "gpt-5", Usage(1_000_000)), Charge("c2", "no-model", Usage(1))
    messages = (
        Message("m1", "assistant", (), charge=priced),
        Message("m2", "assistant", (), charge=unknown),
        Message("m3", "user", ()),
    )
    session = price(Session("s1", "cursor", messages, (priced, unknown)), bundled_table())
    costs = [charge.cost for charge in session.charges]
    assert costs == [1.25, None]
    for _ in range(2):  # messages may be walked more than once
        charges = [message.charge for message in session.messages]
        assert [charge and charge.cost for charge in charges] == [*costs, None]


@for_all(st.sampled_from(NAMES_OF_ONE_TIER), USAGES, USAGES)
def test_two_calls_cost_together_what_they_cost_apart(
    model: str, first: Usage, second: Usage
) -> None:
    apart = known_usd(model, first) + known_usd(model, second)
    assert known_usd(model, first + second) == pytest.approx(apart, rel=1e-12, abs=1e-9)


@for_all(st.sampled_from(sorted(RATES)), USAGES, USAGES)
def test_more_tokens_never_cost_less(model: str, usage: Usage, more: Usage) -> None:
    assert known_usd(model, usage + more) >= known_usd(model, usage) - 1e-9
