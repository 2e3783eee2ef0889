"""JSON of any version: what is not of the kind that was asked for is not there."""

from __future__ import annotations

from typing import Any

import pytest

from opensync_hooks.agents import json_access


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (b"\xef\xbb\xbf[1]", [1]),
        (b'"cut \xe6\x96"', "cut \ufffd"),
        ("", None),
        ("{", None),
        ("[" * 100_000, None),
        ("9" * 10_000, None),
        (None, None),
        (7, None),
        ({"a": 1}, None),
    ],
    ids=lambda one: str(one)[:20],
)
def test_json_is_decoded_or_nothing(raw: object, value: Any) -> None:
    assert json_access.decode(raw) == value


@pytest.mark.parametrize("raw", [{"a": "b"}, '{"a": "b"}', b'{"a": "b"}'])
def test_record_is_an_object_or_its_json(raw: object) -> None:
    assert json_access.record(raw) == {"a": "b"}
    assert json_access.record([raw]) == {}


@pytest.mark.parametrize(
    ("found", "number"),
    [(7, 7), (0, 0), (-7, 0), (True, 0), (7.0, 0), ("7", 0), (None, 0), (10**12, 0)],
)
def test_count_is_a_whole_number_of_something(found: Any, number: int) -> None:
    assert json_access.count({"n": found}, "n") == number
    assert json_access.count({}, "n") == 0


@pytest.mark.parametrize("odd", [None, 7, [], {}, "", [None, 7, ""]])
def test_what_is_of_another_kind_is_not_there(odd: Any) -> None:
    value = {"odd": odd, "deep": {"odd": odd, "fine": {"x": 1}}}
    assert json_access.string(value, "odd") is None
    assert json_access.strings(value, "odd") == []
    assert json_access.items(value, "nothing") == []
    assert json_access.part(value, "odd", "odd") == {}
    assert json_access.part(value, "deep", "fine") == {"x": 1}
