"""Tokens are guessed only where nobody counted them, and a guess says that it is one."""

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
from opensync_hooks.pricing.estimate import estimated

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


def test_a_quarter_of_the_letters_is_the_guess_and_the_provider_says_so() -> None:
    found = estimated(session())
    assert found.provider == "cursor (tokens estimated)"
    (guess,) = found.charges
    assert (guess.id, guess.model, guess.cost) == ("s1:estimate", "composer-2.5", None)
    assert guess.usage == Usage(input_tokens=110, output_tokens=22)


def test_what_was_counted_is_never_mixed_with_a_guess() -> None:
    counted = session(Charge("c1", None, Usage(output_tokens=1)))
    assert estimated(counted) is counted


def test_cost_that_the_agent_states_is_not_joined_by_a_guess() -> None:
    found = estimated(session(Charge("c1", None, Usage(), 0.12)))
    assert sum(one.cost or 0 for one in found.charges) == 0.12
    assert None not in [one.cost for one in found.charges]


def test_session_that_says_nothing_has_nothing_to_guess_at() -> None:
    empty = Session("s1", "cursor")
    assert estimated(empty) is empty


def test_guessing_is_off_unless_it_is_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
