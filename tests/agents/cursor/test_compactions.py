"""A compaction takes nothing away: its archives and turns are read, and nothing is doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.model import Session, ToolCall
from tests.cursor_home import (
    BEGAN,
    answer_step,
    assistant,
    call,
    chat,
    query,
    result,
    shell_step,
    summary,
    text,
    transcript,
    transcript_line,
    turn,
    user,
    user_line,
)
from tests.sessions import dialogue, only, outputs

MINUTE = 60_000


def messages(number: int, prompt: str = "") -> tuple[dict[str, Any], ...]:
    """Return one turn: a prompt, a call with its result, and an answer."""
    words = prompt or f"prompt {number}"
    opening: dict[str, Any] = {"role": "user", "content": [text(query(words))]}
    opening |= {"providerOptions": {"cursor": {"requestId": f"r{number}"}}}
    return (
        opening,
        assistant(text(f"looking {number}"), call(f"call_{number}", "Shell", command="look")),
        result(f"call_{number}", "Shell", f"seen {number}"),
        assistant(text(f"answer {number}")),
    )


def turn_of(number: int, prompt: str = "", request_id: str | None = None) -> bytes:
    at = BEGAN + number * MINUTE
    return turn(
        prompt or f"prompt {number}",
        request_id or f"r{number}",
        at,
        answer_step(f"looking {number}", at + 1_000, at + 1_500),
        shell_step(f"call_{number}", "look", at + 2_000, at + 2_500),
        answer_step(f"answer {number}", at + 3_000, at + 4_000),
    )


def expected(*numbers: int | str) -> list[tuple[str, str]]:
    """Return the dialogue of these turns; a text is a summary."""
    lines: list[tuple[str, str]] = []
    for number in numbers:
        if isinstance(number, str):
            lines.append(("system", f"[Previous conversation summary]: {number}"))
        else:
            answer = f"looking {number}\n\nanswer {number}"
            lines += [("user", f"prompt {number}"), ("assistant", answer)]
    return lines


ONE, TWO, THREE = messages(1), messages(2), messages(3)


@pytest.mark.parametrize(
    ("root", "archives", "right"),
    [
        ([summary("S"), *THREE], [[*ONE, *TWO, summary("S")]], expected(1, 2, "S", 3)),
        ([summary("S"), *TWO, *THREE], [[*ONE, *TWO, summary("S")]], expected(1, 2, "S", 3)),
        ([summary("T"), *THREE], [[*ONE, summary("S")], [summary("S"), *TWO, summary("T")]],
         expected(1, "S", 2, "T", 3)),
        ([summary("S"), TWO[0], *TWO[3:]], [[*ONE, *TWO[:3], summary("S")]],
         [*expected(1), ("user", "prompt 2"), ("assistant", "looking 2"), *expected("S"),
          ("assistant", "answer 2")]),
        ([summary("S"), *THREE], [], expected("S", 3)),
    ],
    ids=["once", "with a tail that was kept", "twice", "in a turn", "not archived"],
)  # fmt: skip
def test_archived_messages_come_before_their_summary(
    home: Path, source: CursorSource, root: Any, archives: Any, right: list[tuple[str, str]]
) -> None:
    chat(home, root, archives=archives)
    assert dialogue(only(source, "c1")) == right


def calls(session: Session) -> list[str]:
    parts = [part for message in session.messages for part in message.parts]
    return [part.id for part in parts if isinstance(part, ToolCall)]


def test_ids_and_results_are_those_from_before_the_compaction(
    home: Path, source: CursorSource
) -> None:
    chat(home, [*ONE, *TWO, *THREE])
    before = {message.id: message.parts for message in only(source, "c1").messages}
    chat(home, [summary("S"), *THREE], archives=[[*ONE, *TWO, summary("S")]])
    session = only(source, "c1")
    after = {message.id: message.parts for message in session.messages if message.role != "system"}
    assert after == before
    assert outputs(session) == ["seen 1", "seen 2", "seen 3"]
    assert calls(session) == ["call_1", "call_2", "call_3"]


def test_transcript_with_the_same_turns_doubles_nothing(home: Path, source: CursorSource) -> None:
    chat(home, [summary("S"), *THREE], archives=[[*ONE, *TWO, summary("S")]])
    lines = [
        line
        for number in (1, 2, 3)
        for line in (
            user_line(f"prompt {number}"),
            transcript_line("assistant", text(f"looking {number}")),
            transcript_line("assistant", text(f"answer {number}")),
        )
    ]
    transcript(home, lines, "c1/c1.jsonl")
    assert dialogue(only(source, "c1")) == expected(1, 2, "S", 3)


def test_turns_without_an_archive_are_restored_from_the_list_of_turns(
    home: Path, source: CursorSource
) -> None:
    turns = [turn_of(number) for number in (1, 2, 3)]
    chat(home, [summary("S"), *THREE], turns=turns)
    session = only(source, "c1")
    assert dialogue(session) == expected(1, 2, "S", 3)
    assert calls(session) == ["call_1", "call_2", "call_3"]
    chat(home, [*ONE, *TWO, *THREE])
    ids = [message.id for message in session.messages if message.role != "system"]
    assert ids == [message.id for message in only(source, "c1").messages]


def test_prompts_in_another_form_than_their_turns_are_not_doubled(
    home: Path, source: CursorSource
) -> None:
    turns = [turn_of(1, "other words", "other id"), turn_of(2, "more words", "other id 2")]
    chat(home, [*ONE, *TWO], turns=turns)
    assert dialogue(only(source, "c1")) == expected(1, 2)


def test_messages_have_the_times_of_their_steps(home: Path, source: CursorSource) -> None:
    chat(home, [*ONE, *TWO], turns=[turn_of(1), turn_of(2)], branch="feature/roof")
    session = only(source, "c1")
    minutes = [(message.created_at or 0) - BEGAN for message in session.messages]
    assert minutes == [MINUTE, MINUTE + 1_000, 2 * MINUTE, 2 * MINUTE + 1_000]
    assert session.git_branch == "feature/roof"
    assert session.duration_ms == 2 * 4_000


def test_repeated_prompts_have_the_times_of_their_own_turns(
    home: Path, source: CursorSource
) -> None:
    same = [message for number in (1, 2) for message in (user("go on"), *messages(number)[1:])]
    turns = [turn_of(1, "go on"), turn_of(2, "go on")]
    chat(home, same, turns=turns)
    prompts = [message for message in only(source, "c1").messages if message.role == "user"]
    assert [(prompt.created_at or 0) - BEGAN for prompt in prompts] == [MINUTE, 2 * MINUTE]
