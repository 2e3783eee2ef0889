"""Models' ids as public transcripts and settings have them: priced rightly, or named as unpriced.

The prices are written by hand, in USD per million tokens in and out, as of 20 November 2026.
"""

from __future__ import annotations

from datetime import date

import pytest

from opensync_hooks.model import Charge, Usage
from opensync_hooks.pricing.cost import Pricer, unpriced_name
from opensync_hooks.pricing.table import bundled_table

DAY = date(2026, 11, 20)
PRICED = {
    # Anthropic's API, and Claude Code's own suffixes
    "claude-opus-4-1-20250805": (15, 75),
    "claude-opus-4-20250514": (15, 75),
    "claude-opus-4-5-20251101": (5, 25),
    "claude-opus-4-6[1m]": (5, 25),
    "claude-opus-4-8": (5, 25),
    "claude-opus-5-5": (4, 20),
    "claude-fable-5": (10, 50),
    "claude-sonnet-4-20250514": (3, 15),
    "claude-sonnet-4-5-20250929[1m]": (3, 15),
    "claude-sonnet-4-6": (3, 15),
    "claude-sonnet-5": (2, 10),
    "claude-haiku-4-5-20251001": (1, 5),
    "claude-3-7-sonnet-20250219": (3, 15),
    "claude-3-5-haiku-20241022": (0.8, 4),
    # Bedrock
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": (3.3, 16.5),
    "us.anthropic.claude-haiku-4-5-20251001-v1:0": (1.1, 5.5),
    "us.anthropic.claude-opus-4-5-20251101-v1:0": (5.5, 27.5),
    "us.anthropic.claude-sonnet-4-6": (3.3, 16.5),
    "us.anthropic.claude-fable-5": (11, 55),
    "eu.anthropic.claude-sonnet-4-5-20250929-v1:0": (3.3, 16.5),
    "jp.anthropic.claude-haiku-4-5-20251001-v1:0": (1.1, 5.5),
    "apac.anthropic.claude-sonnet-4-20250514-v1:0": (3, 15),
    "us.anthropic.claude-3-haiku-20240307-v1:0": (0.25, 1.25),
    "anthropic.claude-3-5-sonnet-20240620-v1:0": (3, 15),
    "global.anthropic.claude-opus-4-6-v1": (5, 25),
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0": (3.3, 16.5),
    "arn:aws:bedrock:us-west-2:000000000000:inference-profile/us.anthropic.claude-opus-4-6-v1": (
        5.5,
        27.5,
    ),
    "bedrock/us-east-1/anthropic.claude-opus-4-6-v1": (5.5, 27.5),
    "au.anthropic.claude-sonnet-4-6[1m]": (3.3, 16.5),
    # Vertex
    "claude-sonnet-4-5@20250929": (3, 15),
    "claude-opus-4-6@default": (5, 25),
    "vertex_ai/claude-sonnet-4@20250514": (3, 15),
    "publishers/anthropic/models/claude-opus-4-5": (5, 25),
    # gateways
    "anthropic/claude-3.5-sonnet": (3, 15),
    "anthropic/claude-sonnet-4.5": (3, 15),
    "anthropic/claude-opus-4.6-fast": (30, 150),
    "openrouter/anthropic/claude-opus-4.5": (5, 25),
    "claude-sonnet-4.5-20250929:beta": (3, 15),
    "github-copilot/claude-sonnet-4.5": (3, 15),
    "litellm_proxy/claude-opus-4-5-20251101": (5, 25),
    "vercel_ai_gateway/anthropic/claude-sonnet-4.5": (3, 15),
    "openrouter/moonshotai/kimi-k2.6": (0.95, 4),
    "azure/global/gpt-5.1": (1.25, 10),
    "azure/global-standard/gpt-4o-mini": (0.15, 0.6),
    "amazon-bedrock/global.anthropic.claude-opus-4-6-v1": (5, 25),
    "projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5": (3.3, 16.5),
    "vertex_ai/claude-3-5-haiku@20241022": (0.8, 4),  # its maker lowered the price of the launch
    "google/gemini-2.0-flash-001": (0.1, 0.4),
    "xai/grok-3-mini": (0.3, 0.5),
    "openai/gpt-5": (1.25, 10),
    "google/gemini-2.5-flash": (0.3, 2.5),
    "z-ai/glm-4.6": (0.6, 2.2),
    # Cursor
    "claude-4.5-sonnet": (3, 15),
    "claude-4.5-opus-high-thinking": (5, 25),
    "claude-4.6-opus-medium-thinking": (5, 25),
    "claude-4.5-haiku-thinking": (1, 5),
    "claude-4-sonnet": (3, 15),
    "claude-4.6-sonnet-medium": (3, 15),
    "claude-fable-5-high": (10, 50),
    "composer-1": (1.25, 10),
    "composer-2.5": (0.5, 2.5),
    "cursor-grok-4.5-high-fast": (4, 18),
    # other makers
    "gpt-5-2025-08-07": (1.25, 10),
    "gpt-5.1-codex-max": (1.25, 10),
    "gpt-5.3-codex": (1.75, 14),
    "gemini-3-pro-preview": (2, 12),
    "grok-code-fast-1": (1, 2),  # retired; served and billed as grok-build-0.1
    "GLM-4.7": (0.6, 2.2),
    "GLM-4.5-Air": (0.2, 1.1),
    "glm-5.2": (1.4, 4.4),
    "MiniMax-M2.7": (0.3, 1.2),
    "deepseek-v4-pro": (0.66, 1.98),
}
UNPRICED = (
    *("opus[1m]", "opusplan", "sonnet", "default", "auto"),  # not models, but choices
    *("openrouter/auto", "~anthropic/claude-opus-latest", "gpt-daybreak-red-latest"),
    "arn:aws:bedrock:us-east-2:000000000000:application-inference-profile/rj8y9mxkj2a3",
    *("us.openai.gpt-5.6-luna", "claude-opus-4-5-max", "gpt-5.2-codex-high-fast"),
    # at another price, or at nobody knows which
    *("deepseek/deepseek-chat-v3.1", "minimax/minimax-m2", "zai-org/GLM-4.6", "glm-4.6:cloud"),
    *("deepseek-chat", "deepseek-v4-flash:0731-cloud", "qwen/qwen3-coder:free", "gpt-oss:120b"),
    # clouds for governments, zones of Azure, resellers, other hosts of open weights
    *("us-gov.anthropic.claude-opus-4-8", "bedrock/us-gov-west-1/claude-sonnet-4-5-20250929-v1:0"),
    *("azure/us/gpt-5.1", "azure/eu/claude-opus-4-6", "azure/us-gov/o3-mini"),
    *("poe/claude-opus-4.5", "azure/us/claude-opus-5", "apac/claude-opus-5"),
    *("kyma/claude-opus-5", "deepinfra/anthropic/claude-4-opus", "gmi/openai/gpt-5.6-sol"),
    *("deepinfra/moonshotai/Kimi-K2.6", "global.zai.glm-5.3", "global.moonshotai.kimi-k3"),
    # a gateway of anybody's, and clouds with another price for this one model
    *("acme-gateway/claude-opus-4-5", "@team/gpt-5", "openrouter/acme/claude-opus-4-5"),
    *("vertex_ai/gemini-2.0-flash", "publishers/google/models/gemini-2.0-flash"),
    *("azure/gpt-4-turbo", "azure_ai/grok-3-mini", "openrouter/acme/grok-3-mini"),
    *("qwen3-coder-plus", "kimi-for-coding", "big-pickle", "grok-code", "box/kat-awq"),
    *("gemini-claude-sonnet-4-5-thinking", "kiro-claude-sonnet-4-5", "claude-opus-9"),
)


@pytest.mark.parametrize("model", PRICED)
def test_id_has_the_price_of_its_model(model: str) -> None:
    quote = bundled_table().quote(model, DAY)
    assert quote is not None
    assert (quote.rates.input, quote.rates.output) == pytest.approx(PRICED[model])


@pytest.mark.parametrize("model", UNPRICED)
def test_id_without_a_known_price_is_named(model: str) -> None:
    charge = Pricer(bundled_table()).price(Charge("c", model, Usage(1)))
    assert (charge.cost, charge.basis) == (None, None)
    assert unpriced_name(charge) == model
