from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensync_hooks.destinations.store import limits, validation
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json

MESSAGE: Json = {"sessionExternalId": "s", "externalId": "m", "role": "user"}
WRONG = "ArgumentValidationError: Value does not match validator"
PART_OVERHEAD = 143
"""What a text part's row holds besides the text: ids, time, order, names, delimiters."""


def with_content(content: Any) -> Json:
    return {**MESSAGE, "parts": [{"type": "text", "content": content}]}


def check_message(body: Json) -> None:
    taken = validation.message(body)
    validation.check_message_rows(taken, taken.get("parts", ()))


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
        pytest.param({"sessionId": "s"}, id="the id by its other name"),
        pytest.param({"externalId": "", "sessionId": "s"}, id="an empty id beside a good one"),
        pytest.param({"externalId": "s", "promptTokens": -1.5}, id="a negative fraction"),
        pytest.param({"externalId": "s", "title": ""}, id="an empty title"),
        pytest.param({"externalId": "s", "totalTokens": None, "x": "\ud83d"}, id="unknown fields"),
    ],
)
def test_a_sound_session_is_taken(body: Json) -> None:
    assert validation.session(body)["externalId"] == "s"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({}, validation.MISSING_ID, id="no id"),
        pytest.param({"externalId": ""}, validation.MISSING_ID, id="an empty id"),
        pytest.param({"externalId": 0, "sessionId": None}, validation.MISSING_ID, id="no real id"),
        pytest.param({"externalId": 7}, f"{WRONG}. Path: .externalId", id="a number as id"),
        pytest.param({"externalId": []}, f"{WRONG}. Path: .externalId", id="a list as id"),
        pytest.param({"externalId": "s", "title": None}, f"{WRONG}. Path: .title", id="null"),
        pytest.param(
            {"externalId": "s", "cost": "1"}, f"{WRONG}. Path: .cost", id="number as text"
        ),
        pytest.param(
            {"externalId": "s", "cost": True}, f"{WRONG}. Path: .cost", id="true as number"
        ),
        pytest.param({"externalId": "s", "cost": float("nan")}, "not finite", id="not a number"),
        pytest.param({"externalId": "s", "cost": 10**400}, "not finite", id="beyond any double"),
        pytest.param({"externalId": "s", "title": "\ud83d"}, "lone leading surrogate", id="half"),
        pytest.param({"externalId": "s", "title": b"x"}, "not a JSON value", id="bytes"),
    ],
)
def test_a_wrong_session_is_refused_in_the_servers_words(body: Json, text: str) -> None:
    with pytest.raises(RejectedError, match=text.replace(".", r"\.")):
        validation.session(body)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="without parts"),
        pytest.param({"sessionExternalId": "", "externalId": ""}, id="empty ids"),
        pytest.param({"role": "tool"}, id="a tool"),
        pytest.param({"parts": []}, id="no part"),
        pytest.param({"parts": [{"type": "x", "content": None}]}, id="a part that is null"),
        pytest.param({"createdAt": 1.5, "source": "cursor"}, id="time and source"),
        pytest.param({"toolName": None}, id="an unknown field"),
    ],
)
def test_a_sound_message_is_taken(change: Json) -> None:
    check_message({**MESSAGE, **change})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param({"externalId": None}, f"{WRONG}. Path: .externalId", id="null as id"),
        pytest.param({"role": "developer"}, f"{WRONG}. Path: .role", id="an unknown role"),
        pytest.param({"role": ["user"]}, f"{WRONG}. Path: .role", id="a list of roles"),
        pytest.param({"textContent": None}, f"{WRONG}. Path: .textContent", id="null as text"),
        pytest.param({"parts": "x"}, f"{WRONG}. Path: .parts", id="a text as parts"),
        pytest.param({"parts": [{"type": "x"}]}, f"{WRONG}. Path: .parts", id="no content"),
        pytest.param({"parts": [{"type": 1, "content": 1}]}, f"{WRONG}. Path: .parts", id="a type"),
        pytest.param(
            {"parts": [{"type": "x", "content": 1, "id": 1}]},
            f"{WRONG}. Path: .parts",
            id="an extra field in a part",
        ),
    ],
)
def test_a_wrong_message_is_refused_in_the_servers_words(change: Json, text: str) -> None:
    with pytest.raises(RejectedError) as refused:
        validation.message({**MESSAGE, **change})
    assert str(refused.value) == text


@pytest.mark.parametrize("field", ["sessionExternalId", "externalId", "role"])
def test_a_message_without_one_of_its_ids_or_its_role_is_refused(field: str) -> None:
    body = {name: value for name, value in MESSAGE.items() if name != field}
    with pytest.raises(RejectedError, match=f"missing the required field `{field}`"):
        validation.message(body)


@pytest.mark.parametrize(
    ("check", "items", "text"),
    [
        (validation.batch_sessions, "x", f"{WRONG}. Path: .sessions"),
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
    ids=["text", "no id", "alias", "time", "no object", "its time", "extra", "role", "too many"],
)
def test_one_bad_element_refuses_the_whole_list(
    check: Callable[[Any], list[Json]], items: Any, text: str
) -> None:
    with pytest.raises(RejectedError, match=text):
        check(items)


def test_a_batch_takes_up_to_8192_elements() -> None:
    assert len(validation.batch_messages([MESSAGE] * 8192)) == 8192


@pytest.mark.parametrize("name", ["", "_x", "a b", "a.b", "'\"`", "a$", "~", "n" * 1024])
def test_a_name_in_a_part_is_taken(name: str) -> None:
    check_message(with_content([{name: 1}]))


@pytest.mark.parametrize("name", ["$ref", "größe", "a\nb", "a\x7f", "\ud83d", "n" * 1025])
def test_a_name_in_a_part_is_refused(name: str) -> None:
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
            "x" * (limits.MIB - PART_OVERHEAD),
            "x" * (limits.MIB - PART_OVERHEAD + 1),
            "Value is too large",
            id="bytes",
        ),
        pytest.param("é" * 524_000, "é" * 524_300, "Value is too large", id="bytes, not letters"),
        pytest.param("x", "\ud83d", "lone leading surrogate", id="half a letter"),
        pytest.param("😀", {"a": ["\ude00"]}, "lone leading surrogate", id="the other half, deep"),
        pytest.param(10**300, 10**309, "not finite", id="number"),
        pytest.param([], nested(65), "Value is too nested", id="any levels"),
        pytest.param({}, ({},), "not a JSON value", id="a tuple"),
        pytest.param({}, {1: 1}, "no name of a field", id="a number as name"),
    ],
)
def test_content_is_taken_up_to_its_limit(largest: Any, too_large: Any, text: str) -> None:
    check_message(with_content(largest))
    with pytest.raises(RejectedError, match=text):
        check_message(with_content(too_large))


def test_the_text_beside_the_parts_has_a_row_to_fit_in_too() -> None:
    check_message({**MESSAGE, "textContent": "x" * (limits.MIB - 400)})
    with pytest.raises(RejectedError, match="Value is too large"):
        check_message({**MESSAGE, "textContent": "x" * limits.MIB})


def test_a_title_has_half_a_row_because_it_is_stored_twice() -> None:
    check_session({"externalId": "s", "title": "x" * (limits.MIB // 2 - 300)})
    with pytest.raises(RejectedError, match="Value is too large"):
        check_session({"externalId": "s", "title": "x" * (limits.MIB // 2)})


def test_a_request_carries_at_most_16_mib() -> None:
    parts = [{"type": "text", "content": "x" * 1_000_000}] * 16
    validation.message({**MESSAGE, "parts": parts})
    with pytest.raises(RejectedError, match="Arguments are too large"):
        validation.message({**MESSAGE, "parts": [*parts, parts[0]]})


def test_values_are_kept_as_the_server_keeps_them() -> None:
    content = {"__proto__": {"x": 1}, "a": [{"__proto__": 1, "b": 2}]}
    taken = validation.message({**with_content(content), "createdAt": 2**53 + 1, "toolName": 1})
    assert taken["parts"][0]["content"] == {"a": [{"b": 2}]}
    assert taken["createdAt"] == 2.0**53
    assert "toolName" not in taken


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
def test_a_refusal_never_repeats_a_value(body: Json) -> None:
    with pytest.raises(RejectedError) as refused:
        check_message(body)
    assert "hunter2" not in str(refused.value)
    assert len(str(refused.value)) < 160


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(ANY_JSON)
def test_whatever_comes_is_taken_as_json_or_refused_in_words(content: Any) -> None:
    try:
        taken = validation.message(with_content(content))
    except RejectedError:
        return
    assert json.dumps(taken, allow_nan=False).encode()
