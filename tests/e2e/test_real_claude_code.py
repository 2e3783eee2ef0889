"""The real Claude Code, with the hooks that we register, against a scripted model.

Needs the program itself: OPENSYNC_TEST_CLAUDE names it. What arrives is compared with what a count
of the lines of all files finds, and that with what the script says.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.hook.entry import PRIVATE
from tests.e2e.model_api import scripted_model
from tests.e2e.script import Reply, Script, says, thinks, uses
from tests.e2e.terminal import Terminal, needs_claude
from tests.recount import recount

WORKFLOW = """
export const meta = { name: 'hulls', description: 'Look at two hulls', phases: [{ title: 'Look' }] }
phase('Look')
const look = (n) => () => agent('play:errand ' + n, { label: 'hull ' + n, phase: 'Look' })
return await parallel([1, 2].map(look))
"""
MCP_SERVER = """
import json, sys
TIDE = {"name": "tide", "description": "Tells the tide", "inputSchema": {"type": "object"}}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "harbour", "version": "1"},
    },
    "tools/list": {"tools": [TIDE]},
    "tools/call": {"content": [{"type": "text", "text": "High at noon."}]},
}
for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        result = ANSWERS.get(request["method"], {})
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""
SCRIPT: Script = {
    "greet": [Reply([says("Good day — 日本語 🚀.")], cached=900)],
    "work": [
        Reply([thinks("First look."), says("Looking."), uses("Bash", command="echo one")]),
        Reply([
            says("Three at once."),
            uses("Bash", command="echo two"),
            uses("Bash", command="echo bad >&2; exit 3"),
            uses("Write", file_path="notes.txt", content="alpha\n"),
        ]),
        Reply([uses("Read", file_path="notes.txt")]),
        Reply([thinks("That is all."), says("Done.")], cached=5_000, output=42),
    ],
    "delegate": [
        Reply([
            uses("Agent", description="1", prompt="play:errand", subagent_type="general-purpose"),
            uses("Agent", description="2", prompt="play:nested", subagent_type="general-purpose"),
        ]),
        Reply([says("Both came back.")]),
    ],
    "errand": [Reply([uses("Bash", command="echo errand")]), Reply([says("Ran the errand.")])],
    "nested": [
        Reply([
            uses("Agent", description="3", prompt="play:greet", subagent_type="general-purpose")
        ]),
        Reply([says("The inner one greeted.")]),
    ],
    "look": [Reply([uses("Read", file_path="pixel.png")]), Reply([says("One pixel.")])],
    "flood": [Reply([uses("Bash", command="seq 1 9000")]), Reply([says("Much.")])],
    "fail": [Reply(status=400)],
    "stall": [Reply([says("I begin "), says("and never end.")], pause=20)],
    "workflow": [Reply([uses("Workflow", script=WORKFLOW)]), Reply([says("It runs.")])],
    "hire": [
        Reply([
            uses(
                "Agent",
                description="Mate",
                prompt="play:errand",
                subagent_type="general-purpose",
                name="mate",
                team_name="crew",
            )
        ]),
        Reply([says("The mate is hired.")]),
    ],
    "tide": [Reply([uses("mcp__harbour__tide")]), Reply([says("High.")])],
}  # fmt: skip

pytestmark = [needs_claude, pytest.mark.timeout(400)]


@pytest.fixture
def terminal(home: Path, tmp_path: Path) -> Iterator[Terminal]:
    with scripted_model(SCRIPT) as model:
        terminal = Terminal(home, tmp_path / "ours", model)
        terminal.register("Workflow", "mcp__harbour")
        yield terminal


def sid(number: int) -> str:
    return f"{number:08}-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        (["play:greet"], (1, 1, 0)),
        (["play:work", "play:greet"], (2, 5, 5)),
        (["play:delegate"], (4, 7, 4)),
        (["play:look", "play:flood", "play:fail", "play:greet"], (4, 5, 2)),
    ],
    ids=["hello", "parallel tools and resume", "nested subagents", "image, flood and failure"],
)
def test_everything_in_the_transcript_is_in_the_store(
    terminal: Terminal, prompts: list[str], expected: tuple[int, int, int]
) -> None:
    """`expected`: prompts, also those for subagents; responses; tool calls with their results."""
    for prompt in prompts:
        is_resumed = prompt != prompts[0]
        terminal.run(prompt, "--resume" if is_resumed else "--session-id", sid(1))
    terminal.settle()
    counts = recount(*terminal.transcripts(sid(1)))
    assert terminal.stored(sid(1)) == counts
    number_of_prompts, responses, calls = expected
    assert counts["responses"] >= responses, "more where a subagent reports after the turn"
    names = ("prompts", "tool calls", "tool results")
    assert [counts[name] for name in names] == [number_of_prompts, calls, calls]


def test_agents_of_a_workflow_arrive_as_subagents(terminal: Terminal) -> None:
    terminal.run("play:workflow", "--session-id", sid(1))
    terminal.settle()
    counts = recount(*terminal.transcripts(sid(1)))
    assert terminal.stored(sid(1)) == counts
    assert counts["responses"] >= 6
    parents = [
        document["session"]["extra"].get("parentExternalId")
        for document in terminal.documents(sid(1))
    ]
    assert sorted(filter(None, parents)) == [sid(1), sid(1)]


def test_teammate_arrives_and_what_it_reports_is_no_prompt(terminal: Terminal) -> None:
    terminal.environ["CLAUDE_CODE_EXPERIMENTAL_AGENT_TEAMS"] = "1"
    terminal.run("play:hire", "--session-id", sid(1))
    terminal.settle()
    counts = recount(*terminal.transcripts(sid(1)))
    assert terminal.stored(sid(1)) == counts
    assert (counts["prompts"], counts["tool calls"]) == (2, 2), "the user's, and the mate's task"


def test_tool_of_an_mcp_server_arrives_with_its_result(terminal: Terminal) -> None:
    server = {"command": sys.executable, "args": ["-c", MCP_SERVER]}
    servers = json.dumps({"mcpServers": {"harbour": server}})
    arguments = ("--session-id", sid(1), "--strict-mcp-config", "--mcp-config", servers)
    assert terminal.run("play:tide", *arguments) == "High."
    terminal.settle()
    assert terminal.stored(sid(1)) == recount(*terminal.transcripts(sid(1)))
    (document,) = terminal.documents(sid(1))
    texts = [str(part["content"]) for message in document["messages"] for part in message["parts"]]
    assert any("High at noon." in text for text in texts)


def test_fork_holds_it_all_and_pays_only_for_its_own(terminal: Terminal) -> None:
    terminal.run("play:work", "--session-id", sid(1))
    terminal.settle()
    terminal.run("play:greet", "--resume", sid(1), "--fork-session", "--session-id", sid(2))
    terminal.settle()
    copied, total = (recount(*terminal.transcripts(sid(number))) for number in (1, 2))
    paid = terminal.stored(sid(2))
    for name in ("prompts", "responses", "tool calls", "tool results"):
        assert paid[name] == total[name] > 0
    for name in ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"):
        assert paid[name] == total[name] - copied[name] > 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
def test_session_that_was_cut_off_arrives_as_far_as_it_came(
    terminal: Terminal, how: signal.Signals
) -> None:
    process = terminal.ask("play:stall", "--session-id", sid(1))
    terminal.await_line(sid(1), "play:stall")
    time.sleep(1)
    process.send_signal(how)
    process.communicate(timeout=30)
    terminal.settle()
    counts = recount(*terminal.transcripts(sid(1)))
    assert terminal.stored(sid(1)) == counts
    assert counts["prompts"] == 1


def test_killed_session_arrives_with_the_next_sync(terminal: Terminal) -> None:
    process = terminal.ask("play:stall", "--session-id", sid(1))
    terminal.await_line(sid(1), "play:stall")
    process.kill()
    process.communicate(timeout=30)
    terminal.run("play:greet", "--session-id", sid(2))
    terminal.settle()
    terminal.sync()
    for session in (sid(1), sid(2)):
        counts = recount(*terminal.transcripts(session))
        assert terminal.stored(session) == counts
        assert counts["prompts"] == 1


def test_private_session_that_is_killed_in_its_first_turn_stays_here(terminal: Terminal) -> None:
    terminal.environ[PRIVATE] = "1"
    process = terminal.ask("play:stall", "--session-id", sid(1))
    terminal.await_line(sid(1), "play:stall")
    process.kill()
    process.communicate(timeout=30)
    del terminal.environ[PRIVATE]
    terminal.run("play:greet", "--session-id", sid(2))
    terminal.settle()
    terminal.sync()
    assert recount(*terminal.transcripts(sid(1)))["prompts"] == 1
    assert terminal.documents(sid(1)) == []
    assert terminal.stored(sid(2)) == recount(*terminal.transcripts(sid(2)))
