"""Any session becomes bodies that OpenSync accepts, and every cut is marked and counted."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from opensync_hooks.delivery import payloads
from opensync_hooks.delivery.costs import Costs
from opensync_hooks.delivery.json_values import clean, truncate
from opensync_hooks.destinations.store import validation
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger import losses
from opensync_hooks.model import (
    SKIPPED_KINDS,
    Attachment,
    Charge,
    Json,
    Message,
    Part,
    Reasoning,
    Role,
    Session,
    Skipped,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from opensync_hooks.privacy.excerpt import MAX_TEXT_BYTES
from opensync_hooks.privacy.omitted import TOO_DEEP

MIB = 1 << 20
TOO_MUCH = "[too deep or too long a value to be kept]"
_CUT = re.compile(r"(?s)(.*)\n\[cut here: (\d+) more bytes\]")


def message(*parts: Part, **fields: Any) -> Message:
    return Message("m1", "assistant", parts, **fields)


def message_body(message: Message, created_at: int | None = None) -> Json:
    return payloads.message_body(message, created_at)[0]


def body(*parts: Part, **fields: Any) -> Json:
    return message_body(message(*parts, **fields))


def contents(*parts: Part, **fields: Any) -> list[Any]:
    return [part["content"] for part in body(*parts, **fields)["parts"]]


def sent_arguments(arguments: Any) -> Any:
    return contents(ToolCall("t1", "Bash", arguments))[0]["args"]


def assert_accepted(body: Json) -> None:
    """The store validates as OpenSync does, and raises for a body that the server refuses."""
    ids = {"sessionExternalId": "s1", "externalId": "r1:m1", "source": "claude-code"}
    fields = validation.message({**ids, **body})
    assert fields["parts"] == body["parts"], "the server drops some keys without an error"
    validation.check_message_rows(fields, fields["parts"])
    json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def without_surrogates(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def is_text_kept(sent: str, text: str) -> bool:
    """Whether a text was sent whole, or as its start with the true count of what is missing."""
    if sent == text:
        return True
    cut = _CUT.fullmatch(sent)
    missing = len(text.encode()) - len(cut[1].encode()) if cut else 0
    return cut is not None and text.startswith(cut[1]) and int(cut[2]) == missing


def is_kept(sent: Any, value: Any) -> bool:
    """Whether a JSON value was sent as itself, or as its complete JSON text."""
    if isinstance(sent, str):
        if isinstance(value, str):
            return is_text_kept(sent, without_surrogates(value))
        return sent == TOO_MUCH or any(is_text_kept(sent, text) for text in json_texts(value))
    if isinstance(value, dict):
        same = isinstance(sent, dict) and sent.keys() == value.keys()
        return same and all(is_kept(sent[key], value[key]) for key in value)
    if isinstance(value, list):
        same = isinstance(sent, list) and len(sent) == len(value)
        return same and all(map(is_kept, sent, value))
    return type(sent) is type(value) and bool(sent == value)


def json_texts(value: Any) -> list[str]:
    """The value's JSON text; also the one in which its deepest values are a text already."""
    texts = []
    for variant in (value, clean(value)):
        try:
            texts.append(without_surrogates(json.dumps(variant, ensure_ascii=False)))
        except (RecursionError, ValueError):
            continue
    return texts


# ---- single cases --------------------------------------------------------------------------------


def nested(depth: int, innermost: Any = "core") -> Any:
    value = innermost
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


HOSTILE: dict[str, Any] = {
    "dollar key": {"$ref": "#/definitions/a", "more": 1},
    "dollar key far inside": {"a": [{"b": {"$set": {"x": 1}}}]},
    "key that is not ASCII": {"naïve": True},
    "key with a control character": {"a\nb": 1},
    "key that is a lone surrogate": {"\ud83d": 1},
    "key of 2000 characters": {"k" * 2000: 1},
    "proto key": {"__proto__": {"admin": True}, "a": 1},
    "proto key in a list": [{"__proto__": 1}],
    "lone surrogate": {"text": "cut emoji \ud83d here"},
    "surrogates in the wrong order": ["\udc00\ud800"],
    "array of 8193": list(range(8193)),
    "array of 100000": {"all": list(range(100_000))},
    "object of 1025 fields": {f"k{number}": number for number in range(1025)},
    "numbers that take more bytes than they show": {"rows": [[1] * 8000] * 50},
    "nested 17 levels": nested(17),
    "nested 400 levels": nested(400),
    "nested 3000 levels": nested(3000),
    "nested 3000 levels beside a text": {"deep": nested(3000), "beside": "kept"},
    "not a number": {"x": math.nan},
    "infinite": [math.inf, -math.inf],
    "integer beyond 2**53": {"id": 2**63 - 1},
    "integer of 400 digits": 10**400,
    "integer of 5000 digits": {"x": 10**5000},
    "text of 2 MB": "x" * 2_000_000,
    "text of 2 MB in an object": {"file": "é" * 1_000_000, "path": "/a"},
    "many long texts": {f"k{number}": "y" * 100_000 for number in range(30)},
    "empty object": {},
    "empty array": [],
    "empty text": "",
    "empty key": {"": ""},
    "null": {"a": None},
    "truth": [True, False],
}


@pytest.mark.parametrize("arguments", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_arguments_are_accepted_and_kept(arguments: Any) -> None:
    sent = sent_arguments(arguments)
    assert_accepted(body(ToolCall("t1", "Bash", arguments)))
    assert is_kept(sent, arguments), str(sent)[:200]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"a": [1, 2.5, None, True, "é"]}, {"a": [1, 2.5, None, True, "é"]}),
        (None, {}),
        ("plain", "plain"),
        ({"$a": 1}, '{"$a": 1}'),
        ({"safe": {"$a": "é"}, "b": 1}, {"safe": '{"$a": "é"}', "b": 1}),
        ({"id": 2**53}, {"id": 2**53}),
        ({"id": 2**53 + 1}, {"id": str(2**53 + 1)}),
        ([math.nan, -math.inf], ["NaN", "-Infinity"]),
        ({"a": "\ud83d"}, {"a": "\ufffd"}),
    ],
    ids=ascii,
)
def test_only_a_value_that_the_server_refuses_becomes_a_text(arguments: Any, sent: Any) -> None:
    assert sent_arguments(arguments) == sent


def test_value_too_deep_for_json_is_named() -> None:
    sent = sent_arguments({"deep": nested(100_000), "beside": "kept"})
    assert sent["beside"] == "kept"
    inner = sent["deep"]
    while not isinstance(inner, str):
        inner = inner[0] if isinstance(inner, list) else inner["in"]
    assert inner == TOO_MUCH


@pytest.mark.parametrize("character", ["x", "é", "日", "🚀"])
def test_cut_is_between_characters_and_states_the_missing_bytes(character: str) -> None:
    sent = truncate(character * 900_001)
    assert is_text_kept(sent, character * 900_001)
    assert len(sent.encode()) < MAX_TEXT_BYTES + 100
    assert truncate("x" * MAX_TEXT_BYTES) == "x" * MAX_TEXT_BYTES


def test_parts_that_exceed_one_request_together_are_all_sent_and_cut_shorter() -> None:
    """Fifty tool outputs of 0.9 MB: one message, and the server takes 16 MiB."""
    outputs = [str(number) * 900_000 for number in range(10)] * 5
    parts = [ToolResult(f"t{number}", "Read", output) for number, output in enumerate(outputs)]
    short = Text("what they were about")
    *results, last = contents(*parts, short)
    assert_accepted(body(*parts, short))
    assert [result["id"] for result in results] == [part.call_id for part in parts]
    for result, output in zip(results, outputs, strict=True):
        assert is_text_kept(result["result"], output)
    assert last == short.text
    assert sum(len(result["result"]) for result in results) > payloads.MAX_PARTS_BYTES // 4


def test_many_long_parts_are_accepted() -> None:
    parts = [ToolCall("i" * 9000, "n" * 9000, {"x": "z" * 9000}) for _ in range(payloads.MAX_PARTS)]
    assert_accepted(body(*parts))


def test_parts_beyond_the_limit_are_counted() -> None:
    sent = body(*[Text(str(number)) for number in range(payloads.MAX_PARTS + 5)])
    assert_accepted(sent)
    assert sent["parts"][-1] == {"type": "text", "content": "[5 more parts left out]"}
    assert sent["textContent"].endswith(str(payloads.MAX_PARTS + 4))


def test_text_content_holds_only_text_parts() -> None:
    parts = (Text("one"), Reasoning("hm"), ToolCall("t", "Bash", {}), ToolResult("t", "Bash", "x"))
    assert body(*parts, Text("two"))["textContent"] == "one\n\ntwo"
    assert "textContent" not in body(Reasoning("hm"), ToolResult("t", "Bash", "x"))


def test_message_of_tools_alone_says_in_its_text_which_ones() -> None:
    calls = (
        ToolCall("t1", "Bash", {"command": "ls -la shed", "description": "List the shed"}),
        ToolResult("t1", "Bash", "rake"),
        ToolCall("t2", "Write", {"content": "line 1\nline 2", "file_path": "/plan"}),
        ToolCall("t3", "todo", {"items": ["a"]}, title="2 todos"),
        ToolCall("t4", "Read", {"file_path": "x" * 200}),
    )
    text = "[tools] Bash: ls -la shed; Write; todo: 2 todos; Read"
    assert body(*calls)["textContent"] == text
    assert body(*calls, undone=True)["textContent"] == f"[undone] {text}"
    many = [ToolCall(f"t{number}", "Bash", {"command": "é" * 100}) for number in range(99)]
    sent = body(*many)
    assert len(sent["textContent"]) == 1_000
    assert_accepted(sent)


@pytest.mark.parametrize(
    ("calls", "model"),
    [
        ([("opus", 900), ("opus", 50), ("haiku", 10)], "opus"),
        ([("haiku", 10), ("opus", 5), ("haiku", 1)], "haiku"),
        ([("opus", 0)], "last"),
        ([(None, 99)], "last"),
        ([], "last"),
    ],
)
def test_model_of_a_session_is_the_one_with_most_tokens(
    calls: list[tuple[str | None, int]], model: str
) -> None:
    tokens = Counter[str]()
    for name, count in calls:
        if name:
            tokens[name] += count
    session = Session("s", "claude-code", model="last")
    assert payloads.session_body(session, Costs(tokens=tokens))["model"] == model


@pytest.mark.parametrize(
    ("part", "kind", "content"),
    [
        (Text("hi"), "text", "hi"),
        (Text(""), "text", ""),
        (Reasoning("hm"), "reasoning", "hm"),
        (ToolCall("t", "Ls", {"a": 1}), "tool-call", {"id": "t", "name": "Ls", "args": {"a": 1}}),
        (ToolResult("t", "Ls", "ok"), "tool-result", {"id": "t", "name": "Ls", "result": "ok"}),
        (
            ToolResult("t", "Ls", "", is_error=True),
            "tool-result",
            {"id": "t", "name": "Ls", "result": "(no output)", "isError": True},
        ),
        (Attachment("image/png", 70), "text", "[image/png, 70 bytes]"),
        (Attachment("text/plain", 1, "a.txt"), "text", "[a.txt text/plain, 1 bytes]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_part_becomes_a_kind_that_the_page_shows(part: Part, kind: str, content: Any) -> None:
    assert body(part)["parts"] == [{"type": kind, "content": content}]


@pytest.mark.parametrize(
    ("parts", "text", "marked"),
    [
        ((Text("no"), Text("yes")), "[undone] no\n\nyes", ["[undone] no", "yes"]),
        ((Reasoning("hm"), Text("no")), "[undone] no", ["hm", "[undone] no"]),
        ((Reasoning("hm"),), "[undone] ", ["[undone]", "hm"]),
        ((Attachment("a/b", 1),), "[undone] ", ["[undone] [a/b, 1 bytes]"]),
    ],
    ids=["texts", "text after thinking", "no text", "attachment"],
)
def test_undone_message_is_marked_in_its_text_and_its_parts(
    parts: tuple[Part, ...], text: str, marked: list[str]
) -> None:
    sent = body(*parts, undone=True)
    assert sent["textContent"] == text
    assert [part["content"] for part in sent["parts"]] == marked
    assert_accepted(sent)


def test_undone_message_with_too_many_parts_is_accepted() -> None:
    parts = [ToolCall("t", "Bash", {})] * (payloads.MAX_PARTS + 1)
    sent = body(*parts, undone=True)
    assert_accepted(sent)
    assert sent["parts"][-1]["content"].startswith("[undone] [1 more")


def test_unknown_fields_are_left_out() -> None:
    assert payloads.session_body(Session("s", "claude-code"), Costs()) == {
        "externalId": "s", "source": "claude-code", "promptTokens": 0, "completionTokens": 0,
    }  # fmt: skip
    assert body(Text("hi")) == {
        "role": "assistant", "textContent": "hi", "parts": [{"type": "text", "content": "hi"}],
    }  # fmt: skip
    assert payloads.message_extra(message()) == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/project", "project"),
        ("/home/me/project/", "project"),
        ("C:\\Users\\me\\project", "project"),
        ("/", "/"),
        ("project", "project"),
        ("/home/\udcff", "\ufffd"),
    ],
)
def test_project_name_is_the_last_folder_of_its_path(path: str, name: str) -> None:
    session = Session("s", "claude-code", project_path=path)
    assert payloads.session_body(session, Costs())["projectName"] == name


def test_prompt_tokens_are_all_that_the_model_read() -> None:
    charge = Charge("c", None, Usage(1, 20, 300, 4_000, 50_000, 7), 0.5)
    sent = body(Text("hi"), charge=charge)
    assert (sent["promptTokens"], sent["completionTokens"]) == (54_301, 20)
    extra = payloads.message_extra(message(charge=charge, undone=True))
    assert (extra["cost"], extra["undone"], extra["cacheReadTokens"]) == (0.5, True, 300)


@pytest.mark.parametrize("number", [10**400, -(10**400), 2**53 + 1, math.nan, math.inf])
def test_number_that_cannot_be_a_count_is_left_out(number: Any) -> None:
    costs = Costs(Usage(input_tokens=number, reasoning_tokens=number), number)
    session = Session("s", "a", duration_ms=number, created_at=number)
    sent = payloads.session_body(session, costs)
    assert sent.keys() == {"externalId", "source", "completionTokens"}
    validation.session(sent)
    charge = Charge("c", None, costs.usage)
    assert_accepted(message_body(message(charge=charge, duration_ms=number), number))
    extra = payloads.session_extra(session, costs)
    assert extra.keys().isdisjoint({"inputTokens", "reasoningTokens"})


@pytest.mark.parametrize("name", ["a\ud83d", "\udcff.jsonl"], ids=ascii)
def test_id_made_from_any_file_name_is_accepted(name: str) -> None:
    """A transcript may be identified by its path, and a file name holds any byte."""
    session = Session(name, "claude-code", parent_id=name)
    sent = validation.session(payloads.session_body(session, Costs()))
    assert sent["externalId"] == without_surrogates(name)
    extra = payloads.session_extra(session, Costs())
    assert extra["parentExternalId"] == without_surrogates(name)


def test_long_names_share_a_row(tmp_path: Path) -> None:
    long = "é" * MIB
    session = Session(
        "s", long, title=long, project_path=f"/{long}", model=long, provider=long, parent_id=long
    )
    sent = payloads.session_body(session, Costs())
    assert all(is_text_kept(sent[name], long) for name in ("title", "model", "provider"))
    with Store(tmp_path / "store.db") as store:
        store.put_session(sent, payloads.session_extra(session, Costs()))
    assert_accepted(body(Text(long), model=long, charge=Charge("c", long, Usage())))


def test_longest_path_of_any_system_is_not_cut() -> None:
    path = "/" + "p" * 4095
    sent = payloads.session_body(Session("s", "a", project_path=path), Costs())
    assert sent["projectPath"] == path


# ---- what was cut --------------------------------------------------------------------------------


def cuts(*parts: Part) -> dict[str, int]:
    return payloads.message_body(message(*parts), None)[1]


def test_message_that_arrives_whole_has_no_cuts() -> None:
    assert cuts() == {}
    assert cuts(Text("hello"), ToolCall("t", "Bash", {"a": [1]}), ToolResult("t", "B", "ok")) == {}


def test_text_that_looks_like_a_cut_is_not_counted() -> None:
    assert cuts(Text("quoted:\n[cut here: 7 more bytes]"), Text("[3 more parts left out]")) == {}


def test_values_that_are_nested_too_deeply_are_counted() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    call = ToolCall("c", "x", {"a": deep, "b": [TOO_DEEP, str(TOO_DEEP)], "c": {"d": TOO_DEEP}})
    assert cuts(call) == {losses.DEEP_VALUES: 3}
    assert cuts(ToolResult("c", "x", TOO_DEEP)) == {losses.DEEP_VALUES: 1}
    assert cuts(ToolResult("c", "x", str(TOO_DEEP)), Text(TOO_DEEP)) == {}


def test_cut_texts_and_omitted_parts_are_counted() -> None:
    long = "x" * (MAX_TEXT_BYTES + 5)
    parts = (Text(long), ToolResult("t", "Bash", long), ToolCall("t", "Bash", {"a": long}))
    assert cuts(*parts) == {losses.CUT_TEXTS: 3}
    assert cuts(*[Text("x")] * (payloads.MAX_PARTS + 7)) == {losses.OMITTED_PARTS: 7}


# ---- digests -------------------------------------------------------------------------------------


def test_digest_is_the_one_that_existing_ledgers_hold() -> None:
    """Another digest of the same content would send every message of every user again."""
    parts = (Text("hi"), ToolCall("t", "Bash", {"b": 1, "a": "é"}))
    sent = message_body(message(*parts, model="m"), 1_700_000_000_000)
    assert payloads.digest(sent, {})[:16] == "69af4db6a5808a28"


def test_digest_ignores_the_order_of_keys() -> None:
    first = contents(ToolCall("t", "Bash", {"a": 1, "b": {"c": 2, "d": 3}}))
    second = contents(ToolCall("t", "Bash", {"b": {"d": 3, "c": 2}, "a": 1}))
    assert payloads.digest({"x": first}) == payloads.digest({"x": second})


@pytest.mark.parametrize(
    "changes",
    [
        {"parts": (Text("b"), Text("a"))},
        {"parts": (Text("a"), Text("b"), Text(""))},
        {"undone": True},
        {"role": "user"},
        {"model": "other"},
        {"duration_ms": 8},
        {"charge": Charge("c", None, Usage(1))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_digest_changes_with_what_is_sent(changes: dict[str, Any]) -> None:
    before = message(Text("a"), Text("b"), model="m", duration_ms=7)
    bodies = (message_body(version, 1) for version in (before, replace(before, **changes)))
    assert len(set(map(payloads.digest, bodies))) == 2


# ---- generated data ------------------------------------------------------------------------------

_CHARACTERS = st.characters(exclude_categories=()) | st.sampled_from("\ud800\udfff$\0\u2028é🚀")
_SHORT_TEXTS = st.text(_CHARACTERS, max_size=20)
_LONG_TEXTS = st.sampled_from(["x" * 2_000_000, "🚀" * 300_000])
_TEXTS = _SHORT_TEXTS | st.sampled_from(["", "__proto__", "$where"]) | _LONG_TEXTS
_KEYS = st.text(_CHARACTERS, max_size=6) | st.sampled_from(["__proto__", "$ref", "", "a" * 1500])
_NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([10**400, -(10**400), 2**53, 2**53 + 1, 10**4000, math.nan, math.inf])
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _SHORT_TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=15,
)
_HUGE = st.sampled_from(
    [list(range(9000)), {f"k{number}": number for number in range(1100)}, [[1] * 8000] * 40]
)
_DEEP = st.builds(nested, st.integers(10, 3000), _VALUES)
_ARGUMENTS = _VALUES | st.lists(_VALUES | _HUGE | _DEEP | _TEXTS, max_size=3) | _HUGE | _DEEP
_COUNTS = st.integers() | st.sampled_from([2**53, 2**53 + 1, 10**4000])
_PARTS: st.SearchStrategy[Part] = (
    st.builds(Text, _TEXTS)
    | st.builds(Reasoning, _TEXTS)
    | st.builds(ToolCall, _TEXTS, _TEXTS, _ARGUMENTS)
    | st.builds(ToolResult, _TEXTS, _TEXTS, _TEXTS, st.booleans())
    | st.builds(Attachment, _TEXTS, st.integers(), _TEXTS)
)
_COSTS = st.none() | st.floats()
_USAGES: st.SearchStrategy[Usage] = st.builds(Usage, *[_COUNTS] * 6)
_MESSAGES = st.builds(
    Message,
    id=_SHORT_TEXTS,
    role=st.sampled_from(get_args(Role)),
    parts=st.lists(_PARTS, max_size=5).map(tuple),
    created_at=st.none() | st.integers(),
    model=st.none() | _TEXTS,
    charge=st.none() | st.builds(Charge, _SHORT_TEXTS, st.none() | _TEXTS, _USAGES, _COSTS),
    duration_ms=st.none() | st.integers(),
    undone=st.booleans(),
)
_SESSIONS = st.builds(
    Session,
    id=st.text(_CHARACTERS, min_size=1, max_size=20),
    agent=_TEXTS,
    title=st.none() | _TEXTS,
    project_path=st.none() | _TEXTS,
    model=st.none() | _TEXTS,
    provider=st.none() | _TEXTS,
    created_at=st.none() | st.integers(),
    updated_at=st.none() | st.integers(),
    duration_ms=st.none() | st.integers(),
    git_branch=st.none() | _TEXTS,
    agent_version=st.none() | _TEXTS,
    end_reason=st.none() | _TEXTS,
    parent_id=st.none() | _SHORT_TEXTS,
    forked_from=st.none() | _SHORT_TEXTS,
    skipped=st.dictionaries(
        st.builds(Skipped, st.sampled_from(SKIPPED_KINDS), _SHORT_TEXTS),
        st.integers(0, 9),
        max_size=2,
    ),
)
_any_data = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@_any_data
@for_all(_MESSAGES, st.none() | st.integers())
def test_every_message_is_stored(tmp_path: Path, message: Message, created_at: int | None) -> None:
    sent, extra = message_body(message, created_at), payloads.message_extra(message)
    assert_accepted(sent)
    ids = {"sessionExternalId": "s", "externalId": "r:m", "source": "claude-code"}
    with Store(tmp_path / "store.db") as store:
        assert store.put_message({**ids, **sent}, extra, replaces=True)
    assert payloads.digest(sent, extra) == payloads.digest(json.loads(json.dumps(sent)), extra)


@_any_data
@for_all(_SESSIONS, st.builds(Costs, _USAGES, _COSTS, forked_from=st.none() | _SHORT_TEXTS))
def test_every_session_is_stored(tmp_path: Path, session: Session, costs: Costs) -> None:
    sent = payloads.session_body(session, costs)
    json.dumps(sent, ensure_ascii=False, allow_nan=False).encode()
    with Store(tmp_path / "store.db") as store:
        assert store.put_session(sent, payloads.session_extra(session, costs))
        title = {"sessions": [{"externalId": sent["externalId"], "title": sent.get("title", "t")}]}
        assert store.put_batch(title).errors == ()


@_any_data
@for_all(st.lists(_PARTS, max_size=6))
def test_every_part_is_sent_in_its_place_and_kept(parts: list[Part]) -> None:
    for content, part in zip(contents(*parts), parts, strict=True):
        match part:
            case Text(text) | Reasoning(text):
                assert is_text_kept(content, without_surrogates(text))
            case ToolCall(_, name, arguments):
                assert is_text_kept(content["name"], without_surrogates(name))
                assert is_kept(content["args"], {} if arguments is None else arguments)
            case ToolResult(call_id, _, output, is_error):
                assert is_text_kept(content["id"], without_surrogates(call_id))
                assert is_text_kept(content["result"], without_surrogates(output) or "(no output)")
                assert content.get("isError", False) is is_error
            case Attachment(media_type, size, name):
                label = f"{name} {media_type}" if name else media_type
                assert is_text_kept(content, without_surrogates(f"[{label}, {size} bytes]"))


@_any_data
@for_all(_ARGUMENTS)
def test_every_argument_is_accepted_and_kept(arguments: Any) -> None:
    assert_accepted(body(ToolCall("t1", "Bash", arguments)))
    assert is_kept(sent_arguments(arguments), {} if arguments is None else arguments)
