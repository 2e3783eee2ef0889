"""The user's own prices and a newer table win over the bundled one."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.config import load
from opensync_hooks.model import Charge, Usage
from opensync_hooks.pricing.cost import Pricer
from opensync_hooks.pricing.in_force import price_table, read
from opensync_hooks.pricing.table import Quote, bundled_table

MILLION = Usage(input_tokens=1_000_000)


def configure(text: str) -> None:
    path = load().folders.settings
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def quote(model: str, *terms: str, on: str | None = None) -> Quote | None:
    day = date.fromisoformat(on) if on else None
    return price_table(load()).quote(model, day, terms)


def input_usd(model: str, *terms: str, on: str | None = None) -> float | None:
    found_quote = quote(model, *terms, on=on)
    return found_quote.rates.input if found_quote else None


def newer_table(**changes: Any) -> str:
    row = {"provider": "anthropic", "names": ["claude-opus-6"], "input": 7, "output": 35}
    row |= {"cache_read": 0.7, "cache_write_5m": 8.75, "cache_write_1h": 14}
    head = {"source": "s", "version": "1", "date": "2099-01-01", "rules": {}, "pages": {}}
    return json.dumps({**head, "models": [row], **changes})


def test_own_price_wins_over_the_table_and_says_so() -> None:
    configure('[prices."claude-opus-5-5"]\ninput = 1\noutput = 2\n')
    charge = Pricer(price_table(load())).price(Charge("c", "claude-opus-5-5", MILLION))
    assert (charge.cost, charge.basis) == (1, "user")
    other = Pricer(price_table(load())).price(Charge("c", "claude-opus-5", MILLION))
    assert (other.cost, other.basis) == (5, "list")


@pytest.mark.parametrize(
    "model", ["claude-opus-5.5", "us.anthropic.claude-opus-5-5", "Claude-Opus-5-5[1m]"]
)
def test_own_price_holds_for_every_spelling_and_in_every_region(model: str) -> None:
    configure('[prices."claude-opus-5.5"]\ninput = 1\noutput = 2\n')
    assert input_usd(model, "us") == 1


def test_own_price_at_a_gateway_holds_only_there() -> None:
    configure('[prices."Gateway/deepseek-v4-pro"]\ninput = 9\noutput = 9\n')
    assert input_usd("gateway/deepseek-v4-pro") == 9
    assert input_usd("deepseek-v4-pro") == 0.66
    assert input_usd("other/deepseek-v4-pro") is None


def test_own_price_of_fast_mode_is_a_factor_and_without_it_the_table_decides() -> None:
    configure(
        '[prices."claude-opus-5"]\ninput = 3\noutput = 9\nfast = 4\n'
        '[prices."my-model"]\ninput = 3\noutput = 9\n'
    )
    assert (input_usd("claude-opus-5"), input_usd("claude-opus-5", "fast")) == (3, 12)
    assert (input_usd("my-model"), input_usd("my-model", "fast")) == (3, None)


def test_own_prices_follow_one_another_and_the_table_holds_before_them() -> None:
    configure(
        '[[prices."claude-opus-5"]]\ninput = 2\noutput = 2\nfrom = 2026-11-01\n'
        '[[prices."claude-opus-5"]]\ninput = 1\noutput = 1\nfrom = 2026-10-01\n'
    )
    days = ("2026-09-30", "2026-10-01", "2026-10-31", "2026-11-01")
    assert [input_usd("claude-opus-5", on=day) for day in days] == [5, 1, 1, 2]


def test_alias_gives_a_name_the_price_of_a_model() -> None:
    arn = "arn:aws:bedrock:us-east-1:0:application-inference-profile/a1b2"
    configure(
        f'[aliases]\n"{arn}" = "us.anthropic.claude-opus-5"\n"auto" = "my-model"\n'
        '[prices."my-model"]\ninput = 3\noutput = 9\n'
    )
    assert input_usd(arn) == pytest.approx(5.5)
    assert input_usd("AUTO") == 3
    alias_quote = quote("auto")
    assert alias_quote
    assert alias_quote.alias == "my-model"


def test_newer_table_from_a_file_is_in_force_at_once_and_an_older_one_is_not() -> None:
    prices = load().folders.prices
    assert input_usd("claude-opus-6") is None
    prices.parent.mkdir(exist_ok=True)
    prices.write_text(newer_table())
    assert input_usd("claude-opus-6") == 7
    prices.write_text(newer_table(date="2020-01-01"))
    os.utime(prices, (1, 1))
    assert input_usd("claude-opus-6") is None
    assert price_table(load()).taken_on == bundled_table().taken_on


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        newer_table(models=[]),
        newer_table(models=[{"names": ["m"]}]),
        newer_table(models=[{"provider": "a", "names": ["m"], "input": 1}]),
        newer_table(date="yesterday"),
        newer_table().replace(": 7,", ": -7,"),
        newer_table().replace(": 7,", ": NaN,"),
        newer_table().replace(": 7,", ': "7",'),
        newer_table().replace(": 7,", ": true,"),
        newer_table(rules={"us": {"factor": -2, "providers": ["anthropic"], "source": "s"}}),
        newer_table(rules={"us": {"factor": "1.1", "providers": ["anthropic"], "source": "s"}}),
        newer_table().replace(": 7,", ': 7, "regional": "x",'),
        newer_table().replace(
            ": 7,",
            ': 7, "above": "x", "beyond": {"input": 8, "output": 8, '
            '"cache_read": 8, "cache_write_5m": 8, "cache_write_1h": 8},',
        ),
    ],
    ids=range(17),
)
def test_file_that_is_no_table_is_refused_and_not_in_force(content: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"."):
        read(path)
    prices = load().folders.prices
    prices.parent.mkdir(exist_ok=True)
    prices.write_text(content)
    assert price_table(load()) == bundled_table()
