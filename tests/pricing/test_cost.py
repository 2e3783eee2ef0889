"""A call costs what the agent states, else what the table says for what it used, on its day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from opensync_hooks.model import Charge, Message, Session, Usage
from opensync_hooks.pricing.cost import Pricer, price, unpriced_name
from opensync_hooks.pricing.table import bundled_table

NAMES = sorted(bundled_table().rows)
NAMES_OF_ONE_TIER = [name for name in NAMES if "beyond" not in bundled_table().rows[name]]
COUNTS = st.integers(min_value=0, max_value=10_000_000)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)


def usd(
    model: str | None, usage: Usage, stated: float | None = None, **fields: Any
) -> float | None:
    return Pricer(bundled_table()).price(Charge("c1", model, usage, stated, **fields)).cost


def ms(day: str) -> int:
    return round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


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


@pytest.mark.parametrize(
    ("model", "terms", "by_hand"),
    [
        # 60,000 tokens in and 8,000 out.
        ("claude-opus-4-8", (), 0.3 + 0.2),
        ("claude-opus-4-8", ("fast",), 0.6 + 0.4),
        ("claude-opus-4-6", ("fast",), 1.8 + 1.2),
        ("claude-opus-4-7", ("fast",), 1.8 + 1.2),
        ("claude-opus-5-5", ("fast",), 0.48 + 0.32),
        ("claude-fable-5-2", ("fast",), 0.96 + 0.64),
        ("claude-opus-4-8", ("us",), 0.55),
        ("claude-opus-4-8", ("fast", "us"), 1.1),
        ("claude-opus-4-8", ("batch",), 0.25),
        ("eu.anthropic.claude-opus-4-8-v1:0", (), 0.55),
        ("global.anthropic.claude-opus-4-8-v1:0", (), 0.5),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", (), 0.9 + 0.6),
        ("anthropic/claude-opus-4.8-fast", (), 1.0),
        ("anthropic/claude-opus-4.8:batch", (), 0.25),
    ],
)
def test_call_pays_the_rate_that_its_usage_and_its_models_id_name(
    model: str, terms: tuple[str, ...], by_hand: float
) -> None:
    usage = Usage(input_tokens=60_000, output_tokens=8_000)
    at = ms("2026-11-20")
    assert usd(model, usage, terms=terms, at=at) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize(
    ("model", "terms"),
    [
        ("claude-haiku-4-5", ("fast",)),
        ("gpt-5", ("fast",)),
        ("claude-opus-4-8", ("priority",)),
        ("claude-opus-4-8", ("eu",)),
        ("gpt-5", ("us",)),
        ("us.anthropic.claude-instant-v1", ()),
    ],
)
def test_call_that_names_a_rate_without_a_price_has_none(
    model: str, terms: tuple[str, ...]
) -> None:
    assert usd(model, Usage(input_tokens=1), terms=terms) is None


def test_cache_tokens_follow_the_price_of_fast_mode_and_of_the_region() -> None:
    usage = Usage(cache_read_tokens=1_000_000, cache_write_1h_tokens=1_000_000)
    by_hand = (1 + 20) * 1.1
    assert usd("claude-opus-5", usage, terms=("fast", "us")) == pytest.approx(by_hand)


def test_search_costs_the_same_in_every_region_and_at_every_speed() -> None:
    for terms in ((), ("us",), ("fast",), ("fast", "us")):
        searches = Usage(web_searches=3)
        assert usd("claude-opus-5", searches, terms=terms) == pytest.approx(0.03)


def test_search_of_a_model_without_a_price_for_searches_leaves_the_call_without_one() -> None:
    charge = Charge("c1", "claude-3-haiku", Usage(10, web_searches=1))
    assert Pricer(bundled_table()).price(charge).cost is None
    assert unpriced_name(charge) == "claude-3-haiku (web searches)"
    assert unpriced_name(Charge("c", "m", Usage(), terms=("fast", "us"))) == "m (fast, us)"


@pytest.mark.parametrize(
    ("model", "day", "by_hand"),
    [
        # 250,000 tokens in: long prompts cost twice as much until 13 March 2026.
        ("claude-opus-4-6", "2026-03-12", 2.5),
        ("claude-opus-4-6", "2026-03-13", 1.25),
        # Announced: twice the price from 1 December 2026 on.
        ("gemini-4-argon", "2026-11-30", 0.5),
        ("gemini-4-argon", "2026-12-01", 1.0),
        # Redirected to a dearer model on the day of its retirement.
        ("grok-code-fast-1", "2026-05-14", 0.05),
        ("grok-code-fast-1", "2026-05-15", 0.5),
    ],
)
def test_call_is_priced_as_of_its_day(model: str, day: str, by_hand: float) -> None:
    usage = Usage(input_tokens=250_000)
    assert usd(model, usage, at=ms(day)) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("model", "moment", "by_hand"),
    [
        ("deepseek-v4-pro", "2026-11-20T00:59", 0.66),  # a Friday
        ("deepseek-v4-pro", "2026-11-20T01:00", 1.32),
        ("deepseek-v4-pro", "2026-11-20T09:59", 1.32),
        ("deepseek-v4-pro", "2026-11-20T10:00", 0.66),
        ("deepseek-v4-pro", "2026-11-21T07:00", 0.66),  # a Saturday
        ("deepseek-v4-pro", "2026-08-14T07:00", 0.435),  # before there were such hours
        ("deepseek-v4-flash", "2026-08-19T07:00", None),  # the price of these weeks is not known
        ("claude-opus-5", "2026-11-20T07:00", 5),
    ],
)
def test_call_at_a_busy_hour_pays_the_price_of_that_hour(
    model: str, moment: str, by_hand: float | None
) -> None:
    assert usd(model, Usage(1_000_000), at=ms(moment)) == by_hand


def test_batch_before_its_price_was_published_has_none() -> None:
    costs = [
        usd("claude-opus-4-8", Usage(1_000_000), at=ms(day), terms=("batch",))
        for day in ("2026-10-13", "2026-10-14")
    ]
    assert costs == [None, 2.5]


def test_call_without_a_time_is_priced_as_of_the_day_of_its_session() -> None:
    charge = Charge("c1", "gemini-4-argon", Usage(1_000_000))
    sessions = [
        Session("s", "opencode", charges=(charge,), created_at=ms(day))
        for day in ("2026-11-30", "2026-12-02")
    ]
    costs = [price(session, bundled_table()).charges[0].cost for session in sessions]
    assert costs == [2, 4]


@pytest.mark.parametrize("at", [-(10**18), 10**18, 0])
def test_call_of_an_impossible_time_is_priced_all_the_same(at: int) -> None:
    assert usd("claude-opus-4-8", Usage(1_000_000), at=at) == 5


def test_length_of_each_request_decides_its_price_where_a_call_consists_of_several() -> None:
    steps = (Usage(60_000, 1_000), Usage(70_000, 2_000))
    both = Usage(130_000, 3_000, web_searches=1)
    model, rest = "claude-haiku-5-5", 0.01
    assert usd(model, both) == pytest.approx(0.065 + 0.0075 + rest)
    assert usd(model, both, steps=steps) == pytest.approx(0.013 + 0.0015 + rest)


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
    assert [charge.basis for charge in session.charges] == ["list", None]
    for _ in range(2):  # messages may be walked more than once
        charges = [message.charge for message in session.messages]
        assert [charge and charge.cost for charge in charges] == [*costs, None]


@for_all(st.sampled_from(NAMES_OF_ONE_TIER), USAGES, USAGES)
def test_two_calls_cost_together_what_they_cost_apart(
    model: str, first: Usage, second: Usage
) -> None:
    apart = known_usd(model, first) + known_usd(model, second)
    assert known_usd(model, first + second) == pytest.approx(apart, rel=1e-12, abs=1e-9)


@for_all(st.sampled_from(NAMES), USAGES, USAGES)
def test_more_tokens_never_cost_less(model: str, usage: Usage, more: Usage) -> None:
    assert known_usd(model, usage + more) >= known_usd(model, usage) - 1e-9
