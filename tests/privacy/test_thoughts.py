"""Thoughts within texts stay home, whatever agent or server wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from opensync_hooks.config import load
from opensync_hooks.model import Message, Part, Reasoning, Session, Text, ToolCall, ToolResult
from opensync_hooks.privacy.cleaning import clean_message, clean_session
from opensync_hooks.privacy.thoughts import DOUBTFUL, count_doubtful


def clean(*parts: Part, role: Any = "assistant") -> list[Part]:
    return list(clean_message(Message("m1", role, parts), load()).parts)


def texts(*answers: str) -> list[str]:
    return [part.text for part in clean(*map(Text, answers)) if isinstance(part, Text)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("<think>hmm THOUGHT</think>Yes.", ["Yes."]),
        ("<think>\nTHOUGHT\n</think>\n\nYes.", ["Yes."]),
        ("Well. <thinking>THOUGHT</thinking> Yes.", ["Well.  Yes."]),
        ("<THINK>THOUGHT</THINK>Yes.", ["Yes."]),
        ("<think>a <think>THOUGHT</think> THOUGHT</think>Yes.", ["Yes."]),
        ("<think>THOUGHT</think>Yes.<think>THOUGHT</think>No.", ["Yes.No."]),
        ("<think>THOUGHT ```code``` THOUGHT</think>Yes.", ["Yes."]),
        ("<seed:think>THOUGHT</seed:think>Yes.", ["Yes."]),
        ("[THINK]THOUGHT[/THINK]Yes.", ["Yes."]),
        ("◁think▷THOUGHT◁/think▷Yes.", ["Yes."]),
        ("<|begin_of_thought|>THOUGHT<|end_of_thought|>Yes.", ["Yes."]),
        ("<reasoning>THOUGHT</reasoning>Yes.", ["Yes."]),
        ('<think effort="low">THOUGHT</think>Yes.', ["Yes."]),
        ("<think>THOUGHT", [DOUBTFUL]),
        ("Yes. <think>THOUGHT", ["Yes.", DOUBTFUL]),
        ("THOUGHT</think>Yes.", [DOUBTFUL + "Yes."]),
        ("<think>THOUGHT</think>THOUGHT</think>Yes.", [DOUBTFUL + "Yes."]),
        ("<think>THOUGHT</think>", [DOUBTFUL]),
        ("Well. <think>THOUGHT</think>THOUGHT</think>Yes.", [f"Well. {DOUBTFUL}Yes."]),
        ('<think about="a/b">THOUGHT</think>Yes.', ["Yes."]),
        ("`<think>`: <think>THOUGHT</think>Yes.", ["`<think>`: Yes."]),
        ("`x`<think>THOUGHT</think>Yes.", ["`x`Yes."]),
    ],
)
def test_thought_in_an_answer_stays_home(answer: str, expected: list[str]) -> None:
    assert texts(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "The tags `<think>` and `</think>` surround it.",
        "```html\n<think>\n```\nis how it begins",
        "I think > you < think",
        "see <thinker> and </thinkpad>",
        "Generic<Reasoning2>",
    ],
)
def test_quoted_tag_is_no_thought(answer: str) -> None:
    assert texts(answer) == [answer]


def test_thought_may_be_split_over_parts() -> None:
    call = ToolCall("c1", "Bash", {"command": "ls"})
    answer = clean(Text("So: <think>THO"), Text("UGHT"), call, Text("THOUGHT</think>Yes."))
    assert answer == [Text("So:"), call, Text("Yes.")]
    answer = clean(Text("THOUGHT"), call, Text("THOUGHT</think>Yes."))
    assert "THOUGHT" not in str(answer)
    assert call in answer


@pytest.mark.parametrize("role", ["user", "system"])
def test_prompt_stays_as_it_is(role: str) -> None:
    prompt = Text("why does <think>x</think> vanish, and </think> too?")
    assert clean(prompt, role=role) == [prompt]


@pytest.mark.parametrize(
    ("tool", "output", "expected"),
    [
        ("Task", "<think>THOUGHT</think>Done.", "Done."),
        ("Task", "THOUGHT</think>Done.", DOUBTFUL + "Done."),
        ("task", "Done. <think>THOUGHT", "Done.\n" + DOUBTFUL),
        ("mcp__x__run_subagent", "<think>THOUGHT</think>Done.", "Done."),
        ("Bash", "$ ollama run\n<think>\nTHOUGHT\n</think>\nDone.", "$ ollama run\n\nDone."),
        ("Bash", "a.py:7: text.split('<think>')", "a.py:7: text.split('<think>')"),
        ("Bash", "<think>a</think> b <think> c", "<think>a</think> b <think> c"),
        ("Bash", "a</think> <think>b</think>", "a</think> <think>b</think>"),
        ("mcp__x__run_subagent", "THOUGHT</think>Done.", DOUBTFUL + "Done."),
        ("Task", " use `<think>`\n", " use `<think>`\n"),
        ("WebFetch", "use `<think>` and `</think>`", "use `<think>` and `</think>`"),
    ],
)
def test_thought_in_a_result_stays_home(tool: str, output: str, expected: str) -> None:
    assert clean(ToolResult("c1", tool, output)) == [ToolResult("c1", tool, expected)]


@pytest.mark.parametrize(
    "name", ["think", "mcp__sequential-thinking__sequentialthinking", "sequential_thinking"]
)
def test_tool_for_thinking_is_told_thoughts(name: str) -> None:
    (call,) = clean(ToolCall("c1", name, {"thought": "THOUGHT", "thoughtNumber": 2}, "", "THOUGHT"))
    assert call == ToolCall("c1", name, {"thought": DOUBTFUL, "thoughtNumber": 2})
    (call,) = clean(ToolCall("c1", name, '{"thought": "THOUGHT', "", "THOUGHT"))
    assert call == ToolCall("c1", name, DOUBTFUL)


def test_what_may_be_an_answer_is_named_where_a_thought_is_left_out() -> None:
    parts = (Reasoning("THOUGHT"), Reasoning("THOUGHT", is_doubtful=True), Text("Yes."))
    assert clean(*parts) == [Text(DOUBTFUL), Text("Yes.")]


@pytest.mark.parametrize("name", ["Bash", "think_tank", "rethink", "thinkpad__list"])
def test_other_tool_may_have_such_a_field(name: str) -> None:
    call = ToolCall("c1", name, {"thought": "x"}, "", "x")
    assert clean(call) == [call]


def test_notes_are_counted_in_answers_alone() -> None:
    parts = (Text(f"{DOUBTFUL} and {DOUBTFUL}"), ToolResult("c1", "Bash", DOUBTFUL))
    assert count_doubtful(parts, "assistant") == 2
    assert count_doubtful(parts, "user") == 0


def test_title_has_no_thoughts() -> None:
    def title(text: str) -> str | None:
        return clean_session(Session("s1", "opencode", title=text), load()).title

    assert title("<think>THOUGHT</think> Fix the build") == "Fix the build"
    assert title("<think>THOUGHT") is None
    assert title("THOUGHT</think>Fix it ") == "Fix it"
    assert title("Fix <think>THOUGHT</think>it ") == "Fix  it"
    assert title(" Fix\nit ") == " Fix\nit "
    assert title("Fix the build") == "Fix the build"
    assert title("") == ""


def test_who_wants_thoughts_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSYNC_HOOKS_THINKING", "1")
    assert texts("<think>THOUGHT</think>Yes.") == ["<think>THOUGHT</think>Yes."]
    session = Session("s1", "opencode", title="<think>THOUGHT</think> Fix the build")
    assert clean_session(session, load()) == session
