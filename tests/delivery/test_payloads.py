"""Whatever a session holds becomes bodies that OpenSync takes, and what is cut says so."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks.delivery import payloads
from opensync_hooks.delivery.json_values import MAX_TEXT_BYTES, clean, truncate
from opensync_hooks.destinations.store import validation
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger import losses
from opensync_hooks.model import (
    Attachment,
    Charge,
    Json,
    Message,
    Part,
    Reasoning,
    Role,
    Session,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

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


def accept(one: Json) -> None:
    """What the contract refuses, OpenSync refuses: then this raises."""
    ids = {"sessionExternalId": "s1", "externalId": "r1:m1", "source": "claude-code"}
    fields = validation.message({**ids, **one})
    assert fields["parts"] == one["parts"], "the server drops some names without a word"
    validation.check_message_rows(fields, fields["parts"])
    json.dumps(one, ensure_ascii=False, allow_nan=False).encode()


def whole(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def says_all(sent: str, meant: str) -> bool:
    """Whether a text arrived whole, or as its beginning and the true count of what is missing."""
    if sent == meant:
        return True
    cut = _CUT.fullmatch(sent)
    missing = len(meant.encode()) - len(cut[1].encode()) if cut else 0
    return cut is not None and meant.startswith(cut[1]) and int(cut[2]) == missing


def keeps(sent: Any, meant: Any) -> bool:
    """Whether a JSON value arrived as itself, or as a text that says all of it."""
    if isinstance(sent, str):
        if isinstance(meant, str):
            return says_all(sent, whole(meant))
        return sent == TOO_MUCH or any(says_all(sent, text) for text in _spellings(meant))
    if isinstance(meant, dict):
        same = isinstance(sent, dict) and sent.keys() == meant.keys()
        return same and all(keeps(sent[key], meant[key]) for key in meant)
    if isinstance(meant, list):
        same = isinstance(sent, list) and len(sent) == len(meant)
        return same and all(map(keeps, sent, meant))
    return type(sent) is type(meant) and bool(sent == meant)


def _spellings(meant: Any) -> list[str]:
    """A value's JSON text; also the one in which its depths are a text already."""
    found = []
    for value in (meant, clean(meant)):
        try:
            found.append(whole(json.dumps(value, ensure_ascii=False)))
        except (RecursionError, ValueError):
            continue
    return found


# ---- cases by hand -------------------------------------------------------------------------------


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
    "key of 2000 letters": {"k" * 2000: 1},
    "proto key": {"__proto__": {"admin": True}, "a": 1},
    "proto key in a list": [{"__proto__": 1}],
    "lone surrogate": {"text": "cut emoji \ud83d here"},
    "surrogates in the wrong order": ["\udc00\ud800"],
    "array of 8193": list(range(8193)),
    "array of 100000": {"all": list(range(100_000))},
    "object of 1025 fields": {f"k{number}": number for number in range(1025)},
    "numbers that weigh more than they look": {"rows": [[1] * 8000] * 50},
    "nested 17 levels": nested(17),
    "nested 400 levels": nested(400),
    "nested 3000 levels": nested(3000),
    "nested 3000 levels beside a text": {"deep": nested(3000), "said": "kept"},
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
def test_any_arguments_are_taken_and_nothing_is_lost_in_silence(arguments: Any) -> None:
    sent = sent_arguments(arguments)
    accept(body(ToolCall("t1", "Bash", arguments)))
    assert keeps(sent, arguments), str(sent)[:200]


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
def test_only_what_cannot_travel_becomes_a_text(arguments: Any, sent: Any) -> None:
    assert sent_arguments(arguments) == sent


def test_depth_that_nothing_can_write_is_named() -> None:
    sent = sent_arguments({"deep": nested(100_000), "beside": "kept"})
    assert sent["beside"] == "kept"
    inner = sent["deep"]
    while not isinstance(inner, str):
        inner = inner[0] if isinstance(inner, list) else inner["in"]
    assert inner == TOO_MUCH


@pytest.mark.parametrize("letter", ["x", "é", "日", "🚀"])
def test_cut_falls_between_letters_and_says_how_much_is_missing(letter: str) -> None:
    sent = truncate(letter * 900_001)
    assert says_all(sent, letter * 900_001)
    assert len(sent.encode()) < MAX_TEXT_BYTES + 100
    assert truncate("x" * MAX_TEXT_BYTES) == "x" * MAX_TEXT_BYTES


def test_parts_that_are_too_much_together_are_all_there_and_each_says_what_it_lacks() -> None:
    """Fifty tool outputs of 0.9 MB: one message, and the server takes 16 MiB."""
    outputs = [str(number) * 900_000 for number in range(10)] * 5
    parts = [ToolResult(f"t{number}", "Read", output) for number, output in enumerate(outputs)]
    short = Text("what they were about")
    sent = contents(*parts, short)
    accept(body(*parts, short))
    assert [one["id"] for one in sent[:-1]] == [part.call_id for part in parts]
    assert all(says_all(one["result"], meant) for one, meant in zip(sent, outputs, strict=False))
    assert sent[-1] == short.text
    assert sum(len(json.dumps(one)) for one in sent) > payloads.MAX_PARTS_BYTES // 4


def test_many_long_parts_are_taken() -> None:
    parts = [ToolCall("i" * 9000, "n" * 9000, {"x": "z" * 9000}) for _ in range(payloads.MAX_PARTS)]
    accept(body(*parts))


def test_parts_beyond_the_most_are_counted() -> None:
    sent = body(*[Text(str(number)) for number in range(payloads.MAX_PARTS + 5)])
    accept(sent)
    assert sent["parts"][-1] == {"type": "text", "content": "[5 more parts left out]"}
    assert sent["textContent"].endswith(str(payloads.MAX_PARTS + 4))


def test_text_of_a_message_is_its_texts_and_nothing_else() -> None:
    parts = (Text("one"), Reasoning("hm"), ToolCall("t", "Bash", {}), ToolResult("t", "Bash", "x"))
    assert body(*parts, Text("two"))["textContent"] == "one\n\ntwo"
    assert "textContent" not in body(*parts[1:])


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
def test_each_part_takes_a_form_that_the_page_shows(part: Part, kind: str, content: Any) -> None:
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
def test_undone_message_says_so_in_its_text_and_in_its_parts(
    parts: tuple[Part, ...], text: str, marked: list[str]
) -> None:
    sent = body(*parts, undone=True)
    assert sent["textContent"] == text
    assert [part["content"] for part in sent["parts"]] == marked
    accept(sent)


def test_undone_message_of_the_most_parts_is_taken() -> None:
    parts = [ToolCall("t", "Bash", {})] * (payloads.MAX_PARTS + 1)
    sent = body(*parts, undone=True)
    accept(sent)
    assert sent["parts"][-1]["content"].startswith("[undone] [1 more")


def test_what_is_not_known_is_not_sent() -> None:
    assert payloads.session_body(Session("s", "claude-code"), Usage(), None) == {
        "externalId": "s", "source": "claude-code", "promptTokens": 0, "completionTokens": 0,
    }  # fmt: skip
    assert body(Text("hi")) == {
        "role": "assistant", "textContent": "hi", "parts": [{"type": "text", "content": "hi"}],
    }  # fmt: skip
    assert payloads.message_extra(message(), None, None) == {}


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
def test_project_is_named_by_the_last_folder_of_its_path(path: str, name: str) -> None:
    session = Session("s", "claude-code", project_path=path)
    assert payloads.session_body(session, Usage(), None)["projectName"] == name


def test_prompt_tokens_are_all_that_the_model_read() -> None:
    charge = Charge("c", None, Usage(1, 20, 300, 4_000, 50_000, 7))
    sent = body(Text("hi"), charge=charge)
    assert (sent["promptTokens"], sent["completionTokens"]) == (54_301, 20)
    extra = payloads.message_extra(message(undone=True), charge, 0.5)
    assert (extra["cost"], extra["undone"], extra["cacheReadTokens"]) == (0.5, True, 300)


@pytest.mark.parametrize("number", [10**400, -(10**400), 2**53 + 1, math.nan, math.inf])
def test_number_that_can_be_no_count_is_left_out(number: Any) -> None:
    usage = Usage(input_tokens=number, reasoning_tokens=number)
    session = Session("s", "a", duration_ms=number, created_at=number)
    sent = payloads.session_body(session, usage, number)
    assert sent.keys() == {"externalId", "source", "completionTokens"}
    validation.session(sent)
    accept(message_body(message(charge=Charge("c", None, usage), duration_ms=number), number))
    extra = payloads.session_extra(session, usage, None)
    assert "inputTokens" not in extra
    assert "reasoningTokens" not in extra


@pytest.mark.parametrize("name", ["a\ud83d", "\udcff.jsonl"], ids=ascii)
def test_id_made_of_any_files_name_can_travel(name: str) -> None:
    """A transcript may be named by its path, and a file's name holds any byte."""
    session = Session(name, "claude-code", parent_id=name)
    sent = payloads.session_body(session, Usage(), None)
    assert validation.session(sent)["externalId"] == whole(name)
    assert payloads.session_extra(session, Usage(), None)["parentExternalId"] == whole(name)


def test_long_names_share_a_row(tmp_path: Path) -> None:
    long = "é" * MIB
    session = Session(
        "s", long, title=long, project_path=f"/{long}", model=long, provider=long, parent_id=long
    )
    sent = payloads.session_body(session, Usage(), None)
    assert all(says_all(sent[name], long) for name in ("title", "model", "provider"))
    with Store(tmp_path / "store.db") as store:
        store.put_session(sent, payloads.session_extra(session, Usage(), None))
    accept(body(Text(long), model=long, charge=Charge("c", long, Usage())))


def test_path_that_a_system_can_have_is_never_cut() -> None:
    path = "/" + "p" * 4095
    sent = payloads.session_body(Session("s", "a", project_path=path), Usage(), None)
    assert sent["projectPath"] == path


# ---- what was cut --------------------------------------------------------------------------------


def cuts(*parts: Part) -> dict[str, int]:
    return payloads.message_body(message(*parts), None)[1]


def test_message_that_arrives_whole_has_no_cuts() -> None:
    assert cuts() == {}
    assert cuts(Text("hello"), ToolCall("t", "Bash", {"a": [1]}), ToolResult("t", "B", "ok")) == {}


def test_text_that_looks_like_a_cut_is_not_counted() -> None:
    assert cuts(Text("quoted:\n[cut here: 7 more bytes]"), Text("[3 more parts left out]")) == {}


def test_cut_texts_and_omitted_parts_are_counted() -> None:
    long = "x" * (MAX_TEXT_BYTES + 5)
    parts = (Text(long), ToolResult("t", "Bash", long), ToolCall("t", "Bash", {"a": long}))
    assert cuts(*parts) == {losses.CUT_TEXTS: 3}
    assert cuts(*[Text("x")] * (payloads.MAX_PARTS + 7)) == {losses.OMITTED_PARTS: 7}


# ---- digests -------------------------------------------------------------------------------------


def test_digest_is_the_one_that_ledgers_hold_already() -> None:
    """Another digest of the same content would send every message of every user again."""
    parts = (Text("hi"), ToolCall("t", "Bash", {"b": 1, "a": "é"}))
    sent = message_body(message(*parts, model="m"), 1_700_000_000_000)
    assert payloads.digest(sent, {})[:16] == "69af4db6a5808a28"


def test_digest_does_not_care_for_the_order_of_names() -> None:
    one = contents(ToolCall("t", "Bash", {"a": 1, "b": {"c": 2, "d": 3}}))
    other = contents(ToolCall("t", "Bash", {"b": {"d": 3, "c": 2}, "a": 1}))
    assert payloads.digest({"x": one}) == payloads.digest({"x": other})


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, parts=one.parts[::-1]),
        lambda one: replace(one, undone=True),
        lambda one: replace(one, role="user"),
        lambda one: replace(one, model="other"),
        lambda one: replace(one, duration_ms=8),
        lambda one: replace(one, charge=Charge("c", None, Usage(1))),
        lambda one: replace(one, parts=(*one.parts, Text(""))),
    ],
    ids=["order of parts", "undone", "role", "model", "duration", "tokens", "another part"],
)
def test_digest_changes_with_what_is_sent(change: Callable[[Message], Message]) -> None:
    one = message(Text("a"), Text("b"), model="m", duration_ms=7)
    before, after = (payloads.digest(message_body(each, 1)) for each in (one, change(one)))
    assert before != after


# ---- anything at all -----------------------------------------------------------------------------

_LETTERS = st.characters(exclude_categories=()) | st.sampled_from("\ud800\udfff$\0\u2028é🚀")
_SAID = st.text(_LETTERS, max_size=20)
_WORDS = _SAID | st.sampled_from(["", "__proto__", "$where", "x" * 2_000_000, "🚀" * 300_000])
_KEYS = st.text(_LETTERS, max_size=6) | st.sampled_from(["__proto__", "$ref", "", "a" * 1500])
_NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([10**400, -(10**400), 2**53, 2**53 + 1, 10**4000, math.nan, math.inf])
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _SAID,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=15,
)
_HUGE = st.sampled_from(
    [list(range(9000)), {f"k{number}": number for number in range(1100)}, [[1] * 8000] * 40]
)
_DEEP = st.builds(nested, st.integers(10, 3000), _VALUES)
_ARGUMENTS = _VALUES | st.lists(_VALUES | _HUGE | _DEEP | _WORDS, max_size=3) | _HUGE | _DEEP
_COUNTS = st.integers() | st.sampled_from([2**53, 2**53 + 1, 10**4000])
_PARTS: st.SearchStrategy[Part] = (
    st.builds(Text, _WORDS)
    | st.builds(Reasoning, _WORDS)
    | st.builds(ToolCall, _WORDS, _WORDS, _ARGUMENTS)
    | st.builds(ToolResult, _WORDS, _WORDS, _WORDS, st.booleans())
    | st.builds(Attachment, _WORDS, st.integers(), _WORDS)
)
_USAGES: st.SearchStrategy[Usage] = st.builds(Usage, *[_COUNTS] * 6)
_MESSAGES = st.builds(
    Message,
    id=_SAID,
    role=st.sampled_from(get_args(Role)),
    parts=st.lists(_PARTS, max_size=5).map(tuple),
    created_at=st.none() | st.integers(),
    model=st.none() | _WORDS,
    charge=st.none() | st.builds(Charge, _SAID, st.none() | _WORDS, _USAGES),
    duration_ms=st.none() | st.integers(),
    undone=st.booleans(),
)
_SESSIONS = st.builds(
    Session,
    id=st.text(_LETTERS, min_size=1, max_size=20),
    agent=_WORDS,
    title=st.none() | _WORDS,
    project_path=st.none() | _WORDS,
    model=st.none() | _WORDS,
    provider=st.none() | _WORDS,
    created_at=st.none() | st.integers(),
    updated_at=st.none() | st.integers(),
    duration_ms=st.none() | st.integers(),
    git_branch=st.none() | _WORDS,
    agent_version=st.none() | _WORDS,
    end_reason=st.none() | _WORDS,
    parent_id=st.none() | _SAID,
    forked_from=st.none() | _SAID,
    skipped=st.dictionaries(_SAID, st.integers(0, 9), max_size=2),
)
_anything = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@_anything
@given(_MESSAGES, st.none() | st.integers(), st.none() | st.floats())
def test_every_message_is_stored(
    tmp_path: Path, one: Message, created_at: int | None, cost: float | None
) -> None:
    sent = message_body(one, created_at)
    extra = payloads.message_extra(one, one.charge, cost)
    accept(sent)
    ids = {"sessionExternalId": "s", "externalId": "r:m", "source": "claude-code"}
    with Store(tmp_path / "store.db") as store:
        stored = store.put_message({**ids, **sent}, extra, replaces=True)
    assert stored
    assert payloads.digest(sent, extra) == payloads.digest(json.loads(json.dumps(sent)), extra)


@_anything
@given(_SESSIONS, _USAGES, st.none() | st.floats(), st.none() | _SAID)
def test_every_session_is_stored(
    tmp_path: Path, one: Session, usage: Usage, cost: float | None, forked_from: str | None
) -> None:
    sent = payloads.session_body(one, usage, cost)
    json.dumps(sent, ensure_ascii=False, allow_nan=False).encode()
    with Store(tmp_path / "store.db") as store:
        assert store.put_session(sent, payloads.session_extra(one, usage, forked_from))
        title = {"sessions": [{"externalId": sent["externalId"], "title": sent.get("title", "t")}]}
        assert store.put_batch(title).errors == ()


@_anything
@given(st.lists(_PARTS, max_size=6))
def test_every_part_arrives_in_its_place_or_says_what_it_lacks(parts: list[Part]) -> None:
    for content, part in zip(contents(*parts), parts, strict=True):
        match part:
            case Text(text) | Reasoning(text):
                assert says_all(content, whole(text))
            case ToolCall(_, name, arguments):
                assert says_all(content["name"], whole(name))
                assert keeps(content["args"], {} if arguments is None else arguments)
            case ToolResult(call_id, _, output, is_error):
                assert says_all(content["id"], whole(call_id))
                assert says_all(content["result"], whole(output) or "(no output)")
                assert content.get("isError", False) is is_error
            case Attachment(media_type, size, name):
                about = f"{name} {media_type}" if name else media_type
                assert says_all(content, whole(f"[{about}, {size} bytes]"))


@_anything
@given(_ARGUMENTS)
def test_every_argument_is_taken_and_nothing_of_it_is_lost_in_silence(arguments: Any) -> None:
    accept(body(ToolCall("t1", "Bash", arguments)))
    assert keeps(sent_arguments(arguments), {} if arguments is None else arguments)
