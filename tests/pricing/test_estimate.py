"""Tokens are estimated only where the agent counted none, and the session says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensync_hooks.config import load
from opensync_hooks.errors import NotConfiguredError
from opensync_hooks.model import (
    Charge,
    Message,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from opensync_hooks.pricing.estimate import estimate_tokens

MESSAGES = (
    Message("m1", "user", (Text("x" * 40),)),
    Message(
        "m2",
        "assistant",
        (
            Reasoning("x" * 8),
            Text("x" * 80),
            ToolCall("c", "Bash", {}),
            ToolResult("c", "Bash", "x" * 400),
        ),
    ),
)


def session(*charges: Charge) -> Session:
    return Session("s1", "cursor", MESSAGES, charges, model="composer-2.5", provider="cursor")


def test_quarter_of_the_characters_is_the_estimate_and_the_provider_names_it() -> None:
    estimate = estimate_tokens(session())
    assert estimate.provider == "cursor (tokens estimated)"
    (charge,) = estimate.charges
    assert (charge.id, charge.model, charge.cost) == ("s1:estimate", "composer-2.5", None)
    assert charge.usage == Usage(input_tokens=110, output_tokens=22)


def test_counted_tokens_are_never_mixed_with_an_estimate() -> None:
    counted = session(Charge("c1", None, Usage(output_tokens=1)))
    assert estimate_tokens(counted) is counted


def test_estimate_adds_nothing_to_a_cost_that_the_agent_states() -> None:
    estimate = estimate_tokens(session(Charge("c1", None, Usage(), 0.12)))
    assert [charge.cost for charge in estimate.charges] == [0.12, 0.0]


def test_empty_session_has_no_estimate() -> None:
    empty = Session("s1", "cursor")
    assert estimate_tokens(empty) is empty


def test_estimate_is_off_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "ours" / "config.toml"
    settings.parent.mkdir(parents=True)
    assert load().estimate_tokens is False
    settings.write_text("estimate_tokens = true\n")
    settings.chmod(0o600)
    assert load().estimate_tokens is True
    monkeypatch.setenv("OPENSYNC_HOOKS_ESTIMATE_TOKENS", "0")
    assert load().estimate_tokens is False
    monkeypatch.delenv("OPENSYNC_HOOKS_ESTIMATE_TOKENS")
    settings.write_text('estimate_tokens = "yes"\n')
    with pytest.raises(NotConfiguredError, match="neither true nor false"):
        load()
