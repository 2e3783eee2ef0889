"""Tokens and costs come from where Cursor states them, each once."""

from __future__ import annotations

from typing import Any

import pytest

from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.model import HookFacts, TurnUsage, Usage
from tests.cursor_home import Editor
from tests.sessions import only


def test_counts_of_2025_are_summed_per_answer_and_zero_is_unknown(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft(version=9)
    draft.add_prompt("go", modelInfo={"modelName": "claude-4.5-sonnet"})
    draft.add_answer("one", tokenCount={"inputTokens": 500, "outputTokens": 20})
    draft.add_answer("two", tokenCount={"inputTokens": 700, "outputTokens": 30})
    draft.add_prompt("again", modelInfo={"modelName": "default"})
    draft.add_answer("three")
    draft.save()
    session = only(source, "s1")
    answers = [message for message in session.messages if message.role == "assistant"]
    assert answers[0].charge
    assert answers[0].charge.usage == Usage(input_tokens=1_200, output_tokens=50)
    assert answers[0].charge.model == answers[0].model == "claude-4.5-sonnet"
    assert answers[1].charge is None
    assert session.charges == (answers[0].charge,)


STOP = {
    "conversation_id": "s1",
    "generation_id": "g1",
    "hook_event_name": "stop",
    "model": "composer-2.5",
}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((1_000, 20, 600, 100), Usage(300, 20, 600, 100)),
        ((500, 20, 600, 100), Usage(500, 20, 600, 100)),
        ((0, 0, 0, 0), None),
        ((None, None, None, None), None),
        (("7", -1, 1.5, True), None),
        ((10**13, 5, 0, 0), Usage(0, 5)),
    ],
)
def test_stop_reports_each_token_of_the_turn_once(
    source: CursorSource, counts: tuple[Any, ...], expected: Usage | None
) -> None:
    """`input_tokens` includes what was read from the cache; zero and nonsense are unknown."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    event = source.parse_event({**STOP, **dict(zip(names, counts, strict=True))})
    assert event
    assert event.facts
    turns = (TurnUsage("g1", "composer-2.5", expected),) if expected else ()
    assert (event.facts.turns, event.trigger.awaits) == (turns, "g1")


@pytest.mark.parametrize(
    "more", [{"hook_event_name": "sessionEnd"}, {"hook_event_name": "afterAgentResponse"}]
)
def test_other_events_report_no_tokens(source: CursorSource, more: dict[str, str]) -> None:
    """`afterAgentResponse` has the same counts as `stop`, and would double them."""
    event = source.parse_event({**STOP, "output_tokens": 20, **more})
    assert event
    assert event.facts
    assert not event.facts.turns


@pytest.mark.parametrize(
    ("fields", "session_id"),
    [
        ({"conversation_id": "a", "session_id": "b"}, "a"),
        ({"session_id": "b"}, "b"),
        ({"conversation_id": None, "session_id": "b"}, "b"),
        ({"conversation_id": ""}, None),
        ({"conversation_id": 7}, None),
        ({"conversation_id": "x" * 1_001}, None),
        ({}, None),
    ],
)
def test_payload_names_the_session(
    source: CursorSource, fields: dict[str, Any], session_id: str | None
) -> None:
    event = source.parse_event(fields)
    assert (event.trigger.session_id if event else None) == session_id


@pytest.mark.parametrize("name", ["default", "auto", "Auto", "", None])
def test_automatic_choice_is_not_a_model(
    editor: Editor, source: CursorSource, name: str | None
) -> None:
    draft = editor.draft(modelConfig={"modelName": name})
    draft.add_turn(1)
    draft.save()
    session = only(source, "s1")
    assert session.model is None
    assert [message.model for message in session.messages] == [None, None]


def test_reported_tokens_belong_to_their_turn(
    editor: Editor, source: CursorSource, notes: HookNotes
) -> None:
    draft = editor.draft(modelConfig={"modelName": "composer-2.5"})
    draft.add_turn(1)
    draft.add_turn(2)
    draft.save()
    usage = Usage(input_tokens=100, output_tokens=7)
    lost = TurnUsage("request-of-no-bubble", None, Usage(output_tokens=1))
    notes.add("s1", HookFacts((TurnUsage("request-2", None, usage), lost), agent_version="3.18.25"))
    session = only(source, "s1")
    charges = [message.charge for message in session.messages]
    assert charges[:3] == [None, None, None]
    assert charges[3]
    assert (charges[3].id, charges[3].model, charges[3].usage) == (
        "request-2",
        "composer-2.5",
        usage,
    )
    assert [charge.usage.output_tokens for charge in session.charges] == [7, 1]
    assert session.agent_version == "3.18.25"


def test_turn_is_charged_to_the_model_that_its_hook_reported(
    editor: Editor, source: CursorSource, notes: HookNotes
) -> None:
    draft = editor.draft(modelConfig={"modelName": "composer-2.5"})
    draft.add_turn(1)
    draft.add_turn(2)
    draft.save()
    for number, model in ((1, "gpt-5.2-codex"), (2, None)):
        turn = TurnUsage(f"request-{number}", model, Usage(output_tokens=number))
        notes.add("s1", HookFacts((turn,)))
    charged = [charge.model for charge in only(source, "s1").charges]
    assert charged == ["gpt-5.2-codex", "composer-2.5"]


@pytest.mark.parametrize("cents", [0, -3, None, "12", True])
def test_stated_cost_of_zero_is_ignored(
    editor: Editor, source: CursorSource, cents: object
) -> None:
    draft = editor.draft(version=9, usageData={"claude-4.5-sonnet": {"costInCents": cents}})
    draft.add_prompt("go")
    draft.add_answer("x", tokenCount={"inputTokens": 500, "outputTokens": 20})
    draft.save()
    (charge,) = only(source, "s1").charges
    assert charge.cost is None, "the price table decides"


def test_stated_cost_is_the_cost_of_the_session(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft(
        version=9, usageData={"claude-4.5-sonnet": {"costInCents": 12, "amount": 3}}
    )
    draft.add_prompt("go")
    draft.add_answer("x", tokenCount={"inputTokens": 500, "outputTokens": 20})
    draft.save()
    costs = [charge.cost for charge in only(source, "s1").charges]
    assert sum(cost for cost in costs if cost is not None) == 0.12
    assert None not in costs, "else the price table would add its own"
