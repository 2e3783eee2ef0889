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
