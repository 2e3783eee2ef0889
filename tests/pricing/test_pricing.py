from __future__ import annotations

import json
import math
import operator
from dataclasses import astuple
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensync_hooks.model import Charge, Usage
from opensync_hooks.pricing import Rates, bundled, canonical

if TYPE_CHECKING:
    from pathlib import Path

TABLE: dict[str, Any] = json.loads(
    files("opensync_hooks.pricing").joinpath("table.json").read_text(encoding="utf-8")
)
NAMES = [name for row in TABLE["models"] for name in row["names"]]
FLAT = [name for row in TABLE["models"] if "above" not in row for name in row["names"]]

counts = st.integers(min_value=0, max_value=10_000_000)
usages = st.builds(Usage, counts, counts, counts, counts, counts)


def charge(model: str | None, usage: Usage, cost: float | None = None) -> Charge:
    return Charge(id="one", model=model, usage=usage, cost=cost)


def known(model: str) -> Rates:
    rates = bundled().rates(model)
    assert rates is not None, model
    return rates


def dollars(model: str, usage: Usage) -> float:
    cost = bundled().cost(charge(model, usage))
    assert cost is not None, model
    return cost


@pytest.mark.parametrize(
    ("model", "fresh", "output"),
    [
        ("gpt-4o", 2.50, 10.00),
        ("gpt-4o-2024-05-13", 5.00, 15.00),
        ("gpt-4o-mini", 0.15, 0.60),
        ("o3-mini", 1.10, 4.40),
        ("claude-sonnet-4-20250514", 3.00, 15.00),
        ("claude-3-5-haiku", 0.80, 4.00),
        ("claude-3-5-haiku-latest", 0.80, 4.00),
        ("claude-opus-4", 15.00, 75.00),
        ("claude-opus-4-1", 15.00, 75.00),
        ("claude-opus-4-5", 5.00, 25.00),
        ("claude-opus-5-5", 4.00, 20.00),
        ("gemini-2.5-flash", 0.30, 2.50),
        ("gemini-2.5-flash-preview-05-20", 0.15, 0.60),
        ("gemini-2.5-flash-preview-09-2025", 0.30, 2.50),
        ("composer-2.5", 0.50, 2.50),
    ],
)
def test_published_prices_are_in_the_table(model: str, fresh: float, output: float) -> None:
    rates = known(model)

    assert (rates.input, rates.output) == (fresh, output)


def test_cache_reads_and_both_cache_writes_have_rates_of_their_own() -> None:
    rates = known("claude-opus-4-5")

    assert (rates.cache_read, rates.cache_write_5m, rates.cache_write_1h) == (0.50, 6.25, 10.00)


def test_anthropic_cache_writes_follow_the_published_multiples() -> None:
    strange = [
        row["names"]
        for row in TABLE["models"]
        if row["provider"] == "anthropic"
        and (row["cache_write_5m"], row["cache_write_1h"])
        != pytest.approx((1.25 * row["input"], 2 * row["input"]))
    ]

    # Anthropic rounded the price of this one: 0.30 instead of 0.3125.
    assert strange == [["claude-3-haiku"]]


def test_a_vendor_without_a_cache_price_bills_the_token_as_input() -> None:
    rates = known("gpt-5-pro")

    assert rates.input == rates.cache_read == rates.cache_write_5m == rates.cache_write_1h == 15


def test_a_call_costs_what_a_hand_computes() -> None:
    usage = Usage(
        input_tokens=12,
        output_tokens=1_234,
        cache_read_tokens=150_000,
        cache_write_5m_tokens=1_000,
        cache_write_1h_tokens=2_000,
    )
    by_hand = 0.000_06 + 0.030_85 + 0.075 + 0.006_25 + 0.02

    assert dollars("claude-opus-4-5-20251101", usage) == pytest.approx(by_hand, abs=1e-9)


def test_reasoning_is_not_charged_a_second_time() -> None:
    plain, thinking = Usage(output_tokens=500), Usage(output_tokens=500, reasoning_tokens=400)

    assert dollars("gpt-5", plain) == dollars("gpt-5", thinking)


@pytest.mark.parametrize(
    ("usage", "by_hand"),
    [
        (Usage(input_tokens=200_000, output_tokens=1_000), 0.615),
        (Usage(input_tokens=200_001, output_tokens=1_000), 1.222_506),
        (Usage(input_tokens=1, cache_read_tokens=200_000), 0.120_006),
    ],
    ids=["at the threshold", "above it", "above it by cache reads"],
)
def test_a_prompt_above_the_threshold_pays_more_for_all_tokens(
    usage: Usage, by_hand: float
) -> None:
    assert dollars("claude-sonnet-4-5", usage) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("cost", [0.0, 1.25])
def test_what_the_agent_states_wins_over_the_table(cost: float) -> None:
    assert bundled().cost(charge("gpt-4o", Usage(input_tokens=1), cost)) == cost
    assert bundled().cost(charge(None, Usage(), cost)) == cost


@pytest.mark.parametrize(
    ("decorated", "plain"),
    [
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("openrouter/anthropic/claude-sonnet-4.5:thinking", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929[1m]", "claude-sonnet-4-5"),
        ("claude-sonnet-4.5@20250929", "claude-sonnet-4-5"),
        ("claude-4.5-sonnet-thinking", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4-0"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
        (
            "arn:aws:bedrock:us-east-1:0:inference-profile/us.anthropic.claude-opus-4-6-v1",
            "claude-opus-4-6",
        ),
        ("claude-sonnet-4@20250514", "claude-sonnet-4-0"),
        ("claude-opus-4-20250514", "claude-opus-4-0"),
        ("claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("CLAUDE-OPUS-4-5", "claude-opus-4-5"),
        (" claude-opus-5-5\n", "claude-opus-5-5"),
        ("claude-opus-4-1-latest", "claude-opus-4-1"),
        ("claude-4.6-opus-high-thinking", "claude-opus-4-6"),
        ("publishers/google/models/gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("models/gemini-2.5-pro-preview-06-05", "gemini-2.5-pro"),
        ("gemini-3-pro", "gemini-3-pro-preview"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5.1-codex-max-xhigh", "gpt-5.1-codex-max"),
        ("z-ai/glm-4.6", "GLM-4.6"),
        ("MiniMax-M2.5", "minimax-m2.5"),
    ],
)
def test_vendor_decoration_does_not_hide_a_model(decorated: str, plain: str) -> None:
    assert known(decorated) is known(plain)


def test_cursors_own_price_of_a_model_is_told_from_the_makers() -> None:
    assert known("cursor-grok-4.5-high").cache_read == 0.5
    assert known("grok-4.5").cache_read == 0.3


@pytest.mark.parametrize(
    "model",
    [
        "",
        "default",
        "auto",
        "<synthetic>",
        "fake-model",
        "claude",
        "opus",
        "claude-opus-9",
        "claude-opus-4-9",
        "claude-opus-4-50",
        "claude-9-opus",
        "claude-opus-4-5-20251101-fast",
        "xclaude-opus-4-5",
        "claude-opus-4-5x",
        "gpt",
        "gpt-5.9",
        "gpt-4o-realtime-preview",
        "gpt-5.2-codex-high-fast",
        "gpt-5.1:batch",
        "devstral-small:free",
        "mistral-large-2699",
        "openai/gpt-oss-120b",
        "deepseek-r1-distill-llama-70b",
        "-latest",
        "[1m]",
        "/",
        "-high" * 100_000,
    ],
    ids=lambda model: model[:40],
)
def test_an_unknown_model_has_no_price(model: str) -> None:
    assert bundled().rates(model) is None
    assert bundled().cost(charge(model, Usage(input_tokens=1))) is None


def test_a_call_without_a_model_has_no_price() -> None:
    assert bundled().cost(charge(None, Usage(input_tokens=1))) is None


def test_a_later_version_never_takes_the_price_of_an_earlier_one() -> None:
    later = [f"{name}{suffix}" for name in NAMES for suffix in ("-77", ".77", "y", "-mini2")]

    assert [model for model in later if bundled().rates(model)] == []


def test_the_table_says_where_it_comes_from_and_of_which_day() -> None:
    table = bundled()

    assert table.source == "genai-prices"
    assert table.version
    assert date.fromisoformat(table.date).isoformat() == table.date


def test_no_name_stands_for_two_models() -> None:
    spelled = [canonical(name) for name in NAMES]

    assert len(spelled) == len(set(spelled)) == len(bundled().by_name)


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google", "x-ai", "deepseek"])
def test_the_vendors_of_coding_agents_are_in_the_table(provider: str) -> None:
    assert sum(row["provider"] == provider for row in TABLE["models"]) > 5


def prices(rates: Rates) -> tuple[float, ...]:
    return astuple(rates)[:5]


def test_every_rate_is_a_finite_price() -> None:
    tiers = [tier for rates in bundled().by_name.values() for tier in (rates, rates.beyond) if tier]

    assert all(math.isfinite(price) and price >= 0 for tier in tiers for price in prices(tier))


def test_no_rate_falls_with_a_longer_prompt() -> None:
    tiered = [rates for rates in bundled().by_name.values() if rates.beyond or rates.above]

    assert tiered
    for rates in tiered:
        assert rates.above
        assert rates.beyond
        assert all(map(operator.ge, prices(rates.beyond), prices(rates)))


@given(st.sampled_from(FLAT), usages, usages)
def test_two_calls_cost_together_what_they_cost_apart(model: str, one: Usage, other: Usage) -> None:
    apart = dollars(model, one) + dollars(model, other)

    assert dollars(model, one + other) == pytest.approx(apart, rel=1e-12, abs=1e-9)


@given(st.sampled_from(NAMES), usages, usages)
def test_more_tokens_never_cost_less(model: str, usage: Usage, more: Usage) -> None:
    assert dollars(model, usage + more) >= dollars(model, usage) - 1e-9


@given(st.text())
def test_any_text_as_a_model_is_answered(model: str) -> None:
    rates = bundled().rates(model)

    assert rates is None or rates in bundled().by_name.values()


def test_the_bundled_table_is_read_once() -> None:
    assert bundled() is bundled()


def test_generating_again_gives_the_same_file(tmp_path: Path) -> None:
    try:
        installed = version(TABLE["source"])
    except PackageNotFoundError:
        pytest.skip("genai-prices is needed only to make the table")
    if installed != TABLE["version"]:
        pytest.skip(f"the table is of genai-prices {TABLE['version']}, not {installed}")
    from tests.prices.generate import TABLE as BUNDLED  # noqa: PLC0415
    from tests.prices.generate import main  # noqa: PLC0415

    assert main(["--date", TABLE["date"], "--output", str(tmp_path / "again.json")]) == 0

    assert (tmp_path / "again.json").read_text() == BUNDLED.read_text()
