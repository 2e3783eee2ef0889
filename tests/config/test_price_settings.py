"""The user's prices and names are checked, and a mistake is named in one sentence."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.config import price_settings
from opensync_hooks.config.price_settings import OwnPrice
from opensync_hooks.errors import NotConfiguredError

PATH = Path("config.toml")


def read(text: str) -> dict[str, Any]:
    return price_settings.read(tomllib.loads(text), PATH)


def test_price_needs_input_and_output_and_bills_cached_tokens_as_input() -> None:
    (price,) = read('[prices."My-Model"]\ninput = 2\noutput = 8.5\n')["prices"]
    assert price == OwnPrice("my-model", 2, 8.5, 2, 2, 2)


def test_every_rate_can_be_set() -> None:
    (price,) = read(
        '[prices."m"]\ninput = 1\noutput = 2\ncache_read = 0\ncache_write_5m = 3\n'
        "cache_write_1h = 4\nfast = 6\nsearch = 0.01\nfrom = 2026-03-01\n"
    )["prices"]
    assert price == OwnPrice("m", 1, 2, 0, 3, 4, 6, 0.01, date(2026, 3, 1))


def test_one_price_for_cache_writes_holds_for_both_kinds() -> None:
    (price,) = read('[prices."m"]\ninput = 1\noutput = 2\ncache_write_5m = 3\n')["prices"]
    assert (price.cache_write_5m, price.cache_write_1h) == (3, 3)


@pytest.mark.parametrize("day", ["2026-03-01", '"2026-03-01"', "2026-03-01T10:00:00Z"])
def test_model_can_have_several_prices_over_time(day: str) -> None:
    prices = read(
        '[[prices."m"]]\ninput = 1\noutput = 2\n'
        f'[[prices."m"]]\ninput = 3\noutput = 4\nfrom = {day}\n'
    )["prices"]
    assert [(price.input, price.since) for price in prices] == [(1, None), (3, date(2026, 3, 1))]


def test_alias_leads_to_a_models_id() -> None:
    assert read('[aliases]\n"Opus-Proxy" = " claude-opus-5-5 "\n')["aliases"] == (
        ("opus-proxy", "claude-opus-5-5"),
    )


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("prices = 3", "`prices` is not a table"),
        ('[prices]\nm = "cheap"', '[prices."m"] is not a table'),
        ('[prices."m"]\noutput = 3', '[prices."m"] has no `input`'),
        ('[prices."m"]\ninput = 3', '[prices."m"] has no `output`'),
        ('[prices."m"]\ninput = "3"\noutput = 1', "`input` is not a number from 0 to 1,000,000"),
        ('[prices."m"]\ninput = true\noutput = 1', "`input` is not a number"),
        ('[prices."m"]\ninput = nan\noutput = 1', "`input` is not a number"),
        ('[prices."m"]\ninput = 1\noutput = inf', "`output` is not a number"),
        ('[prices."m"]\ninput = -1\noutput = 1', "`input` is not a number"),
        ('[prices."m"]\ninput = 1\noutput = 1\nfast = "6x"', "`fast` is not a number"),
        ('[prices."m"]\ninput = 1\noutput = 1\ncached = 1', "has no setting `cached`"),
        ('[prices."m"]\ninput = 1\noutput = 1\nfrom = "soon"', "`from` is not a day"),
        ('[prices."m"]\ninput = 1\noutput = 1\nfrom = 2026', "`from` is not a day"),
        (
            '[[prices."m"]]\ninput = 1\noutput = 1\n[[prices."m"]]\ninput = 2\noutput = 2',
            "two prices that begin on the same day",
        ),
        ("aliases = []", "`aliases` is not a table"),
        ("[aliases]\na = 5", "the alias `a` is not the id of a model"),
        ('[aliases]\na = " "', "the alias `a` is not the id of a model"),
        ('[aliases]\na = "b"\nb = "claude-opus-5"', "leads to another alias, `b`"),
        ('[aliases]\na = "a"', "leads to another alias, `a`"),
    ],
)
def test_mistake_is_named_with_its_place(text: str, fact: str) -> None:
    with pytest.raises(NotConfiguredError) as caught:
        read(text)
    assert fact in str(caught.value)
    assert str(caught.value).startswith("config.toml: ")
    assert caught.value.hint
