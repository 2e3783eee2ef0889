"""Transcripts that Claude Code wrote, and how the tests read them."""

from __future__ import annotations

from pathlib import Path

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.model import Session

DATA = Path(__file__).parents[2] / "data" / "claude"


def read(path: Path) -> list[Session]:
    source = ClaudeCodeSource(Path("/nowhere"))
    located = source.find(str(path))
    assert located
    return list(source.read(located))


def session_of(folder: str, number: int = 0) -> Session:
    return read(sorted((DATA / folder).glob("*.jsonl"))[number])[0]
