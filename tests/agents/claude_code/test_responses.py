"""Responses are told apart where their ids repeat, and a copy counts once."""

from __future__ import annotations

from pathlib import Path

from tests.agents.claude_code.recordings import read
from tests.sessions import dialogue
from tests.transcripts import TranscriptWriter, call, result, text


def charge_ids(writer: TranscriptWriter) -> list[str]:
    return [charge.id for charge in read(writer.path)[0].charges]


def test_requests_separate_responses_with_the_same_id(writer: TranscriptWriter) -> None:
    writer.line("user", "count")
    for number in range(3):
        writer.respond("m", text(f"step {number}"), output=number + 1, requestId=f"r{number}")
    session = read(writer.path)[0]
    assert [text for _, text in dialogue(session)] == ["count", "step 0", "step 1", "step 2"]
    assert [charge.usage.output_tokens for charge in session.charges] == [1, 2, 3]
    assert len({message.id for message in session.messages}) == 4


def test_prompt_or_result_separates_responses_without_a_request(writer: TranscriptWriter) -> None:
    for number in range(2):
        writer.line("user", f"question {number}")
        writer.respond("m", text("let me see"))
        writer.respond("m", call("t"))
        writer.line("user", result("t"))
        writer.respond("m", text(f"answer {number}"))
    session = read(writer.path)[0]
    texts = ["let me see", "answer 0", "let me see", "answer 1"]
    assert [text for role, text in dialogue(session) if role == "assistant"] == texts
    assert len(session.charges) == 4


def test_same_ids_in_two_sessions_are_different_calls(
    writer: TranscriptWriter, tmp_path: Path
) -> None:
    other = TranscriptWriter(tmp_path / "s2.jsonl")
    for transcript in (writer, other):
        transcript.respond("m", text("without a request"))
        transcript.respond("m", text("with one"), requestId=f"r-{transcript.session_id}")
    assert not {*charge_ids(writer)} & {*charge_ids(other)}


def test_copied_lines_are_the_same_call(writer: TranscriptWriter, tmp_path: Path) -> None:
    writer.respond("m1", text("without a request"))
    writer.respond("m2", text("with one"), requestId="r")
    fork = TranscriptWriter(tmp_path / "fork.jsonl")
    fork.write(writer.path.read_bytes().replace(b'"sessionId": "s1"', b'"sessionId": "fork"'))
    assert charge_ids(fork) == charge_ids(writer)
