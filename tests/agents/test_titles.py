"""A title is one short line."""

from __future__ import annotations

import pytest

from opensync_hooks.agents import titles


@pytest.mark.parametrize(
    ("text", "title"),
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
def test_title_is_one_line_of_at_most_100_characters(text: str | None, title: str | None) -> None:
    assert titles.one_line(text) == title


@pytest.mark.parametrize(
    ("own", "title"),
    [
        ("Look around", "Look around (subagent of s1)"),
        (None, "Subagent (subagent of s1)"),
    ],
)
def test_title_of_a_subagent_names_its_parent(own: str | None, title: str) -> None:
    assert titles.of_subagent(own, "s1") == title
