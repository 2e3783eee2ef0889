"""A session's folder, branch, times and title come from its lines."""

from __future__ import annotations

import json

from tests.agents.claude_code.recordings import read
from tests.transcripts import TranscriptWriter, text


def test_relocated_session_belongs_to_its_new_folder(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.write(b'{"type":"relocated","relocatedCwd":"/elsewhere"}\n')
    writer.write(b'{"type":"relocated","relocatedCwd":null}\n')
    assert read(writer.path)[0].project_path == "/elsewhere"


def test_times_of_a_session_are_those_of_its_messages(
    writer: TranscriptWriter,
) -> None:
    """Claude Code may write lines of its own much later."""
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


def test_session_outside_a_repository_has_no_branch(writer: TranscriptWriter) -> None:
    writer.line("user", "go", gitBranch="HEAD")
    assert read(writer.path)[0].git_branch is None


def test_title_is_the_first_prompt_and_not_an_injected_text(
    writer: TranscriptWriter,
) -> None:
    writer.line("user", "a caveat", isMeta=True)
    writer.respond("m1", text("hello"))
    writer.line("user", "the first prompt")
    writer.line("user", "the second prompt")
    assert read(writer.path)[0].title == "the first prompt"


def test_empty_title_line_keeps_the_title(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    for line_type, key in (("ai-title", "aiTitle"), ("custom-title", "customTitle")):
        writer.write(json.dumps({"type": line_type, key: f"by {line_type}"}).encode() + b"\n")
        writer.write(json.dumps({"type": line_type, key: ""}).encode() + b"\n")
        assert read(writer.path)[0].title == f"by {line_type}"
