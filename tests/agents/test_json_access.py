"""Reading JSON of any version: a missing or misshapen value reads as absent."""

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
    ids=lambda raw: str(raw)[:20],
)
def test_text_that_is_not_json_decodes_to_none(raw: object, value: Any) -> None:
    assert json_access.decode(raw) == value


@pytest.mark.parametrize("raw", [{"a": "b"}, '{"a": "b"}', b'{"a": "b"}'])
def test_object_is_taken_as_it_is_or_decoded(raw: object) -> None:
    assert json_access.as_dict(raw) == {"a": "b"}
    assert json_access.as_dict([raw]) == json_access.as_dict("[1]") == {}
    assert json_access.decode_dict("[1]") is None


@pytest.mark.parametrize(
    ("number", "count"),
    [(7, 7), (0, 0), (-7, 0), (True, 0), (7.0, 0), ("7", 0), (None, 0), (10**12, 0)],
)
def test_count_is_a_plausible_whole_number(number: Any, count: int) -> None:
    assert json_access.get_count({"n": number}, "n") == count
    assert json_access.get_count({}, "n") == 0


@pytest.mark.parametrize(
    ("number", "rounded"),
    [(7, 7), (0, 0), (7.6, 8), (-7, None), (True, None), ("7", None), (None, None)],
)
def test_int_is_a_plausible_number_rounded(number: Any, rounded: int | None) -> None:
    assert json_access.get_int({"n": number}, "n") == rounded


@pytest.mark.parametrize("number", [10**18, float("inf"), float("nan")])
def test_number_beyond_every_clock_and_price_is_absent(number: float) -> None:
    assert json_access.get_float({"n": number}, "n") is None
    assert json_access.get_int({"n": number}, "n") is None


@pytest.mark.parametrize("odd", [None, 7, [], {}, "", [None, 7, ""]])
def test_value_of_another_type_is_absent(odd: Any) -> None:
    value = {"odd": odd, "deep": {"odd": odd, "fine": {"x": "y"}}}
    assert json_access.get_str(value, "odd") is None
    assert json_access.get_str(value, "odd", "odd") is None
    assert json_access.get_str(value, "deep", "fine", "x") == "y"
    assert json_access.get_strs(value, "odd") == []
    assert json_access.get_dicts(value, "odd") == []
    assert json_access.get_list(value, "nothing") == []
    assert json_access.get_dict(value, "odd", "odd") == {}
    assert json_access.get_dict(value, "deep", "fine") == {"x": "y"}


@pytest.mark.parametrize(
    ("raw", "members"),
    [
        (b'{"a": 1, "text": "two words he', {"a": 1, "text": "two words"}),
        (
            b'{"a": [1, {"b": 2}], "text": "whole", "c": {"d": "lost',
            {"a": [1, {"b": 2}], "text": "whole"},
        ),
        (b'{"text": "line\\nend \\u00', {"text": "line\nend"}),
        (b'{"text": "one', {}),
        (b'{"thinking": {"text": "a thought that is cu', {}),
        (b'{"other": "words that are cut', {}),
        (b'{"a": 1} trailing', {"a": 1}),
        (b'{"a": 1, "b": nonsense, "text": "behind"}', {"a": 1}),
        (b"[1, 2", {}),
        (b"", {}),
        (b"\xff\xfe", {}),
    ],
)
def test_damaged_object_counts_up_to_its_damage(raw: bytes, members: object) -> None:
    assert json_access.decode_damaged(raw, "text") == members
