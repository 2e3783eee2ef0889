"""What was masked once in a session is masked wherever it returns in that session."""

from __future__ import annotations

import json

import pytest

from opensync_hooks.config import load
from opensync_hooks.delivery.redact import redact
from opensync_hooks.model import Message, Part, Session, Text, ToolCall, ToolResult
from opensync_hooks.privacy.redaction.memory import SecretMemory
from opensync_hooks.privacy.redaction.redactor import Redactor

VALUE = "Zr7+wq/" + "T41kPz0Lm9"


def cleaned(*parts: Part) -> list[str]:
    messages = [Message(str(n), "assistant", (part,)) for n, part in enumerate(parts)]
    session = redact(Session("s", "claude-code", messages), load())
    return [str(message.parts[0]) for message in session.messages]


@pytest.mark.parametrize(
    "part",
    [
        Text(f"I sent {VALUE} to the server"),
        Text(f"({VALUE})"),
        Text(f"{VALUE}{VALUE}"),
        ToolResult("t1", "Bash", f"200 OK {VALUE}\n"),
        ToolCall("t1", "mcp__http__get", {"path": [f"/v1/{VALUE}/items"]}),
        Text(json.dumps(json.dumps({"x": VALUE}))),
    ],
    ids=lambda part: str(part)[:40],
)
def test_value_is_masked_when_it_returns_without_its_name(part: Part) -> None:
    named = Text(f"DB_PASSWORD={VALUE}")
    assert VALUE in cleaned(part)[0], "nothing else tells that it is a secret"
    _, returned = cleaned(named, part)
    assert VALUE not in returned
    assert "[redacted:password]" in returned


def test_other_values_and_other_sessions_are_not_affected() -> None:
    other = VALUE[:-1] + "8"
    _, text = cleaned(Text(f"DB_PASSWORD={VALUE}"), Text(f"I sent {other}, {VALUE[:-2]}"))
    assert other in text
    assert VALUE[:-2] in text
    assert VALUE in cleaned(Text(f"I sent {VALUE}"))[0]


def test_each_pass_over_a_session_gives_the_same_result() -> None:
    parts = (Text(f"first {VALUE}"), Text(f"DB_PASSWORD={VALUE}"), Text(f"then {VALUE}"))
    messages = [Message(str(n), "assistant", (part,)) for n, part in enumerate(parts)]
    session = redact(Session("s", "claude-code", messages), load())
    assert list(session.messages) == list(session.messages)


@pytest.mark.parametrize("value", ["password", "let-me-in", "abc1", "Correct Horse", "x" * 500])
def test_ordinary_words_are_not_remembered(value: str) -> None:
    memory = SecretMemory()
    memory.remember(value, "password")
    assert Redactor(memory=memory).redact(f"it is {value} again") == f"it is {value} again"


def test_no_secret_is_kept_in_memory() -> None:
    memory = SecretMemory()
    Redactor(memory=memory).redact(f"DB_PASSWORD={VALUE}")
    assert list(memory.find({b"T41kPz0Lm9"}, VALUE)) == [(0, len(VALUE), "password")]
    assert "T41k" not in repr(vars(memory))


@pytest.mark.parametrize(
    ("value", "is_remembered"),
    [
        ("a1b2c3-d", True),
        ("a1b2c3d", False),  # seven characters
        ("a1b2c-d3e4f", False),  # no word of six
        ("a1" * 200, True),
        ("a1" * 200 + "b", False),
    ],
)
def test_value_is_remembered_if_it_is_long_enough_to_be_unique(
    value: str, *, is_remembered: bool
) -> None:
    memory = SecretMemory()
    assert memory.size == 0
    for _ in range(2):
        memory.remember(value, "token")
    assert memory.size == int(is_remembered)
    words = {word.encode() for word in value.split("-")}
    assert bool(list(memory.find(words, f"({value})"))) is is_remembered


def test_each_return_of_each_value_is_a_span_of_its_own() -> None:
    memory = SecretMemory()
    values = ("a1b2c3d4", "e5f6g7h8-a1b2c3d4-i9j0k1l2m3")
    for value in values:
        memory.remember(value, "token")
    assert memory.size == 2
    text = f"{values[0]} {values[0]} {values[1]}"
    words = {b"a1b2c3d4", b"e5f6g7h8", b"i9j0k1l2m3"}
    spans = [text[start:end] for start, end, _ in memory.find(words, text)]
    assert spans == [values[0], values[0], values[1], values[0]]


def test_value_without_letters_and_digits_is_not_remembered() -> None:
    memory = SecretMemory()
    memory.remember("%-!?%-!?%-!?", "password")
    assert memory.size == 0


def test_words_that_share_a_hint_with_a_value_are_no_values() -> None:
    memory = SecretMemory()
    for number in range(100):
        memory.remember(f"a1b2c3d4{number:04}", "token")
    words = {f"word{number}".encode() for number in range(20_000)}  # about thirty share one
    assert not list(memory.find(words, "a text"))


def test_longest_word_of_a_value_with_another_beginning_or_end_is_another_value() -> None:
    memory = SecretMemory()
    memory.remember("x9-a1b2c3d4e5-y8", "token")
    for text in ("x9-a1b2c3d4e5-y7", "x8-a1b2c3d4e5-y8", "a1b2c3d4e5-y8", "x9-a1b2c3d4e5"):
        assert not list(memory.find({b"a1b2c3d4e5"}, text))


def test_rule_that_sees_the_whole_secret_prevails_over_the_memory_of_a_part() -> None:
    token = "np" + "m_4kQ7xB2mZ9af4kQ7xB2mZ9af4kQ7xB2mZ9af"
    memory = SecretMemory()
    memory.remember(token[:24], "token")
    broken = f'"{token[:24]}" +\n    "{token[24:]}"'
    assert Redactor(memory=memory).redact(broken) == '"[redacted:npm-token]"'
