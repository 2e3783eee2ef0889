"""One call, one bill: all sessions together cost what the distinct API calls cost.

Families of sessions grow as they do in the field: turns, subagents, forks, resumed copies in
another folder, ids that a gateway repeats. They are delivered in any order, again and again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from tests.delivery.harness import Harness, store_harness

USD_PER_TOKEN = {"claude-opus-5": 5e-6, "claude-haiku-4-5": 1e-6}
"""For input; the calls here have no other tokens, so that anybody can check the sum."""

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["turn", "turn", "step", "repeat", "search", "subagent", "fork", "copy", "deliver"]
        ),
        st.integers(0, 5),
        st.integers(1, 900_000),
    ),
    min_size=3,
    max_size=25,
)


@dataclass
class Transcript:
    """The lines of one file, and the ids in them."""

    session_id: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    agent_id: str | None = None
    folder: str = "-work"

    def write(self, projects: Path) -> None:
        folder = projects / self.folder
        path = folder / f"{self.session_id}.jsonl"
        if self.agent_id:
            path = folder / self.session_id / "subagents" / f"agent-{self.agent_id}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ({**line, "sessionId": self.session_id} for line in self.lines)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


class Family:
    """Sessions that grow, and what their calls cost by hand."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.transcripts = [Transcript("s0")]
        self.tokens = 0
        self.usd = 0.0
        self.count = 0

    def line(self, transcript: Transcript, kind: str, message: dict[str, Any]) -> dict[str, Any]:
        self.count += 1
        hours, seconds = divmod(self.count, 3_600)
        parent = transcript.lines[-1]["uuid"] if transcript.lines else None
        line = {
            "type": kind,
            "uuid": f"u{self.count}",
            "parentUuid": parent,
            "timestamp": f"2026-11-{20 + hours:02}T10:{seconds // 60:02}:{seconds % 60:02}.000Z",
            "isSidechain": transcript.agent_id is not None,
            "cwd": "/work",
            "message": {"role": kind, **message},
        }
        transcript.lines.append(line)
        return line

    def turn(self, transcript: Transcript, tokens: int, *, prompt: bool = True) -> None:
        if prompt or not transcript.lines:
            self.line(transcript, "user", {"content": f"prompt {self.count}"})
        self.call(transcript, tokens, f"m{self.count}")

    def call(self, transcript: Transcript, tokens: int, message_id: str, searches: int = 0) -> None:
        model = "claude-haiku-4-5" if transcript.agent_id else "claude-opus-5"
        requests = {"web_search_requests": searches}
        request_id = f"r{self.count}"
        for part in ("first", "second"):  # a response has several lines, the first with less
            usage = {"input_tokens": tokens if part == "second" else 1, "server_tool_use": requests}
            content = [{"type": "text", "text": f"{part} {request_id}"}]
            message = {"id": message_id, "model": model, "content": content, "usage": usage}
            self.line(transcript, "assistant", message)["requestId"] = request_id
        self.tokens += tokens
        self.usd += tokens * USD_PER_TOKEN[model] + searches * 0.01

    def act(self, action: str, number: int, tokens: int) -> None:
        transcript = self.transcripts[number % len(self.transcripts)]
        mains = [main for main in self.transcripts if main.agent_id is None]
        main = mains[number % len(mains)]
        match action:
            case "turn" | "step":
                self.turn(transcript, tokens, prompt=action == "turn")
            case "repeat":
                self.call(transcript, tokens, "msg_0")
            case "search":
                self.call(transcript, tokens, f"m{self.count}", searches=number)
            case "subagent":
                agent = Transcript(main.session_id, [], f"a{self.count}", main.folder)
                self.transcripts.append(agent)
                self.turn(agent, tokens)
            case "fork" if main.lines:
                self.fork(main, 1 + number * len(main.lines) // 5)
            case "copy" if main.lines:
                self.transcripts.append(
                    Transcript(
                        main.session_id, list(main.lines), None, f"-other{len(self.transcripts)}"
                    )
                )
            case "deliver":
                self.deliver([main.session_id])

    def fork(self, original: Transcript, length: int) -> None:
        """Copy the lines up to a point, but no response in part."""
        lines = original.lines[:length]
        while lines and original.lines[len(lines) :][:1]:
            following = original.lines[len(lines)]
            if lines[-1].get("requestId", 0) != following.get("requestId"):
                break
            lines.append(following)
        self.transcripts.append(Transcript(f"s{len(self.transcripts)}", lines))

    def deliver(self, session_ids: list[str]) -> None:
        for transcript in self.transcripts:
            transcript.write(self.harness.folder / "projects")
        for session_id in session_ids:
            if self.harness.source.find(session_id):
                self.harness.sync(session_id)

    def stored(self) -> tuple[int, float, float]:
        rows = [self.harness.stored(name)[0] for name in self.harness.store.session_ids()]
        spending = [entry for row in rows for entry in row["extra"].get("spending", ())]
        return (
            sum(row["promptTokens"] for row in rows),
            sum(row["cost"] for row in rows),
            sum(entry.get("cost", 0) for entry in spending),
        )


@settings(max_examples=25, phases=(Phase.generate,))
@for_all(ACTIONS, st.randoms(use_true_random=False))
def test_sessions_together_cost_what_their_distinct_calls_cost(
    actions: list[tuple[str, int, int]], random: Any
) -> None:
    with TemporaryDirectory() as folder, store_harness(Path(folder)) as harness:
        family = Family(harness)
        for action in actions:
            family.act(*action)
        session_ids = sorted({transcript.session_id for transcript in family.transcripts})
        random.shuffle(session_ids)
        for _ in range(2):  # a second time, as forks may have been delivered before their originals
            family.deliver(session_ids)
            tokens, cost, spent = family.stored()
            assert tokens == family.tokens
            assert cost == pytest.approx(family.usd, rel=1e-9, abs=1e-9)
            assert spent == pytest.approx(cost, rel=1e-9, abs=1e-9)
