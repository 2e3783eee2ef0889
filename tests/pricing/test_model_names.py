"""A model is found by every way its name is written, and by no other model's name."""

from __future__ import annotations

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from opensync_hooks.pricing.table import bundled_table


@pytest.mark.parametrize(
    ("model", "name"),
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
            "arn:aws:bedrock:us-east-1:0:inference-profile/global.anthropic.claude-opus-4-6-v1",
            "claude-opus-4-6",
        ),
        ("claude-sonnet-4@20250514", "claude-sonnet-4-0"),
        ("claude-opus-4-8@default", "claude-opus-4-8"),
        ("projects/p/locations/global/publishers/anthropic/models/claude-opus-5", "claude-opus-5"),
        ("vertex_ai/claude-opus-4-5@20251101", "claude-opus-4-5"),
        ("claude-opus-4-20250514", "claude-opus-4-0"),
        ("claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("CLAUDE-OPUS-4-5", "claude-opus-4-5"),
        (" claude-opus-5-5\n", "claude-opus-5-5"),
        ("claude-opus-4-1-latest", "claude-opus-4-1"),
        ("claude-4.6-opus-high-thinking", "claude-opus-4-6"),
        ("publishers/google/models/gemini-2.5-flash-001", "gemini-2.5-flash"),
        ("models/gemini-2.5-pro-preview-06-05", "gemini-2.5-pro"),
        ("gemini-3-pro", "gemini-3-pro-preview"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5.1-codex-max-xhigh", "gpt-5.1-codex-max"),
        ("z-ai/glm-4.6", "GLM-4.6"),
        ("MiniMax-M2.5", "minimax-m2.5"),
    ],
)
def test_model_is_found_by_any_spelling_of_its_name(model: str, name: str) -> None:
    quote, expected = (bundled_table().quote(spelled) for spelled in (model, name))
    assert quote is not None
    assert expected is not None
    assert quote.rates == expected.rates


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
        "arn:aws:bedrock:us-east-1:0:application-inference-profile/a1b2c3",
        "openrouter/deepseek/deepseek-v4-pro",
        "claude-opus-4-6-fast-fast",
        "us.openai.gpt-5.6-luna",
        "deepseek-chat",
        "zai-org/GLM-4.6",
        "/",
        "-high" * 100_000,
    ],
    ids=lambda model: model[:40],
)
def test_unknown_model_has_no_rates(model: str) -> None:
    assert bundled_table().quote(model) is None


def test_gateways_price_of_open_weights_is_not_the_makers() -> None:
    """OpenRouter has this one at another price; the maker's own API is another matter."""
    assert bundled_table().quote("deepseek-v4-pro") is not None
    assert bundled_table().quote("deepseek/deepseek-v4-pro") is None
    assert bundled_table().quote("z-ai/glm-4.6") is not None


def test_later_version_never_takes_the_rates_of_an_earlier_one() -> None:
    names = bundled_table().rows
    later = [f"{name}{suffix}" for name in names for suffix in ("-77", ".77", "y", "-mini2")]
    assert [model for model in later if bundled_table().quote(model)] == []


@for_all(st.text())
def test_any_text_can_be_a_models_name(model: str) -> None:
    quote = bundled_table().quote(model)
    assert quote is None or quote.name in bundled_table().rows
