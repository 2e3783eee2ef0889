"""A worktree belongs to its repository's project."""

from __future__ import annotations

import json

import pytest

from opensync_hooks.agents.claude_code.projects import project_path
from tests.agents.claude_code.recordings import read
from tests.transcripts import TranscriptWriter


@pytest.mark.parametrize(
    ("folder", "project"),
    [
        ("/home/mira/boats", "/home/mira/boats"),
        ("/home/mira/boats/.claude/worktrees/blue", "/home/mira/boats"),
        ("/home/mira/boats/.claude/worktrees/blue/hull", "/home/mira/boats"),
        (r"C:\boats\.claude\worktrees\blue", r"C:\boats"),
        ("/elsewhere/green", "/home/mira/ships"),
        ("/elsewhere/green/hull", "/home/mira/ships"),
        ("/elsewhere/greenhouse", "/elsewhere/greenhouse"),
        (None, None),
    ],
)
def test_project_of_a_folder(folder: str | None, project: str | None) -> None:
    assert project_path(folder, {"/elsewhere/green": "/home/mira/ships"}) == project


def test_session_in_a_worktree_has_the_repository_as_its_project(
    writer: TranscriptWriter,
) -> None:
    session = {"originalCwd": "/home/mira/boats", "worktreePath": "/elsewhere/green"}
    state = {"type": "worktree-state", "worktreeSession": session}
    writer.write(json.dumps(state).encode() + b"\n")
    writer.line("user", "go", cwd="/elsewhere/green")
    assert read(writer.path)[0].project_path == "/home/mira/boats"
