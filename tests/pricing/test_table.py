"""The price table holds the published rates, complete and plausible."""

from __future__ import annotations

import json
import math
import operator
from dataclasses import astuple
from datetime import date
from importlib.resources import files
from typing import Any

import pytest

from opensync_hooks.pricing.model_names import canonical
from opensync_hooks.pricing.rates import Rates
from opensync_hooks.pricing.table import bundled_table

TABLE: dict[str, Any] = json.loads(
    files("opensync_hooks.pricing").joinpath("table.json").read_text(encoding="utf-8")
)


ALL_NAMES = sorted(bundled_table().rows)


def rates_of(model: str, day: date | None = None) -> Rates:
    quote = bundled_table().quote(model, day)
    assert quote is not None, model
    return quote.rates


def figures(rates: Rates) -> tuple[float, ...]:
    return astuple(rates)[:5]


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
def test_published_price_is_in_the_table(model: str, fresh: float, output: float) -> None:
    assert (rates_of(model).input, rates_of(model).output) == (fresh, output)


def test_cache_reads_and_both_cache_writes_have_rates_of_their_own() -> None:
    rates = rates_of("claude-opus-4-5")
    assert (rates.cache_read, rates.cache_write_5m, rates.cache_write_1h) == (0.50, 6.25, 10.00)


def test_cursor_and_the_maker_of_a_model_have_different_prices() -> None:
    assert rates_of("cursor-grok-4.5-high").cache_read == 0.5
    assert rates_of("grok-4.5").cache_read == 0.3


def test_anthropic_cache_writes_follow_the_published_multiples() -> None:
    exceptions = [
        row["names"]
        for row in TABLE["models"]
        if row["provider"] == "anthropic"
        and (row["cache_write_5m"], row["cache_write_1h"])
        != pytest.approx((1.25 * row["input"], 2 * row["input"]))
    ]
    # Anthropic rounded the price of this one: 0.30 instead of 0.3125.
    assert exceptions == [["claude-haiku-3"]]


def test_vendor_without_a_cache_price_bills_cached_tokens_as_input() -> None:
    assert set(figures(rates_of("gpt-5-pro"))) == {15, 120}


def test_table_names_its_source_and_its_day() -> None:
    table = bundled_table()
    assert table.source == "genai-prices"
    assert table.version
    assert date(2025, 1, 1) < table.taken_on < date(2100, 1, 1)


def test_price_that_was_added_by_hand_names_its_source() -> None:
    by_hand = {row["names"][0]: row["source"] for row in TABLE["models"] if "source" in row}
    assert by_hand["composer-1"] == "https://cursor.com/docs/models"


def test_no_name_belongs_to_two_models() -> None:
    names = [canonical(name) for row in TABLE["models"] for name in row["names"]]
    assert len(names) == len(set(names)) == len(ALL_NAMES)


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google", "x-ai", "deepseek"])
def test_vendors_of_coding_agents_are_in_the_table(provider: str) -> None:
    assert sum(row["provider"] == provider for row in TABLE["models"]) > 5


def test_every_rate_is_a_finite_price() -> None:
    for rates in map(rates_of, ALL_NAMES):
        for tier in (rates, rates.beyond or rates):
            assert all(math.isfinite(usd) and usd >= 0 for usd in figures(tier))


def test_no_rate_falls_with_a_longer_prompt() -> None:
    tiered = [rates for rates in map(rates_of, ALL_NAMES) if rates.beyond or rates.above]
    assert tiered
    for rates in tiered:
        assert rates.above
        assert rates.beyond
        assert all(map(operator.ge, figures(rates.beyond), figures(rates)))


def test_bundled_table_is_read_once() -> None:
    assert bundled_table() is bundled_table()
