"""A session's head comes from its lines: folder, branch, times, title."""

from __future__ import annotations

import json

from tests.agents.claude_code.recordings import read
from tests.transcripts import Pen, text


def test_relocated_session_belongs_to_the_folder_it_moved_to(pen: Pen) -> None:
    pen.line("user", "go")
    pen.raw(b'{"type":"relocated","relocatedCwd":"/elsewhere"}\n')
    pen.raw(b'{"type":"relocated","relocatedCwd":null}\n')
    assert read(pen.path)[0].project_path == "/elsewhere"


def test_session_is_told_by_its_lines_and_its_times_by_what_was_said(pen: Pen) -> None:
    """What Claude Code notes for itself may come much later, and is nothing that happened."""
    late = {"timestamp": "2030-01-01T00:00:00Z"}
    pen.line("user", "go", gitBranch="main", version="2.1.0")
    pen.line("attachment", "hook", **late)
    pen.line("system", "trace", subtype="stop_hook_summary", **late)
    pen.says("m1", text("done"), cwd="/work/below", gitBranch=7, version=None)
    (session,) = read(pen.path)
    first, answer = session.messages
    assert (session.created_at, session.updated_at) == (first.created_at, answer.created_at)
    assert session.project_path == "/work", "where it began"
    assert (session.git_branch, session.agent_version) == ("main", "2.1.0")
    assert (session.model, session.provider) == ("claude-opus-4-5", "anthropic")


def test_folder_outside_of_a_repository_has_no_branch(pen: Pen) -> None:
    pen.line("user", "go", gitBranch="HEAD")
    assert read(pen.path)[0].git_branch is None


def test_title_comes_from_a_prompt_and_not_from_what_was_put_before_it(pen: Pen) -> None:
    pen.line("user", "a caveat", isMeta=True)
    pen.says("m1", text("hello"))
    pen.line("user", "the first prompt")
    pen.line("user", "the second prompt")
    assert read(pen.path)[0].title == "the first prompt"


def test_title_line_that_says_nothing_takes_no_title_away(pen: Pen) -> None:
    pen.line("user", "go")
    for of, key in (("ai-title", "aiTitle"), ("custom-title", "customTitle")):
        pen.raw(json.dumps({"type": of, key: f"by {of}"}).encode() + b"\n")
        pen.raw(json.dumps({"type": of, key: ""}).encode() + b"\n")
        assert read(pen.path)[0].title == f"by {of}"
