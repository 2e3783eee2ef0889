"""A prompt that was typed while the agent worked is one message, whatever repeats it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.census import take_census
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.model import Attachment
from tests.agents.claude_code.recordings import read
from tests.sessions import dialogue, only
from tests.transcripts import TranscriptWriter, call, result, text


def queue(writer: TranscriptWriter, operation: str, content: Any = None, second: int = 0) -> None:
    """Append a line that describes the queue."""
    value = {
        "type": "queue-operation",
        "operation": operation,
        "timestamp": f"2026-01-01T00:00:{second:02}Z",
        "content": content,
    }
    writer.write(json.dumps(value).encode() + b"\n")


def attach(writer: TranscriptWriter, prompt: Any, /, **fields: Any) -> None:
    """Append an attachment that carries a queued prompt to the model."""
    attachment = {"type": "queued_command", "prompt": prompt, "commandMode": "prompt", **fields}
    writer.line("attachment", None, message={}, attachment=attachment)


def prompts(writer: TranscriptWriter) -> list[str]:
    return [message.text for message in read(writer.path)[0].messages if message.role == "user"]


@pytest.fixture
def busy(writer: TranscriptWriter) -> TranscriptWriter:
    """Return a transcript in which a tool of the agent is running."""
    writer.line("user", "bake bread")
    writer.respond("m1", call("t1"))
    return writer


def test_attachment_is_a_prompt_at_the_time_at_which_it_was_typed(busy: TranscriptWriter) -> None:
    busy.line("user", result("t1"))
    attach(busy, "with rye", timestamp="2026-01-01T00:00:30.500Z", origin={"kind": "human"})
    *_, prompt = read(busy.path)[0].messages
    assert (prompt.role, prompt.text, prompt.created_at) == ("user", "with rye", 1767225630500)


def test_attachment_keeps_its_image(busy: TranscriptWriter) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "QQ=="}
    attach(busy, [text("like this"), {"type": "image", "source": source}])
    *_, prompt = read(busy.path)[0].messages
    assert (prompt.text, prompt.parts[1]) == ("like this", Attachment("image/png", 1))


@pytest.mark.parametrize(
    "fields",
    [
        {"commandMode": "task-notification"},
        {"origin": {"kind": "task-notification"}},
        {"prompt": "<task-notification>done</task-notification>"},
        {"type": "file"},
    ],
)
def test_attachment_that_nobody_typed_is_not_a_prompt(
    busy: TranscriptWriter, fields: dict[str, Any]
) -> None:
    attach(busy, "done", **fields)
    assert prompts(busy) == ["bake bread"]


@pytest.mark.parametrize("operation", ["remove", "dequeue", "none"])
def test_prompt_that_only_the_queue_has_is_read_from_there(
    busy: TranscriptWriter, operation: str
) -> None:
    """It reached the model among the results of tools, or the agent was killed before."""
    queue(busy, "enqueue", "with rye", second=20)
    busy.line("user", result("t1"))
    queue(busy, operation, "with rye" if operation == "remove" else None)
    busy.respond("m2", text("rye it is"))
    session = read(busy.path)[0]
    assert dialogue(session)[-2:] == [("user", "with rye"), ("assistant", "rye it is")]
    assert [*session.messages][2].created_at == 1767225620000


@pytest.mark.parametrize("operation", ["remove", "dequeue"])
def test_prompt_in_the_queue_and_in_a_line_is_one_message(
    busy: TranscriptWriter, operation: str
) -> None:
    queue(busy, "enqueue", "with rye")
    before = [message.id for message in read(busy.path)[0].messages]
    queue(busy, operation, "with rye" if operation == "remove" else None)
    if operation == "remove":
        attach(busy, "with rye")
    else:
        busy.line("user", "with rye", promptSource="queued")
    *_, prompt = read(busy.path)[0].messages
    assert prompts(busy) == ["bake bread", "with rye"]
    assert prompt.aliases == (before[-1],), "it replaces what was delivered before it had a line"


def test_line_may_expand_the_text_that_was_queued(busy: TranscriptWriter) -> None:
    queue(busy, "enqueue", "[Pasted text #1 +9 lines]")
    queue(busy, "dequeue")
    busy.line("user", "nine lines", promptSource="queued")
    assert prompts(busy) == ["bake bread", "nine lines"]


def test_queued_command_and_its_line_are_one_message(busy: TranscriptWriter) -> None:
    queue(busy, "enqueue", "/knead twice")
    queue(busy, "dequeue")
    tags = "<command-name>/knead</command-name><command-args>twice</command-args>"
    busy.line("user", tags)
    busy.respond("m2", text("kneaded"))
    assert prompts(busy) == ["bake bread", "/knead twice"]


def test_same_text_queued_twice_is_two_prompts(busy: TranscriptWriter) -> None:
    for second in (1, 2):
        queue(busy, "enqueue", "go on", second=second)
    queue(busy, "dequeue")
    busy.line("user", "go on", promptSource="queued")
    assert prompts(busy) == ["bake bread", "go on", "go on"]


def test_prompt_typed_later_is_not_taken_for_the_queued_one(busy: TranscriptWriter) -> None:
    queue(busy, "enqueue", "with rye")
    queue(busy, "dequeue")
    busy.line("user", "is it ready?", promptSource="typed")
    assert prompts(busy) == ["bake bread", "with rye", "is it ready?"]


def test_prompt_that_was_taken_back_is_not_read(busy: TranscriptWriter) -> None:
    queue(busy, "enqueue", "with rye")
    queue(busy, "popAll", "with rye")
    busy.line("user", "with rye and salt", promptSource="typed")
    assert prompts(busy) == ["bake bread", "with rye and salt"]


def test_notification_in_the_queue_is_not_a_prompt(busy: TranscriptWriter) -> None:
    queue(busy, "enqueue", "<task-notification>done</task-notification>", second=1)
    queue(busy, "enqueue", "with rye", second=2)
    queue(busy, "dequeue")
    busy.line("user", "<task-notification>done</task-notification>")
    queue(busy, "dequeue")
    busy.line("user", "with rye", promptSource="queued")
    assert prompts(busy) == ["bake bread", "with rye"]


def test_prompt_that_only_leaves_the_queue_is_read_from_there(busy: TranscriptWriter) -> None:
    queue(busy, "remove", "with rye", second=1)
    queue(busy, "remove", "and salt", second=2)
    attach(busy, "and salt")
    assert prompts(busy) == ["bake bread", "with rye", "and salt"]


def test_prompt_whose_line_comes_before_it_leaves_the_queue_is_one(busy: TranscriptWriter) -> None:
    queue(busy, "enqueue", "with rye", second=1)
    attach(busy, "with rye")
    queue(busy, "remove", "with rye", second=2)
    assert prompts(busy) == ["bake bread", "with rye"]


def test_session_of_the_queue_alone_has_a_title_and_a_beginning(writer: TranscriptWriter) -> None:
    queue(writer, "enqueue", "bake bread", second=7)
    queue(writer, "enqueue", "with rye", second=9)
    (session,) = read(writer.path)
    assert (session.title, session.created_at) == ("bake bread", 1767225607000)


def test_copies_of_a_transcript_have_one_queue(busy: TranscriptWriter) -> None:
    for second, prompt in ((1, "with rye"), (2, "and salt")):
        queue(busy, "enqueue", prompt, second=second)
    queue(busy, "dequeue", second=3)
    copy = busy.path.parents[1] / "-other" / busy.path.name
    copy.parent.mkdir()
    copy.write_bytes(busy.path.read_bytes())
    busy.line("user", "with rye, expanded", promptSource="queued")
    session = only(ClaudeCodeSource(busy.path.parents[2]), "s1")
    prompts = [message.text for message in session.messages if message.role == "user"]
    assert sorted(prompts) == ["and salt", "bake bread", "with rye, expanded"]


def test_queued_prompt_beside_a_result_is_one_prompt(busy: TranscriptWriter) -> None:
    queue(busy, "enqueue", "with rye")
    queue(busy, "remove")
    busy.line("user", [*result("t1"), text("with rye")])
    assert prompts(busy) == ["bake bread", "with rye"]
    (census,) = take_census(busy.session_id, busy.path, {}, "/nowhere")
    assert census.counts.utterances == 2
