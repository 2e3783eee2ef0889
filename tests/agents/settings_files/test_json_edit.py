"""An edit of a JSON text changes one entry and keeps the style of the file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensync_hooks.agents.settings_files import json_edit

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)
STYLES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"indent": 2},
        {"indent": 4},
        {"indent": "\t", "ensure_ascii": False},
        {},
        {"separators": (",", ":")},
        {"indent": 0},
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    text = json.dumps(draw(OBJECTS), **draw(STYLES))
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return draw(st.sampled_from(["", "\n", " \r\n\t"])) + text + draw(st.sampled_from(["", "\n"]))


def changed(before: str, after: str) -> tuple[str, str]:
    """Return what differs between two texts: both without their common start and end."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return before[start : len(before) - end], after[start : len(after) - end]


@given(texts(), VALUES)
def test_append_adds_one_entry_and_remove_undoes_it(text: str, value: Any) -> None:
    key = "a key that is not there"
    longer = json_edit.append(text, (), value, key)
    assert json_edit.parse(longer) == {**json_edit.parse(text), key: value}
    assert list(json_edit.parse(longer))[-1] == key
    shorter = json_edit.remove(longer, (key,))
    assert json_edit.parse(shorter) == json_edit.parse(text)
    if json_edit.parse(text):
        assert shorter == text


@given(texts(), VALUES)
def test_append_leaves_every_other_byte_alone(text: str, value: Any) -> None:
    removed, _ = changed(text, json_edit.append(text, (), value, "a key that is not there"))
    assert not removed.strip()


@given(texts(), VALUES, st.data())
def test_replace_changes_one_value_only(text: str, value: Any, data: st.DataObject) -> None:
    settings = json_edit.parse(text)
    if settings:
        key = data.draw(st.sampled_from(list(settings)))
        assert json_edit.parse(json_edit.replace(text, (key,), value)) == {**settings, key: value}


@given(texts(), st.data())
def test_remove_removes_one_entry_only(text: str, data: st.DataObject) -> None:
    settings = json_edit.parse(text)
    if settings:
        key = data.draw(st.sampled_from(list(settings)))
        rest = {name: value for name, value in settings.items() if name != key}
        assert json_edit.parse(json_edit.remove(text, (key,))) == rest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": {}}', '{"a": {"k": [1]}}'),
        ('{"a":{"b":1}}', '{"a":{"b":1,"k":[1]}}'),
        ('{\n    "a": {}\n}', '{\n    "a": {\n        "k": [\n            1\n        ]\n    }\n}'),
        ('{\n\t"a": {"b": 1}\n}', '{\n\t"a": {"b": 1, "k": [1]}\n}'),
        ('{"a": {\n "b": 1}}', '{"a": {\n "b": 1,\n "k": [\n   1\n ]}}'),
        ('{\r\n  "a": { }\r\n}', '{\r\n  "a": {\r\n    "k": [\r\n      1\r\n    ]\r\n  }\r\n}'),
    ],
    ids=["inline", "tight", "four spaces", "inline among lines", "ragged", "CRLF"],
)
def test_append_follows_the_style_around_it(text: str, expected: str) -> None:
    assert json_edit.append(text, ("a",), [1], "k") == expected


@pytest.mark.parametrize(
    "literal", ["1e400", "-0.0", "1.50", r'"\ud800"', r'"é"', '"a\u2028b"', "[1,2,  3]"]
)
def test_literals_that_python_would_write_differently_stay_as_they_are(literal: str) -> None:
    text = f'{{"x": {literal}, "y": 1}}'
    assert json_edit.append(text, (), 2, "z") == f'{{"x": {literal}, "y": 1, "z": 2}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": 1,}',
        '{"a": 1} // why',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 01}',
        '{"a": "\n"}',
        '{"a": 1} {}',
        '{"a": 1, "a": 2}',
        "[" * 99999,
    ],
)
def test_text_that_is_not_strict_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_edit.parse(text)
