"""A title is one line that a list can show."""

from __future__ import annotations

import pytest

from opensync_hooks.agents import titles


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Fix the parser", "Fix the parser"),
        ("  two\n\tlines  and\u2028more ", "two lines and more"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 99 + "…"),
        ("x" * 98 + " yz", "x" * 98 + "…"),
        ("", None),
        (" \n", None),
        (None, None),
    ],
)
def test_title_is_one_line_of_100_letters_at_most(text: str | None, wanted: str | None) -> None:
    assert titles.one_line(text) == wanted


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("Look around", "Look around (subagent of s1)"),
        (None, "Subagent (subagent of s1)"),
    ],
)
def test_title_of_a_subagent_says_whose_it_is(own: str | None, wanted: str) -> None:
    assert titles.of_subagent(own, "s1") == wanted
