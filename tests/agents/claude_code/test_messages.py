"""Lines become messages, each with its results, tokens and time."""

from __future__ import annotations

from typing import Any

import pytest

from opensync_hooks.model import Attachment, Text, ToolResult, Usage
from tests.agents.claude_code.recordings import read
from tests.sessions import dialogue
from tests.transcripts import TranscriptWriter, call, result, text


def test_largest_token_counts_of_a_response_are_its_counts(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.respond("m1", text("a"), output=1)
    writer.respond("m1", text("b"), output=40)
    writer.respond("m1", call("t1"), output=3)
    writer.line("assistant", [text("c")], message={"id": "m1"})
    (session,) = read(writer.path)
    assert [charge.usage.output_tokens for charge in session.charges] == [40]


def test_block_after_a_result_belongs_to_the_response_of_its_request(
    writer: TranscriptWriter,
) -> None:
    writer.line("user", "go")
    writer.respond("m1", call("t1"), requestId="r1")
    writer.line("user", result("t1"))
    writer.respond("m1", call("t2"), requestId="r1")
    writer.line("user", result("t2", [text("two")]))
    (session,) = read(writer.path)
    _, answer = session.messages
    assert [getattr(part, "call_id", getattr(part, "id", None)) for part in answer.parts] == [
        "t1", "t1", "t2", "t2",
    ]  # fmt: skip


def test_result_belongs_to_the_latest_call_with_its_id(
    writer: TranscriptWriter,
) -> None:
    """Gateways number the calls of each response from the start."""
    writer.line("user", "go")
    for message_id, output in (("m1", "one"), ("m2", "two")):
        writer.respond(message_id, call("call_0"))
        writer.line("user", result("call_0", output))
    _, first, second = read(writer.path)[0].messages
    assert [message.parts[1] for message in (first, second)] == [
        ToolResult("call_0", "Bash", "one"),
        ToolResult("call_0", "Bash", "two"),
    ]


def test_result_without_its_call_is_kept(writer: TranscriptWriter) -> None:
    writer.line("user", result("lost", "still here"))
    (message,) = read(writer.path)[0].messages
    assert (message.role, message.parts) == ("system", (ToolResult("lost", "", "still here"),))
    assert not message.undone


def test_result_of_several_blocks_becomes_one_text(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.respond("m1", call("t1"))
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/gif", "data": "QQ=="},
    }
    page = {"type": "web_search_result", "title": "A page", "url": "https://example.invalid"}
    writer.line("user", result("t1", [text("words"), image, page, {"type": "hologram"}, "odd"]))
    answer = list(read(writer.path)[0].messages)[1]
    output = "words\n[image/gif, 1 bytes]\nA page https://example.invalid\n[hologram]"
    assert answer.parts[1] == ToolResult("t1", "Bash", output)


def test_text_beside_a_result_is_a_separate_message(
    writer: TranscriptWriter,
) -> None:
    writer.line("user", "go")
    writer.respond("m1", call("t1"))
    writer.line("user", [*result("t1"), text("and by the way")])
    _, answer, aside = read(writer.path)[0].messages
    assert answer.parts[1] == ToolResult("t1", "Bash", "ok")
    assert aside.parts == (Text("and by the way"),)


def test_line_without_a_time_an_id_or_a_model_is_kept(
    writer: TranscriptWriter,
) -> None:
    writer.line("user", "go", timestamp=None)
    writer.line(
        "assistant", [text("first")], message={"model": "claude-opus-4-5"}, timestamp="soon"
    )
    writer.line("assistant", [text("second")], message={"model": 7})
    writer.respond("m1", text("third"))
    writer.line("assistant", [text("more")], message={"id": "m1"}, timestamp=7)
    session = read(writer.path)[0]
    _, first, second, third = session.messages
    assert [message.text for message in (first, second, third)] == [
        "first",
        "second",
        "third\n\nmore",
    ]
    assert [message.model for message in (first, second, third)] == [
        *("claude-opus-4-5", None, "claude-opus-4-5")
    ]
    assert (first.created_at, first.duration_ms, second.duration_ms) == (None, None, None)
    assert third.duration_ms == 1_000
    assert session.model == "claude-opus-4-5"


def test_output_of_a_slash_command_is_a_system_message(writer: TranscriptWriter) -> None:
    writer.line("system", "Compacted.", subtype="local_command")
    writer.line("system", "a notice", subtype="informational")
    writer.line("system", "a trace", subtype="turn_duration")
    assert [role for role, _ in dialogue(read(writer.path)[0])] == ["system", "system"]


def test_first_line_of_a_session_has_no_duration(writer: TranscriptWriter) -> None:
    writer.respond("m1", text("hello"))
    writer.line("user", "go")
    writer.respond("m2", text("done"))
    hello, _, done = read(writer.path)[0].messages
    assert (hello.duration_ms, done.duration_ms) == (None, 1_000)


@pytest.mark.parametrize(
    ("fields", "role"),
    [
        ({"origin": {"kind": "human"}, "message": {"content": "<command-name>/x"}}, "user"),
        ({"origin": {"kind": "task-notification"}}, "system"),
        ({"origin": {"by": "nobody"}}, "user"),
        ({"origin": "human"}, "user"),
        ({"promptSource": "system"}, "system"),
        ({"promptSource": "queued", "message": {"content": "<bash-input>ls"}}, "user"),
        ({"isMeta": True, "origin": {"kind": "human"}}, "system"),
        ({"isCompactSummary": True}, "system"),
        ({"message": {"content": " <local-command-stdout>x"}}, "system"),
        ({"message": {"content": [{"type": "text", "text": ["odd"]}, text("words")]}}, "user"),
    ],
)
def test_only_typed_text_is_a_prompt(
    writer: TranscriptWriter, fields: dict[str, Any], role: str
) -> None:
    writer.line("user", "words", **fields)
    (message,) = read(writer.path)[0].messages
    assert message.role == role


@pytest.mark.parametrize(
    "fields", [{"isApiErrorMessage": True}, {"message": {"model": "<synthetic>"}}]
)
def test_response_that_no_model_gave_is_a_system_message(
    writer: TranscriptWriter, fields: dict[str, Any]
) -> None:
    writer.line("assistant", [text("API Error: 529")], **fields)
    (session,) = read(writer.path)
    (message,) = session.messages
    assert (message.role, message.charge, session.model) == ("system", None, None)


def test_cache_writes_are_counted_if_only_their_durations_are_listed(
    writer: TranscriptWriter,
) -> None:
    by_duration = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
    for message_id, usage in (
        ("m1", {"cache_creation": by_duration}),
        ("m2", {"cache_creation": by_duration, "cache_creation_input_tokens": 30}),
        ("m3", {"cache_creation_input_tokens": 30}),
        ("m4", {"cache_creation": [], "cache_creation_input_tokens": -30}),
    ):
        message = {"id": message_id, "model": "claude-opus-4-5", "usage": usage}
        writer.line("assistant", [text("hello")], message=message)
    usages = [charge.usage for charge in read(writer.path)[0].charges]
    both = Usage(cache_write_5m_tokens=10, cache_write_1h_tokens=20)
    assert usages == [both, both, Usage(cache_write_5m_tokens=30), Usage()]


def test_blank_blocks_are_dropped_but_start_the_response(
    writer: TranscriptWriter,
) -> None:
    writer.line("user", "go")
    writer.respond("m1", {"type": "thinking", "thinking": " ", "signature": "x"})
    writer.respond("m1", text("\n"))
    writer.respond("m1", text("words"))
    writer.respond("m2", text(" "))
    prompt, answer = read(writer.path)[0].messages
    assert answer.parts == (Text("words"),)
    assert prompt.created_at
    assert answer.created_at == prompt.created_at + 1_000


def test_attachment_has_a_name_and_a_size_but_no_content(writer: TranscriptWriter) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}
    writer.line(
        "user", [text("read this"), {"type": "document", "title": "a.pdf", "source": source}]
    )
    (message,) = read(writer.path)[0].messages
    assert message.parts == (Text("read this"), Attachment("application/pdf", 3, "a.pdf"))
