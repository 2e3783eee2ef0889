"""Thoughts stay home while `thinking` is off, also where a copy holds them as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.cursor import answers, transcript_parser
from opensync_hooks.agents.cursor.conversation import Conversation, Step, answer_parts
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.config import Config, Folders
from opensync_hooks.delivery import payloads
from opensync_hooks.ledger import losses
from opensync_hooks.model import HookFacts, Part, Reasoning, Text, ToolCall, ToolResult
from opensync_hooks.privacy import thoughts
from opensync_hooks.privacy.cleaning import clean_message
from tests.cursor_home import (
    Editor,
    assistant,
    chat,
    text,
    transcript,
    transcript_line,
    use,
    user,
    user_line,
)
from tests.sessions import only

INLINE = "<think>\nSECRET one\n\nSECRET two\n</think>\nThe roof leaks."


def sent_texts(source: CursorSource, session_id: str, tmp_path: Path) -> list[str]:
    config = Config(Folders(tmp_path, tmp_path, tmp_path))
    messages = only(source, session_id).messages
    return [clean_message(message, config).text for message in messages]


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (INLINE, [Reasoning("SECRET one\n\nSECRET two"), Text("The roof leaks.")]),
        ("Yes. <thinking>SECRET</thinking>", [Text("Yes."), Reasoning("SECRET")]),
        ("<THINK>a</THINK>b<think>c</think>d",
         [Reasoning("a"), Text("b"), Reasoning("c"), Text("d")]),
        ("Yes.\n<think>SECRET", [Text("Yes."), Reasoning("SECRET", is_doubtful=True)]),
        ("SECRET</think>Yes.", [Reasoning("SECRET", is_doubtful=True), Text("Yes.")]),
        ("Write `<think>` around it.", [Text("Write `<think>` around it.")]),
        ("  indented\n\nfor a reason ", [Text("  indented\n\nfor a reason ")]),
        ("", []),
    ],
)  # fmt: skip
def test_thoughts_between_tags_are_no_answer(answer: str, parts: list[Part]) -> None:
    assert list(answer_parts(answer)) == parts


def test_inline_thoughts_stay_home_from_every_copy(
    home: Path, editor: Editor, source: CursorSource, tmp_path: Path
) -> None:
    draft = editor.draft("in-editor")
    draft.add_prompt("why does <think> it drip?")
    draft.add_answer(INLINE)
    draft.save()
    chat(home, [user("why?"), assistant(text(INLINE))], session_id="in-chat")
    lines = (user_line("why?"), transcript_line("assistant", text(INLINE)))
    transcript(home, lines, "in-lines/in-lines.jsonl")
    path = transcript(home, (), "in-text.txt")
    path.write_text(f"user:\nwhy?\n\nassistant:\n{INLINE}\n")
    for session_id in ("in-editor", "in-chat", "in-lines", "in-text"):
        prompt, answer = sent_texts(source, session_id, tmp_path)
        assert answer == "The roof leaks.", session_id
        assert "why" in prompt
    assert sent_texts(source, "in-editor", tmp_path)[0] == "why does <think> it drip?"


def test_text_behind_an_empty_line_may_be_a_thought(
    home: Path, source: CursorSource, tmp_path: Path
) -> None:
    lines = (
        user_line("list"),
        transcript_line("assistant", {"type": "thinking", "thinking": "SECRET"}, text("One.")),
        transcript_line("assistant", text("Two.\n\nSECRET\n\nSECRET")),
    )
    transcript(home, lines, "c1/c1.jsonl")
    _, answer = sent_texts(source, "c1", tmp_path)
    assert answer == f"One.\n\nTwo.\n\n{thoughts.DOUBTFUL}"
    (_, message) = only(source, "c1").messages
    assert Reasoning("SECRET\n\nSECRET", is_doubtful=True) in message.parts


def test_text_beside_a_call_may_be_nothing_but_a_thought(
    home: Path, source: CursorSource, tmp_path: Path
) -> None:
    lines = (
        user_line("list"),
        transcript_line("assistant", text("SECRET"), use("Shell", command="ls")),
        transcript_line("assistant", text("SECRET\n\nSECRET"), use("Shell", command="ls")),
        transcript_line("assistant", text("Two files.")),
    )
    transcript(home, lines, "c1/c1.jsonl")
    config = Config(Folders(tmp_path, tmp_path, tmp_path))
    answer = clean_message([*only(source, "c1").messages][1], config)
    assert answer.text == f"{thoughts.DOUBTFUL}\n\n{thoughts.DOUBTFUL}\n\nTwo files."
    _, cuts = payloads.message_body(answer, None)
    assert cuts == {losses.WITHHELD_DOUBTFUL: 2}


RESPONSES = [  # what each response of a turn says, and its thought
    [("Listing.", "I list"), ("", "Now\n\nI count"), ("Two:\n\n- a\n- b", "")],
    [("Listing.", ""), ("Two:\n\n- a\n- b\n\nDone.", "")],
    [("", "I think"), ("Yes.\n\nNo.", "I doubt\n\nit all")],
    [("One.\n\nTwo.\n\nThree.", "Four.\n\nFive.")],
]


@pytest.mark.parametrize("responses", RESPONSES)
def test_answers_that_a_hook_reported_are_whole(
    home: Path, source: CursorSource, notes: HookNotes, responses: list[tuple[str, str]]
) -> None:
    texts = [text("\n\n".join(filter(None, response))) for response in responses]
    calls: list[Any] = [*([use("Shell", command="ls")] for _ in responses[1:]), []]
    lines = [
        transcript_line("assistant", block, *call) for block, call in zip(texts, calls, strict=True)
    ]
    transcript(home, [user_line("go"), *lines], "c1/c1.jsonl")
    said_texts = [answer for answer, _ in responses]
    payload = {"conversation_id": "c1", "hook_event_name": "afterAgentResponse"}
    event = source.parse_event(payload | {"text": "".join(said_texts)})
    assert event
    assert event.facts
    assert not event.is_request
    notes.add("c1", event.facts)
    (_, message) = only(source, "c1").messages
    assert message.text == "\n\n".join(filter(None, said_texts))
    thought = [part for part in message.parts if isinstance(part, Reasoning)]
    assert [part.text for part in thought] == [thought for _, thought in responses if thought]
    assert not any(part.is_doubtful for part in thought)


def test_another_turns_answer_proves_nothing(
    home: Path, source: CursorSource, notes: HookNotes, tmp_path: Path
) -> None:
    lines = [user_line("go"), transcript_line("assistant", text("Yes.\n\nSECRET"))]
    transcript(home, lines, "c1/c1.jsonl")
    foreign = ("", "x", "5.0", answers.digest("No.\n\nSECRET"), answers.digest("SECRET"))
    notes.add("c1", HookFacts(answers=foreign))
    assert sent_texts(source, "c1", tmp_path)[1] == f"Yes.\n\n{thoughts.DOUBTFUL}"


def test_long_turns_are_divided_within_bounds() -> None:
    """Twenty responses of ten paragraphs each may be divided in more ways than can be tried."""
    words = [f"{number}{'x' * number}" for number in range(10)]
    turn = [Step("p", "user", (Text("go"),))]
    turn += [
        Step(f"a{n}", "assistant", (Reasoning("\n\n".join(words), is_doubtful=True),))
        for n in range(20)
    ]
    conversation = Conversation("c1", "transcript", turn)
    unproven = answers.prove(conversation, [answers.digest("1")])
    assert list(unproven.steps) == turn
    whole_digest = answers.digest("".join(words) * 20)
    proven = answers.prove(conversation, [whole_digest])
    assert not any(isinstance(part, Reasoning) for step in proven.steps for part in step.parts)


def test_answers_are_whole_where_cursor_keeps_thoughts_back(
    home: Path, source: CursorSource, tmp_path: Path
) -> None:
    lines = (
        user_line("list"),
        transcript_line("assistant", text("Listing.\n\n[REDACTED]"), use("Shell", command="ls")),
        transcript_line("assistant", text("Two files:\n\n- a\n- b")),
    )
    transcript(home, lines, "c1/c1.jsonl")
    assert sent_texts(source, "c1", tmp_path)[1] == "Listing.\n\nTwo files:\n\n- a\n- b"


def parsed_answer(answer: str) -> list[Part]:
    content = f"user:\ngo\n\nassistant:\n{answer}"
    (_, step, *_) = transcript_parser.parse(content.encode(), ".txt").steps
    return list(step.parts)


def test_text_form_says_where_a_thought_begins_but_not_where_it_ends() -> None:
    answer = "Starting.\n[Thinking] **Plan**\n\nSECRET\n[Tool call] Shell\n  command: ls\n"
    start, head, body, call = parsed_answer(answer)
    assert (start, head) == (Text("Starting."), Reasoning("**Plan**"))
    assert body == Reasoning("SECRET", is_doubtful=True)
    assert isinstance(call, ToolCall)


@pytest.mark.parametrize(
    "end",
    ["Turn ended: success", "Turn ended: success.", "Turn ended: aborted\n"],
)
def test_end_of_a_turn_is_no_answer(end: str) -> None:
    assert parsed_answer(f"Done.\n\n{end}") == [Text("Done.")]


@pytest.mark.parametrize(
    ("name", "body", "arguments", "answer"),
    [
        ("EditFile", "  path=/tmp/a.go\nEdited.", {"path": "/tmp/a.go"}, "Edited."),
        ("Patch", '  {"patch":"@@"}\nPatched.', {"patch": "@@"}, "Patched."),
        ("Shell", "  command: ls\n\nListed.", {"command": "ls"}, "Listed."),
        ("Shell", "  command: two\nlines\n[Tool result] Shell\n", {"command": "two\nlines"}, None),
        ("Write", "  path: /a\n  contents: x\n\nz", {"path": "/a", "contents": "x\n\nz"}, None),
        ("Write", "  contents=x\ny", {"contents": "x\ny"}, None),
        ("Ping", "Pinged.", {}, "Pinged."),
    ],
)  # fmt: skip
def test_text_form_separates_arguments_from_the_answer_below(
    name: str, body: str, arguments: dict[str, str], answer: str | None
) -> None:
    call, *rest = parsed_answer(f"[Tool call] {name}\n{body}")
    assert isinstance(call, ToolCall)
    assert call.arguments == arguments
    assert rest == ([Text(answer)] if answer else [])


def test_text_form_has_results_of_tools() -> None:
    shell, output, answer, read, contents = parsed_answer(
        "[Tool call] Shell\n  command: ls\n[Tool result] Shell\n  a\n    b\nTwo files.\n"
        "[Tool call] Read\n  path: /a\n[Tool result] Read\nSECRET\n"
    )
    assert isinstance(shell, ToolCall)
    assert isinstance(read, ToolCall)
    assert output == ToolResult(shell.id, "Shell", "a\n  b")
    assert answer == Text("Two files.")
    assert contents == ToolResult(read.id, "Read", "SECRET")
