"""What the real Claude Code says that a session cost, and what we say, agree to a millionth.

Needs the program itself: OPENSYNC_TEST_CLAUDE names it. Its prices are its own; where it is right
to differ, the test says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.delivery.agent_cost import other_calls
from tests.e2e.model_api import scripted_model
from tests.e2e.script import Reply, Script, says, uses
from tests.e2e.terminal import Terminal, needs_claude

NOTHING_CACHED = {
    "cache_creation_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
}


def steps(*requests: tuple[str, int, int], **fields: Any) -> dict[str, Any]:
    """Return a usage of several requests: kind, tokens in and tokens out."""
    own = [(tokens, written) for kind, tokens, written in requests if kind == "message"]
    iterations = [
        {
            "type": kind,
            "input_tokens": tokens,
            "output_tokens": written,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
            **({"model": "claude-opus-4-8"} if kind == "advisor_message" else {}),
        }
        for kind, tokens, written in requests
    ]
    counts = [sum(column) for column in zip(*own, strict=True)]
    total = dict(zip(("input_tokens", "output_tokens"), counts, strict=True))
    return {**NOTHING_CACHED, **total, "iterations": iterations, **fields}


def answer(**usage: Any) -> list[Reply]:
    return [Reply([says("Done.")], cached=900, usage=usage)]


SCRIPT: Script = {
    "plain": answer(),
    "fast": answer(speed="fast"),
    "abroad": answer(inference_geo="us"),
    "both": answer(speed="fast", inference_geo="us"),
    "search": answer(server_tool_use={"web_search_requests": 3, "web_fetch_requests": 2}),
    "long": [
        Reply([says("Done.")], usage={**NOTHING_CACHED, "input_tokens": 150_000}),
    ],
    "halves": [
        Reply([says("Done.")], usage=steps(("message", 80_000, 40), ("message", 70_000, 60)))
    ],
    "advised": [
        Reply([says("Done.")], usage=steps(("message", 900, 40), ("advisor_message", 9_000, 700)))
    ],
    "delegate": [
        Reply([
            uses("Agent", description="1", prompt="play:plain", subagent_type="general-purpose")
        ]),
        Reply([says("It came back.")]),
    ],
}  # fmt: skip

pytestmark = [needs_claude, pytest.mark.timeout(400)]


@pytest.fixture
def terminal(home: Path, tmp_path: Path) -> Iterator[Terminal]:
    with scripted_model(SCRIPT) as model:
        terminal = Terminal(home, tmp_path / "ours", model)
        terminal.register()
        yield terminal


def sid(number: int) -> str:
    return f"{number:08}-0000-4000-8000-000000000000"


def stated(terminal: Terminal, session_id: str) -> float:
    """Return what the program wrote last, read without our reader."""
    totals = [
        json.loads(line)["totalCostUSD"]
        for path in terminal.transcripts(session_id)
        for line in path.read_text(encoding="utf-8").splitlines()
        if '"cost-state"' in line
    ]
    return float(totals[-1])


def costs(terminal: Terminal, session_id: str) -> list[float]:
    """Return the costs of the session and its subagents, as they are stored."""
    return [document["session"]["cost"] for document in terminal.documents(session_id)]


@pytest.mark.parametrize(
    ("cue", "model"),
    [
        ("plain", "claude-sonnet-4-5"),
        ("plain", "claude-opus-4-1"),
        ("plain", "claude-sonnet-5-5"),
        *(("fast", f"claude-{name}") for name in ("opus-4-6", "opus-4-7", "opus-4-8")),
        *(("fast", f"claude-{name}") for name in ("opus-5", "opus-5-5", "fable-5-2")),
        ("abroad", "claude-sonnet-4-6"),
        ("both", "claude-opus-5"),
        ("search", "claude-sonnet-5"),
        ("long", "claude-haiku-5-5"),
        ("long", "claude-opus-4-6[1m]"),
        ("halves", "claude-haiku-5-5"),
        ("advised", "claude-sonnet-4-6"),
        ("delegate", "claude-opus-5-5"),
    ],
)
def test_sum_of_the_calls_is_what_the_agent_counts(
    terminal: Terminal, cue: str, model: str
) -> None:
    terminal.run(f"play:{cue}", "--session-id", sid(1), "--model", model)
    terminal.settle()
    assert sum(costs(terminal, sid(1))) == pytest.approx(stated(terminal, sid(1)), abs=1e-6)


def test_fork_has_the_agents_total_without_its_originals(terminal: Terminal) -> None:
    model = ("--model", "claude-opus-5-5")
    terminal.run("play:delegate", "--session-id", sid(1), *model)
    terminal.settle()
    fork = ("--resume", sid(1), "--fork-session", "--session-id", sid(2))
    terminal.run("play:plain", *fork, *model)
    terminal.settle()
    (document,) = terminal.documents(sid(2))
    own = stated(terminal, sid(2)) - stated(terminal, sid(1))
    assert document["session"]["extra"]["agentCost"] == pytest.approx(own, abs=1e-6)
    assert document["session"]["cost"] == pytest.approx(own, abs=1e-6)
    assert document["session"]["extra"]["forkedFromExternalId"] == sid(1)


def test_compaction_is_what_the_agent_counts_beside_the_calls(terminal: Terminal) -> None:
    model = ("--model", "claude-opus-5-5")
    terminal.run("play:plain", "--session-id", sid(1), *model)
    before = stated(terminal, sid(1))
    terminal.run("/compact", "--resume", sid(1), *model)
    terminal.settle()
    compaction = stated(terminal, sid(1)) - before
    assert compaction > 0
    (document,) = terminal.documents(sid(1))
    session = document["session"]
    others = other_calls(session["extra"]["agentCost"], [session["cost"]])
    assert others == pytest.approx(compaction, abs=1e-6)
