"""Recorded sessions are read completely, and nothing in them twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from opensync_hooks.model import Reasoning, Session, Text, ToolCall, ToolResult, Usage
from tests.agents.claude_code.recordings import DATA, read, session_of
from tests.recount import recount
from tests.sessions import dialogue

TRANSCRIPTS = sorted(path for path in DATA.glob("*/*.jsonl"))
UNDONE = {"00000006-0000-4000-8000-000000000006": Counter(prompts=1, responses=1)}


def tally(sessions: Iterable[Session]) -> Counter[str]:
    """Count as `recount` does: a call that a forked subagent repeats is charged once."""
    counts: Counter[str] = Counter()
    charges: dict[str, Usage] = {}
    for session in sessions:
        for message in session.messages:
            if message.undone:
                continue
            counts["prompts"] += message.role == "user"
            counts["responses"] += message.role == "assistant"
            counts["tool calls"] += sum(isinstance(part, ToolCall) for part in message.parts)
            counts["tool results"] += sum(isinstance(part, ToolResult) for part in message.parts)
        charges |= {charge.id: charge.usage for charge in session.charges}
    total = sum(charges.values(), Usage())
    counts["inputTokens"] += total.input_tokens
    counts["outputTokens"] += total.output_tokens
    counts["cacheReadTokens"] += total.cache_read_tokens
    counts["cacheWriteTokens"] += total.cache_write_5m_tokens + total.cache_write_1h_tokens
    return +counts


@pytest.mark.parametrize(
    "path", TRANSCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem[:8]}"
)
def test_recorded_session_matches_an_independent_count(path: Path) -> None:
    paths = [path, *sorted((path.with_suffix("") / "subagents").glob("*.jsonl"))]
    assert tally(read(path)) == recount(*paths) - UNDONE.get(path.stem, Counter())


def test_blocks_of_a_response_are_one_message_with_each_result_after_its_call() -> None:
    parallel = list(session_of("01-print-tools-resume").messages)[2]
    assert [type(part) for part in parallel.parts] == [Text] + [ToolCall, ToolResult] * 3
    calls = [part for part in parallel.parts if isinstance(part, ToolCall)]
    results = [part for part in parallel.parts if isinstance(part, ToolResult)]
    assert [call.name for call in calls] == ["Write", "Bash", "Bash"]
    assert [result.call_id for result in results] == [call.id for call in calls]
    assert [result.is_error for result in results] == [False, True, False]
    assert results[1].output == "Exit code 1"


def test_thinking_is_separate_from_the_text() -> None:
    first = list(session_of("01-print-tools-resume").messages)[1]
    assert first.parts[0] == Reasoning("I should look around first.")
    assert first.text == "Let me look at the project — naïve café ☕ 日本語 🚀."


def test_one_hour_and_five_minute_cache_writes_are_counted_separately() -> None:
    first = list(session_of("01-print-tools-resume").messages)[1]
    assert first.charge
    assert first.charge.usage == Usage(12, 120, 15_000, 1_000, 2_000, 0)


def test_subagents_are_sessions_with_a_parent() -> None:
    parent, quick, slow = read(DATA / "02-subagents" / "00000002-0000-4000-8000-000000000002.jsonl")
    assert quick.id == f"{parent.id}:agent-a97d6040605cff485"
    assert {quick.parent_id, slow.parent_id} == {parent.id}
    assert quick.title == "Helper B (subagent of 00000002)"
    assert dialogue(quick) == [
        ("user", "play:subquick B please"),
        ("assistant", "Quick sub report."),
    ]


def test_task_notification_is_not_a_prompt() -> None:
    session = read(DATA / "02-subagents" / "00000003-0000-4000-8000-000000000003.jsonl")[0]
    injected = [text for role, text in dialogue(session) if role == "system"]
    assert injected[-1].startswith("<task-notification>")
    assert [text for role, text in dialogue(session) if role == "user"] == [
        "play:agentbg delegate in background"
    ]


def test_custom_title_wins_over_the_generated_one() -> None:
    assert session_of("03-interactive-title-bash-rename-compact").title == "Demo session ünï"


def test_first_prompt_is_the_title_of_an_untitled_session() -> None:
    assert session_of("05-fork").title == "play:basic original"


def test_compaction_keeps_earlier_messages_and_its_summary_is_not_a_prompt() -> None:
    messages = dialogue(session_of("03-interactive-title-bash-rename-compact"))
    summary_role = next(role for role, text in messages if text.startswith("This session is being"))
    assert messages[0] == ("user", "play:basic look around")
    assert summary_role == "system"
    assert messages[-2:] == [("user", "play:hello after compaction"), ("assistant", "Hello there.")]


def test_rewound_branch_is_marked_undone_and_its_tokens_still_count() -> None:
    session = session_of("04-interrupt-rewind-clear")
    undone = [message.text for message in session.messages if message.undone]
    assert undone == ["play:hello second", "Hello there."]
    assert len(session.charges) == 4


def test_interrupted_answer_is_kept_and_the_interruption_is_a_system_message() -> None:
    messages = dialogue(session_of("04-interrupt-rewind-clear"))
    assert ("assistant", "Slow start ") in messages
    assert ("system", "[Request interrupted by user]") in messages


def test_api_error_is_a_system_message_that_costs_nothing() -> None:
    last = list(session_of("06-image-large-result-api-error").messages)[-1]
    assert (last.role, last.text, last.charge) == (
        "system",
        "API Error: 400 fake bad request",
        None,
    )


def test_image_has_a_type_and_a_size_but_no_content() -> None:
    first = list(session_of("06-image-large-result-api-error").messages)[1]
    assert isinstance(first.parts[1], ToolResult)
    assert first.parts[1].output == "[image/png, 70 bytes]"
