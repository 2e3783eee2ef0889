"""The bundled price table is the one that the generator writes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("genai_prices", reason="only needed to generate the table")

from genai_prices import Usage as PackagedUsage
from genai_prices.data import providers

from opensync_hooks.model import Usage
from opensync_hooks.pricing.table import bundled_table
from tests.prices import generate

DAYS = [
    date(2025, 6, 1),
    date(2026, 3, 12),
    date(2026, 3, 13),
    date(2026, 11, 21),
    date(2027, 1, 2),
]
BATCH_PRICES = date(2026, 10, 14)
"""The package has no prices of batches from before."""
USAGES = [
    Usage(input_tokens=70_000, output_tokens=900),
    Usage(90_000, 2_000, 250_000, 30_000),
    Usage(1_000, 5, 300_000, 10_000, 20_000, web_searches=2),
]


def test_generating_again_gives_the_same_file(tmp_path: Path) -> None:
    table = json.loads(generate.TABLE.read_text())
    assert version("genai-prices") == table["version"], "pyproject.toml pins another version"
    path = tmp_path / "again.json"
    assert generate.main(["--date", table["date"], "--output", str(path)]) == 0
    assert path.read_text() == generate.TABLE.read_text()


@pytest.mark.parametrize("provider_id", generate.PROVIDERS)
def test_calls_cost_what_the_package_itself_computes(provider_id: str) -> None:
    """Every model, on days before, on and after changes of price, by another implementation."""
    (provider,) = (entry for entry in providers if entry.id == provider_id)
    compared = 0
    for model in provider.models:
        quote = bundled_table().quote(model.id)
        if quote is None or quote.source != bundled_table().pages[provider_id]:
            continue  # its name belongs to another provider, or it is not a model for code
        if model.id in ("claude-2", "claude-v1"):
            continue  # without a price for cache writes, which Anthropic has for all other models
        variants = [variant.when for variant in model.price_variants or ()]
        for term in (None, "fast", "batch"):
            context = generate.VARIANTS[term] if term else {}
            if context and (provider_id != "anthropic" or context not in variants):
                continue
            for day, usage in product(DAYS, USAGES):
                quote = bundled_table().quote(model.id, day, (term,) if term else ())
                ours = quote and quote.cost(usage)
                if ours is None:  # nothing else may be missing
                    assert usage.web_searches or (term, day < BATCH_PRICES) == ("batch", True)
                else:
                    theirs = packaged_cost(provider, model, usage, day, context)
                    assert ours == pytest.approx(theirs), (model.id, day, term)
                    compared += 1
    assert compared > 20


def packaged_cost(provider: Any, model: Any, usage: Usage, day: date, context: Any) -> float:
    prices = model.get_prices(datetime.combine(day, time(12), UTC), context)
    has_hourly = getattr(prices, "cache_write_1h_mtok", None) is not None
    counts = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        "web_searches": usage.web_searches,
    }
    if has_hourly:
        counts["cache_write_1h_tokens"] = usage.cache_write_1h_tokens
    cost = model.calc_price(
        PackagedUsage(**counts),
        provider,
        genai_request_timestamp=datetime.combine(day, time(12), UTC),
        price_context=context,
    )
    return float(cost.total_price)
