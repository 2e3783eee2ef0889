"""Which bodies OpenSync accepts, up to which limits, and how it refuses the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from opensync_hooks.destinations.store import convex_limits, validation
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json

MESSAGE: Json = {"sessionExternalId": "s", "externalId": "m", "role": "user"}
NO_ID = "Missing externalId or sessionId"
MISMATCH = "ArgumentValidationError: Value does not match validator"
PART_OVERHEAD = 143
"""Bytes in a text part's row besides its text: ids, time, order, names, delimiters."""


def with_content(content: Any) -> Json:
    return {**MESSAGE, "parts": [{"type": "text", "content": content}]}


def check_message(body: Json) -> None:
    fields = validation.message(body)
    validation.check_message_rows(fields, fields.get("parts", ()))


def check_session(body: Json) -> None:
    validation.check_session_row(validation.session(body))


def nested(levels: int) -> Any:
    value: Any = "core"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"externalId": "s"}, id="only the id"),
        pytest.param({"sessionId": "s"}, id="alias of the id"),
        pytest.param({"externalId": "", "sessionId": "s"}, id="empty id and alias"),
        pytest.param({"externalId": "s", "promptTokens": -1.5}, id="a negative fraction"),
        pytest.param({"externalId": "s", "title": ""}, id="an empty title"),
        pytest.param({"externalId": "s", "totalTokens": None, "x": "\ud83d"}, id="unknown fields"),
    ],
)
def test_valid_session_is_accepted(body: Json) -> None:
    assert validation.session(body)["externalId"] == "s"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({}, NO_ID, id="no id"),
        pytest.param({"externalId": ""}, NO_ID, id="an empty id"),
        pytest.param({"externalId": 0, "sessionId": None}, NO_ID, id="no real id"),
        pytest.param({"externalId": 7}, f"{MISMATCH}. Path: .externalId", id="number as id"),
        pytest.param({"externalId": []}, f"{MISMATCH}. Path: .externalId", id="list as id"),
        pytest.param({"externalId": "s", "title": None}, f"{MISMATCH}. Path: .title", id="null"),
        pytest.param(
            {"externalId": "s", "cost": "1"}, f"{MISMATCH}. Path: .cost", id="number as text"
        ),
        pytest.param(
            {"externalId": "s", "cost": True}, f"{MISMATCH}. Path: .cost", id="true as number"
        ),
        pytest.param({"externalId": "s", "cost": float("nan")}, "not finite", id="not a number"),
        pytest.param({"externalId": "s", "cost": 10**400}, "not finite", id="beyond any double"),
        pytest.param(
            {"externalId": "s", "title": "\ud83d"}, "lone leading surrogate", id="lone surrogate"
        ),
        pytest.param({"externalId": "s", "title": b"x"}, "not a JSON value", id="bytes"),
    ],
)
def test_invalid_session_is_refused_with_the_servers_text(body: Json, text: str) -> None:
    with pytest.raises(RejectedError, match=text.replace(".", r"\.")):
        validation.session(body)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="without parts"),
        pytest.param({"sessionExternalId": "", "externalId": ""}, id="empty ids"),
        pytest.param({"role": "tool"}, id="tool role"),
        pytest.param({"parts": []}, id="empty parts"),
        pytest.param({"parts": [{"type": "x", "content": None}]}, id="null content"),
        pytest.param({"createdAt": 1.5, "source": "cursor"}, id="time and source"),
        pytest.param({"toolName": None}, id="unknown field"),
    ],
)
def test_valid_message_is_accepted(change: Json) -> None:
    check_message({**MESSAGE, **change})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param({"externalId": None}, f"{MISMATCH}. Path: .externalId", id="null as id"),
        pytest.param({"role": "developer"}, f"{MISMATCH}. Path: .role", id="unknown role"),
        pytest.param({"role": ["user"]}, f"{MISMATCH}. Path: .role", id="list of roles"),
        pytest.param({"textContent": None}, f"{MISMATCH}. Path: .textContent", id="null as text"),
        pytest.param({"parts": "x"}, f"{MISMATCH}. Path: .parts", id="text as parts"),
        pytest.param({"parts": [{"type": "x"}]}, f"{MISMATCH}. Path: .parts", id="no content"),
        pytest.param(
            {"parts": [{"type": 1, "content": 1}]}, f"{MISMATCH}. Path: .parts", id="number as type"
        ),
        pytest.param(
            {"parts": [{"type": "x", "content": 1, "id": 1}]},
            f"{MISMATCH}. Path: .parts",
            id="extra field in a part",
        ),
    ],
)
def test_invalid_message_is_refused_with_the_servers_text(change: Json, text: str) -> None:
    with pytest.raises(RejectedError) as refused:
        validation.message({**MESSAGE, **change})
    assert str(refused.value) == text


@pytest.mark.parametrize("field", ["sessionExternalId", "externalId", "role"])
def test_message_without_a_required_field_is_refused(field: str) -> None:
    body = {name: value for name, value in MESSAGE.items() if name != field}
    with pytest.raises(RejectedError, match=f"missing the required field `{field}`"):
        validation.message(body)


@pytest.mark.parametrize(
    ("check", "items", "text"),
    [
        (validation.batch_sessions, "x", f"{MISMATCH}. Path: .sessions"),
        (validation.batch_sessions, [{}], "missing the required field `externalId`"),
        (
            validation.batch_sessions,
            [{"sessionId": "s"}],
            "missing the required field `externalId`",
        ),
        (
            validation.batch_sessions,
            [{"externalId": "s", "createdAt": 1}],
            "extra field `createdAt`",
        ),
        (validation.batch_sessions, ["s"], r".sessions\[0\]"),
        (validation.batch_messages, [MESSAGE, {**MESSAGE, "createdAt": 1}], "field `createdAt`"),
        (
            validation.batch_messages,
            [MESSAGE, {**MESSAGE, "toolName": 1}],
            "extra field `toolName`",
        ),
        (validation.batch_messages, [MESSAGE, {**MESSAGE, "role": 1}], r".messages\[1\].role"),
        (validation.batch_messages, [MESSAGE] * 8193, "Array length is too long"),
    ],
    ids=[
        "text",
        "no id",
        "alias",
        "session time",
        "not an object",
        "message time",
        "extra",
        "role",
        "8193",
    ],
)
def test_one_invalid_element_refuses_the_whole_list(
    check: Callable[[Any], list[Json]], items: Any, text: str
) -> None:
    with pytest.raises(RejectedError, match=text):
        check(items)


def test_batch_accepts_8192_elements() -> None:
    assert len(validation.batch_messages([MESSAGE] * 8192)) == 8192


@pytest.mark.parametrize("name", ["", "_x", "a b", "a.b", "'\"`", "a$", "~", "n" * 1024])
def test_valid_field_name_in_a_part_is_accepted(name: str) -> None:
    check_message(with_content([{name: 1}]))


@pytest.mark.parametrize("name", ["$ref", "größe", "a\nb", "a\x7f", "\ud83d", "n" * 1025])
def test_invalid_field_name_in_a_part_is_refused(name: str) -> None:
    with pytest.raises(RejectedError, match="Field name ") as refused:
        check_message(with_content([{name: 1}]))
    assert str(refused.value).isascii()


@pytest.mark.parametrize(
    ("largest", "too_large", "text"),
    [
        pytest.param(nested(15), nested(16), "Document is too nested", id="levels"),
        pytest.param([1] * 8192, [1] * 8193, "Array length is too long", id="array"),
        pytest.param(
            dict.fromkeys(map(str, range(1024)), 1),
            dict.fromkeys(map(str, range(1025)), 1),
            "too many fields",
            id="object",
        ),
        pytest.param(
            "x" * (convex_limits.MIB - PART_OVERHEAD),
            "x" * (convex_limits.MIB - PART_OVERHEAD + 1),
            "Value is too large",
            id="bytes",
        ),
        pytest.param(
            "é" * 524_000, "é" * 524_300, "Value is too large", id="bytes, not characters"
        ),
        pytest.param("x", "\ud83d", "lone leading surrogate", id="high surrogate"),
        pytest.param("😀", {"a": ["\ude00"]}, "lone leading surrogate", id="low surrogate, nested"),
        pytest.param(10**300, 10**309, "not finite", id="number"),
        pytest.param([], nested(65), "Value is too nested", id="levels of any value"),
        pytest.param({}, ({},), "not a JSON value", id="tuple"),
        pytest.param({}, {1: 1}, "not a field name", id="number as name"),
    ],
)
def test_content_is_accepted_up_to_its_limit(largest: Any, too_large: Any, text: str) -> None:
    check_message(with_content(largest))
    with pytest.raises(RejectedError, match=text):
        check_message(with_content(too_large))


def test_text_content_has_to_fit_into_the_message_row() -> None:
    check_message({**MESSAGE, "textContent": "x" * (convex_limits.MIB - 400)})
    with pytest.raises(RejectedError, match="Value is too large"):
        check_message({**MESSAGE, "textContent": "x" * convex_limits.MIB})


def test_title_has_half_a_row_because_it_is_stored_twice() -> None:
    check_session({"externalId": "s", "title": "x" * (convex_limits.MIB // 2 - 300)})
    with pytest.raises(RejectedError, match="Value is too large"):
        check_session({"externalId": "s", "title": "x" * (convex_limits.MIB // 2)})


def test_request_carries_at_most_16_mib() -> None:
    parts = [{"type": "text", "content": "x" * 1_000_000}] * 16
    validation.message({**MESSAGE, "parts": parts})
    with pytest.raises(RejectedError, match="Arguments are too large"):
        validation.message({**MESSAGE, "parts": [*parts, parts[0]]})


def test_values_are_stored_as_the_server_stores_them() -> None:
    content = {"__proto__": {"x": 1}, "a": [{"__proto__": 1, "b": 2}]}
    fields = validation.message({**with_content(content), "createdAt": 2**53 + 1, "toolName": 1})
    assert fields["parts"][0]["content"] == {"a": [{"b": 2}]}
    assert fields["createdAt"] == 2.0**53
    assert "toolName" not in fields


@pytest.mark.parametrize(
    "body",
    [
        {**MESSAGE, "role": "hunter2"},
        {**MESSAGE, "textContent": ["hunter2"]},
        {**MESSAGE, "parts": [{"type": "x", "content": "hunter2", "more": "hunter2"}]},
        with_content(["hunter2", "\ud83d"]),
        with_content("hunter2" * 200_000),
    ],
    ids=["role", "text", "part", "surrogate", "size"],
)
def test_refusal_never_quotes_a_value(body: Json) -> None:
    with pytest.raises(RejectedError) as refused:
        check_message(body)
    assert "hunter2" not in str(refused.value)
    assert len(str(refused.value)) < 160


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@hypothesis.given(ANY_JSON)
def test_any_content_is_stored_as_json_or_refused(content: Any) -> None:
    try:
        fields = validation.message(with_content(content))
    except RejectedError:
        return
    assert json.dumps(fields, allow_nan=False).encode()
