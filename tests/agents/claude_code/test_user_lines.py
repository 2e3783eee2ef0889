"""The words of a person become prompts and titles; those of Claude Code do neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.census import take_census
from opensync_hooks.model import ToolResult
from tests.agents.claude_code.recordings import read
from tests.sessions import dialogue
from tests.transcripts import TranscriptWriter, call, result, text

COMMAND = (
    "<command-message>tune</command-message>\n<command-name>/tune</command-name>\n"
    "<command-args>the lute</command-args>"
)
SELECTION = "<ide_selection>The user selected line 1:\nx = 1</ide_selection>"


def test_command_that_begins_a_turn_is_a_prompt_and_the_title(writer: TranscriptWriter) -> None:
    writer.line("user", COMMAND)
    writer.line("user", [text("You tune instruments. Listen first.")], isMeta=True)
    writer.respond("m1", text("Tuned."))
    session = read(writer.path)[0]
    assert dialogue(session) == [
        ("user", "/tune the lute"),
        ("system", "You tune instruments. Listen first."),
        ("assistant", "Tuned."),
    ]
    assert session.title == "/tune the lute"


def test_command_without_arguments_is_its_name(writer: TranscriptWriter) -> None:
    writer.line("user", "<command-name>/tune</command-name>\n<command-args></command-args>")
    writer.respond("m1", text("Tuned."))
    assert dialogue(read(writer.path)[0])[0] == ("user", "/tune")


def test_command_that_begins_no_turn_is_not_a_prompt(writer: TranscriptWriter) -> None:
    writer.line("user", "<command-name>/clear</command-name>")
    writer.line("user", "<local-command-stdout></local-command-stdout>")
    writer.line("user", "play a song")
    writer.respond("m1", text("Playing."))
    session = read(writer.path)[0]
    assert [text for role, text in dialogue(session) if role == "user"] == ["play a song"]
    assert session.title == "play a song"


@pytest.mark.parametrize(
    "injected",
    [
        "<ide_opened_file>The user opened /work/a.py</ide_opened_file>",
        '<teammate-message teammate_id="lead">\nTune the lute.\n</teammate-message>',
        "This session is being continued from a previous conversation that ran out of context.",
        "<task-notification>done</task-notification>",
    ],
)
def test_text_that_nobody_typed_is_neither_a_prompt_nor_the_title(
    writer: TranscriptWriter, injected: str
) -> None:
    writer.line("user", injected)
    writer.respond("m1", text("Go on."))
    writer.line("user", "play a song")
    session = read(writer.path)[0]
    assert [role for role, _ in dialogue(session)] == ["system", "assistant", "user"]
    assert session.title == "play a song"


@pytest.mark.parametrize(
    "content", [[text(SELECTION), text("Explain it.")], f"{SELECTION}\nExplain it."]
)
def test_context_in_front_of_a_prompt_is_left_out(
    writer: TranscriptWriter, content: object
) -> None:
    writer.line("user", content)
    session = read(writer.path)[0]
    assert dialogue(session) == [("user", "Explain it.")]
    assert session.title == "Explain it."


def test_tag_within_a_prompt_stays(writer: TranscriptWriter) -> None:
    prompt = f"Why do I see {SELECTION}?"
    writer.line("user", prompt)
    assert dialogue(read(writer.path)[0]) == [("user", prompt)]


def test_summary_of_this_conversation_is_its_title(writer: TranscriptWriter) -> None:
    """Versions of 1.0 wrote the summaries of other sessions into the file as well."""
    writer.write(b'{"type":"summary","summary":"Another session","leafUuid":"elsewhere"}\n')
    writer.write(b'{"type":"summary","summary":"Lute tuned","leafUuid":"s1-u2"}\n')
    writer.line("user", "pls tune")
    writer.respond("m1", text("Tuned."))
    assert read(writer.path)[0].title == "Lute tuned"


@pytest.mark.parametrize(
    ("beside", "role"),
    [
        ("no, use tabs", "user"),
        ("<ide_opened_file>a.py</ide_opened_file>no, use tabs", "user"),
        ("<system-reminder>Be brief.</system-reminder>", "system"),
        ("[Request interrupted by user for tool use]", "system"),
        ("<fork-boilerplate>\nYou are a worker fork.", "system"),
        ("<ide_opened_file>a.py</ide_opened_file>", "system"),
        ("  ", None),
    ],
)
@pytest.mark.parametrize("order", ["result first", "text first"])
def test_text_beside_a_result_is_a_message_at_its_place(
    writer: TranscriptWriter, beside: str, role: str | None, order: str
) -> None:
    writer.line("user", "go")
    writer.respond("m1", call("c1"))
    blocks = [*result("c1"), text(beside)]
    line = writer.line("user", blocks if order == "result first" else blocks[::-1])
    writer.respond("m2", text("done"))
    (session,) = read(writer.path)
    assert not session.skipped
    _, called, *between, answered = session.messages
    assert (called.id, answered.id) == ("m1", "m2")
    assert [type(part).__name__ for part in called.parts] == ["ToolCall", "ToolResult"]
    assert [(message.id, message.role) for message in between] == ([(line, role)] if role else [])
    if role == "user":
        assert between[0].text == "no, use tabs"
    _assert_census_agrees(writer.path)


def test_text_beside_a_result_of_no_known_call_is_sent_with_it(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.line("user", [*result("lost"), text("no, use tabs")])
    (session,) = read(writer.path)
    _, message = session.messages
    assert (message.role, message.text) == ("user", "no, use tabs")
    assert [part.output for part in message.parts if isinstance(part, ToolResult)] == ["ok"]
    _assert_census_agrees(writer.path)


def _assert_census_agrees(path: Path) -> None:
    (census,) = take_census(path.stem, path, {}, "/nowhere")
    (session,) = read(path)
    prompts = [message for message in session.messages if message.role == "user"]
    assert census.counts.utterances == len(prompts)
