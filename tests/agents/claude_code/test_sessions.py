"""A session's head comes from its lines: folder, branch, times, title."""

from __future__ import annotations

import json

from tests.agents.claude_code.recordings import read
from tests.transcripts import TranscriptWriter, text


def test_relocated_session_belongs_to_the_folder_it_moved_to(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.write(b'{"type":"relocated","relocatedCwd":"/elsewhere"}\n')
    writer.write(b'{"type":"relocated","relocatedCwd":null}\n')
    assert read(writer.path)[0].project_path == "/elsewhere"


def test_session_is_told_by_its_lines_and_its_times_by_what_was_said(
    writer: TranscriptWriter,
) -> None:
    """What Claude Code notes for itself may come much later, and is nothing that happened."""
    late = {"timestamp": "2030-01-01T00:00:00Z"}
    writer.line("user", "go", gitBranch="main", version="2.1.0")
    writer.line("attachment", "hook", **late)
    writer.line("system", "trace", subtype="stop_hook_summary", **late)
    writer.respond("m1", text("done"), cwd="/work/below", gitBranch=7, version=None)
    (session,) = read(writer.path)
    first, answer = session.messages
    assert (session.created_at, session.updated_at) == (first.created_at, answer.created_at)
    assert session.project_path == "/work", "where it began"
    assert (session.git_branch, session.agent_version) == ("main", "2.1.0")
    assert (session.model, session.provider) == ("claude-opus-4-5", "anthropic")


def test_folder_outside_of_a_repository_has_no_branch(writer: TranscriptWriter) -> None:
    writer.line("user", "go", gitBranch="HEAD")
    assert read(writer.path)[0].git_branch is None


def test_title_comes_from_a_prompt_and_not_from_what_was_put_before_it(
    writer: TranscriptWriter,
) -> None:
    writer.line("user", "a caveat", isMeta=True)
    writer.respond("m1", text("hello"))
    writer.line("user", "the first prompt")
    writer.line("user", "the second prompt")
    assert read(writer.path)[0].title == "the first prompt"


def test_title_line_that_says_nothing_takes_no_title_away(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    for of, key in (("ai-title", "aiTitle"), ("custom-title", "customTitle")):
        writer.write(json.dumps({"type": of, key: f"by {of}"}).encode() + b"\n")
        writer.write(json.dumps({"type": of, key: ""}).encode() + b"\n")
        assert read(writer.path)[0].title == f"by {of}"
