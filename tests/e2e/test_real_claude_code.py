"""The real Claude Code, with the hooks that we register, against a scripted model.

Needs the program itself: OPENSYNC_TEST_CLAUDE names it. What arrives is held against what a count
of the transcript's own lines finds.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.destinations.store.store import Store
from tests.e2e.model_api import scripted_model
from tests.e2e.script import Reply, Script, says, thinks, uses
from tests.e2e.user import User
from tests.recount import recount

ROOT = Path(__file__).parents[2]
CLAUDE = os.environ.get("OPENSYNC_TEST_CLAUDE", "")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
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
            uses("Agent", description="First", prompt="errand", subagent_type="general-purpose"),
            uses("Agent", description="Second", prompt="nested", subagent_type="general-purpose"),
        ]),
        Reply([says("Both came back.")]),
    ],
    "errand": [Reply([uses("Bash", command="echo errand")]), Reply([says("Ran the errand.")])],
    "nested": [
        Reply([uses("Agent", description="In", prompt="greet", subagent_type="general-purpose")]),
        Reply([says("The inner one greeted.")]),
    ],
    "look": [Reply([uses("Read", file_path="pixel.png")]), Reply([says("One pixel.")])],
    "flood": [Reply([uses("Bash", command="seq 1 9000")]), Reply([says("Much.")])],
    "fail": [Reply(status=400)],
    "stall": [Reply([says("I begin "), says("and never end.")], pause=20)],
}  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not CLAUDE, reason="OPENSYNC_TEST_CLAUDE does not name a Claude Code"),
    pytest.mark.timeout(120),
]


class Terminal(User):
    """A user who runs `claude -p` in a project folder."""

    program = CLAUDE

    def __init__(self, home: Path, ours: Path, model: str) -> None:
        environ = {
            "ANTHROPIC_BASE_URL": model,
            "ANTHROPIC_API_KEY": "none",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }
        super().__init__(home, ours, environ)
        (self.project / "pixel.png").write_bytes(PIXEL)

    def register(self) -> None:
        settings = self.home / ".claude" / "settings.json"
        settings.parent.mkdir()
        allowed = ["Bash", "Read", "Write", "Edit", "Agent"]
        settings.write_text(json.dumps({"permissions": {"allow": allowed}}))
        script = ROOT / "hooks" / "claude_code.py"
        change = ClaudeCodeRegistration().plan(
            self.environ.get, hook_command(Path(sys.executable), script)
        )
        assert change
        change.apply()

    def ask(self, prompt: str, *arguments: str) -> subprocess.Popen[str]:
        return self.start("-p", prompt, *arguments)

    def run(self, prompt: str, *arguments: str) -> str:
        process = self.ask(prompt, *arguments)
        out, errors = process.communicate(timeout=60)
        assert "hook" not in errors.lower(), errors
        return out.strip()

    def has_begun(self, session_id: str) -> bool:
        return any((self.home / ".claude" / "projects").glob(f"*/{session_id}.jsonl"))

    def transcript(self, session_id: str) -> list[Path]:
        (path,) = (self.home / ".claude" / "projects").glob(f"*/{session_id}.jsonl")
        return [path, *sorted((path.with_suffix("") / "subagents").glob("*.jsonl"))]


@pytest.fixture
def terminal(home: Path, tmp_path: Path) -> Iterator[Terminal]:
    with scripted_model(SCRIPT) as model:
        terminal = Terminal(home, tmp_path / "ours", model)
        terminal.register()
        yield terminal


def stored(terminal: Terminal, session_id: str) -> Counter[str]:
    """What the embedded store holds of a session and its subagents, in the words of recount."""
    counts: Counter[str] = Counter()
    with Store(terminal.ours / "store.db") as store:
        listed = [session["externalId"] for session in store.sessions(limit=100)]
        for name in listed:
            if name.partition(":")[0] == session_id:
                document = store.session(name)
                assert document
                _count(document, counts)
    return +counts


def _count(document: dict[str, object], counts: Counter[str]) -> None:
    session, messages = document["session"], document["messages"]
    assert isinstance(session, dict)
    assert isinstance(messages, list)
    extra = session["extra"]
    counts.update(
        {name: extra[name] for name in ("inputTokens", "outputTokens", "cacheReadTokens")}
    )
    counts["cacheWriteTokens"] += extra["cacheWrite5mTokens"] + extra["cacheWrite1hTokens"]
    for message in messages:
        counts["prompts"] += message["role"] == "user"
        counts["responses"] += message["role"] == "assistant"
        counts["tool calls"] += sum(part["type"] == "tool-call" for part in message["parts"])
        counts["tool results"] += sum(part["type"] == "tool-result" for part in message["parts"])


def sid(number: int) -> str:
    return f"{number:08}-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("number", "prompts"),
    [
        (1, ["please greet"]),
        (2, ["please work", "and greet"]),
        (3, ["please delegate"]),
        (4, ["please look", "now flood", "then fail", "and greet"]),
    ],
    ids=["hello", "parallel tools and resume", "nested subagents", "image, flood and failure"],
)
def test_everything_in_the_transcript_is_in_the_store(
    terminal: Terminal, number: int, prompts: list[str]
) -> None:
    session = sid(number)
    for prompt in prompts:
        is_resumed = prompt != prompts[0]
        terminal.run(prompt, "--resume" if is_resumed else "--session-id", session)
    terminal.settle()
    assert stored(terminal, session) == recount(*terminal.transcript(session))


def test_fork_holds_it_all_and_pays_only_for_its_own(terminal: Terminal) -> None:
    terminal.run("please work", "--session-id", sid(1))
    terminal.settle()
    terminal.run("and greet", "--resume", sid(1), "--fork-session", "--session-id", sid(2))
    terminal.settle()
    copied, all_of_it = recount(*terminal.transcript(sid(1))), recount(*terminal.transcript(sid(2)))
    paid = stored(terminal, sid(2))
    for name in ("prompts", "responses", "tool calls", "tool results"):
        assert paid[name] == all_of_it[name]
    for name in ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"):
        assert paid[name] == all_of_it[name] - copied[name]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
def test_session_that_was_cut_off_arrives_as_far_as_it_came(
    terminal: Terminal, how: signal.Signals
) -> None:
    process = terminal.ask("please stall", "--session-id", sid(1))
    end = time.monotonic() + 40  # it takes its time on a busy machine
    while not terminal.has_begun(sid(1)) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(how)
    process.communicate(timeout=30)
    terminal.settle()
    assert stored(terminal, sid(1)) == recount(*terminal.transcript(sid(1)))
