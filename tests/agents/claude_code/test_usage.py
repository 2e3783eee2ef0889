"""What a response used is read with everything that changes its price."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensync_hooks.model import AgentTotal, Charge, Session, Usage
from opensync_hooks.pricing.cost import Pricer, unpriced_name
from opensync_hooks.pricing.table import bundled_table
from tests.agents.claude_code.recordings import read
from tests.transcripts import TranscriptWriter, text

COUNTS = {"input_tokens": 1_000, "output_tokens": 100}


def session(writer: TranscriptWriter, *usages: dict[str, Any]) -> Session:
    """Read a session whose responses have these usages, beside the usual counts."""
    writer.line("user", "What does it cost?")
    for number, usage in enumerate(usages):
        message = {"id": f"m{number}", "model": "claude-opus-4-8", "usage": {**COUNTS, **usage}}
        writer.line("assistant", [text("This much.")], message=message, requestId=f"r{number}")
    return read(writer.path)[0]


def charges(writer: TranscriptWriter, usage: dict[str, Any]) -> tuple[Charge, ...]:
    return session(writer, usage).charges


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        ({}, ()),
        ({"speed": "fast"}, ("fast",)),
        ({"speed": "standard", "service_tier": "standard"}, ()),
        ({"speed": None, "inference_geo": ""}, ()),
        ({"inference_geo": "not_available"}, ()),
        ({"inference_geo": "global"}, ()),
        ({"inference_geo": "us", "speed": "fast"}, ("fast", "us")),
        ({"service_tier": "batch"}, ("batch",)),
        ({"service_tier": "priority", "inference_geo": "mars"}, ("priority", "mars")),
        ({"speed": {"no": "word"}}, ()),
    ],
)
def test_words_that_change_the_price_are_kept_and_others_are_not(
    writer: TranscriptWriter, fields: dict[str, Any], terms: tuple[str, ...]
) -> None:
    (charge,) = charges(writer, fields)
    assert charge.terms == terms


def test_searches_count_and_fetches_do_not(writer: TranscriptWriter) -> None:
    requests = {"web_search_requests": 3, "web_fetch_requests": 2}
    (charge,) = charges(writer, {"server_tool_use": requests})
    assert charge.usage == Usage(1_000, 100, web_searches=3)


def test_call_has_the_time_of_its_first_line(writer: TranscriptWriter) -> None:
    transcript = session(writer, {})
    (charge,), (_, answer) = transcript.charges, transcript.messages
    assert charge.at == answer.created_at is not None


def test_advice_and_compactions_within_a_call_are_charges_of_their_own(
    writer: TranscriptWriter,
) -> None:
    iterations = [
        {"type": "message", **COUNTS},
        {"type": "advisor_message", "model": "claude-fable-5", "input_tokens": 9, "x": 1},
        {"type": "compaction", "input_tokens": 8, "output_tokens": 7},
        {"type": "advisor_message", "model": 5, "input_tokens": 6},
        "not an object",
    ]
    main, *others = charges(writer, {"iterations": iterations, "speed": "fast"})
    assert (main.usage, main.terms, main.steps) == (Usage(1_000, 100), ("fast",), ())
    assert [(charge.model, charge.usage, charge.terms) for charge in others] == [
        ("claude-fable-5", Usage(9), ()),
        ("claude-opus-4-8", Usage(8, 7), ()),
        ("claude-opus-4-8", Usage(6), ()),
    ]
    assert len({charge.id for charge in (main, *others)}) == 4


def test_response_of_a_fallback_is_billed_at_the_price_of_the_model_that_served_it(
    writer: TranscriptWriter,
) -> None:
    declined = {"type": "message", "input_tokens": 400, "output_tokens": 3}
    served = {"type": "fallback_message", "model": "claude-fable-5", **COUNTS}
    (charge,) = charges(writer, {"iterations": [declined, served], "input_tokens": 1_400})
    assert (charge.model, charge.usage.input_tokens) == ("claude-fable-5", 1_400)
    assert charge.steps == (Usage(1_000, 100),)
    assert Pricer(bundled_table()).price(charge).cost == pytest.approx(0.01 + 0.005)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"cache_creation": {"ephemeral_24h_input_tokens": 5}}, "ephemeral_24h_input_tokens"),
        ({"server_tool_use": {"code_execution_requests": 2}}, "code_execution_requests"),
        ({"audio_tokens": 12}, "audio_tokens"),
        ({"iterations": [{"type": "message", **COUNTS}, {"type": "draft", **COUNTS}]}, "draft"),
        ({"iterations": [{"type": "message", **COUNTS}, COUNTS]}, "untyped iteration"),
    ],
)
def test_count_of_unknown_price_leaves_its_call_without_one(
    writer: TranscriptWriter, fields: dict[str, Any], name: str
) -> None:
    (charge,) = charges(writer, fields)
    priced = Pricer(bundled_table()).price(charge)
    assert (priced.cost, unpriced_name(priced)) == (None, f"claude-opus-4-8 ({name})")


@pytest.mark.parametrize(
    "fields",
    [
        {"cache_creation": {"ephemeral_24h_input_tokens": 0}, "server_tool_use": {"x": 0}},
        {"iterations": [{"type": "turn", **COUNTS}]},
        {"iterations": [{"type": "message", **COUNTS}, {"type": "draft", "input_tokens": 0}]},
    ],
)
def test_unknown_count_within_the_totals_or_of_nothing_changes_no_price(
    writer: TranscriptWriter, fields: dict[str, Any]
) -> None:
    (charge,) = charges(writer, fields)
    assert charge.terms == ()


def test_requests_of_a_call_are_its_steps_where_their_sum_is_its_usage(
    writer: TranscriptWriter,
) -> None:
    first = {"type": "message", "input_tokens": 400, "output_tokens": 60}
    second = {"type": "message", "input_tokens": 600, "output_tokens": 40}
    both, other_sum = session(
        writer, {"iterations": [first, second]}, {"iterations": [first, first]}
    ).charges
    assert both.steps == (Usage(400, 60), Usage(600, 40))
    assert other_sum.steps == ()


def test_steps_share_the_hourly_cache_writes_of_their_call(writer: TranscriptWriter) -> None:
    written = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 50}
    steps = [
        {"type": "message", "input_tokens": 1_000, "cache_creation_input_tokens": 20},
        {"type": "message", "output_tokens": 100, "cache_creation_input_tokens": 60},
    ]
    (charge,) = charges(writer, {"cache_creation": written, "iterations": steps})
    hourly = [step.cache_write_1h_tokens for step in charge.steps]
    short = [step.cache_write_5m_tokens for step in charge.steps]
    assert (hourly, short) == ([20, 30], [0, 30])


def test_what_the_agent_says_of_the_cost_is_read_with_its_place(writer: TranscriptWriter) -> None:
    def cost_state(usd: Any, session_id: str = "s1", **fields: Any) -> None:
        line = {"type": "cost-state", "sessionId": session_id, "totalCostUSD": usd, **fields}
        writer.write(json.dumps(line).encode() + b"\n")

    cost_state(0.125)
    writer.line("user", "a")
    writer.respond("m1", text("b"), requestId="r1")
    cost_state(0.5, hasUnknownModelCost=True)
    cost_state(9, "another-session")
    cost_state(-1)
    cost_state("free")
    assert read(writer.path)[0].agent_totals == (
        AgentTotal(0.125, ""),
        AgentTotal(0.5, "m1:r1", is_guess=True),
    )


def test_copied_response_names_the_session_that_made_it(writer: TranscriptWriter) -> None:
    writer.respond("m1", text("a"), requestId="r1", requestSessionId="s0")
    writer.respond("m2", text("b"), requestId="r2", requestSessionId="s1")
    writer.respond("m3", text("c"), requestId="r3")
    fork = read(writer.path)[0]
    assert [charge.made_in for charge in fork.charges] == ["s0", None, None]
    assert fork.forked_from == "s0"
