"""A transcript to write, and a source with recorded sessions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from tests.agents.claude_code.recordings import DATA
from tests.transcripts import TranscriptWriter


@pytest.fixture
def writer(tmp_path: Path) -> TranscriptWriter:
    return TranscriptWriter(tmp_path / "claude" / "projects" / "-work" / "s1.jsonl")


@pytest.fixture
def claude(tmp_path: Path) -> ClaudeCodeSource:
    projects = tmp_path / "claude" / "projects"
    shutil.copytree(DATA / "02-subagents", projects / "-tmp-demo-project")
    return ClaudeCodeSource(tmp_path / "claude")
