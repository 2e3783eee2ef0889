"""A transcript is read on from its checkpoint, unless anything in front of it may have changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import SavedCheckpoint
from opensync_hooks.model import Session
from tests.sessions import dialogue
from tests.transcripts import TranscriptWriter, call, result, text


class Reader:
    """Reads a session again and again, each time from the checkpoint before."""

    def __init__(self, writer: TranscriptWriter) -> None:
        self.source = ClaudeCodeSource(writer.path.parents[2])
        self.writer = writer
        self.state: dict[str, object] | None = None
        self.names: set[int] = set()

    def read(self) -> Session:
        located = self.source.find("s1")
        assert located
        session = next(self.source.resume(located, self._saved, lambda *_: True))
        if not session.is_resumed:
            self.state, self.names = None, set()
        if session.checkpoint:
            state = session.checkpoint.state(())
            self.state = json.loads(json.dumps(state))
            self.names |= set(session.checkpoint.names)
        return session

    def _saved(self, _session_id: str) -> SavedCheckpoint | None:
        def find(names: Iterable[int]) -> frozenset[int]:
            return frozenset(self.names.intersection(names))

        return SavedCheckpoint(self.state, find) if self.state else None


@pytest.fixture
def reader(writer: TranscriptWriter) -> Reader:
    reader = Reader(writer)
    for number in range(1, 8):
        writer.turn(number)
    assert len(dialogue(reader.read())) == 14
    return reader


def test_only_the_last_turn_is_read_again(reader: Reader) -> None:
    session = reader.read()
    assert session.is_resumed
    assert dialogue(session) == [("user", "prompt 7"), ("assistant", "answer 7")]
    reader.writer.turn(8)
    assert [words for _, words in dialogue(reader.read())][::2] == ["prompt 7", "prompt 8"]
    assert [words for _, words in dialogue(reader.read())][::2] == ["prompt 8"]


def test_everything_else_of_the_session_is_as_in_a_whole_read(writer: TranscriptWriter) -> None:
    reader = Reader(writer)
    writer.line("user", "<command-name>/plan</command-name>", gitBranch="main", version="2.1")
    writer.respond("m0", text("planned"))
    for number in range(1, 4):
        writer.line("user", f"prompt {number}", cwd=f"/work/{number}", gitBranch=f"b{number}")
        writer.respond(f"m{number}", text("done"))
        writer.write(b'{"type": "ai-title", "aiTitle": "title %d"}\n{"type": "novelty"}\n' % number)
    reader.read()
    writer.turn(9)
    resumed, located = reader.read(), reader.source.find("s1")
    assert located
    complete = next(reader.source.read(located))
    assert resumed.is_resumed
    for name in (
        "title", "project_path", "folders", "git_branch", "agent_version", "model", "provider",
        "created_at", "updated_at", "duration_ms", "skipped", "agent_totals", "forked_from",
    ):  # fmt: skip
        assert getattr(resumed, name) == getattr(complete, name), name
    assert (resumed.title, resumed.git_branch) == ("title 3", "b3")


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def copy(path: Path) -> None:
    shutil.copytree(path.parent, path.parent.with_name("-copy"))


def replace(path: Path, content: bytes) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)


CHANGES: dict[str, Callable[[Path], None]] = {
    "rewritten": lambda path: rewrite(path, path.read_bytes().replace(b"answer 6", b"ANSWER 6")),
    "spliced": lambda path: rewrite(path, path.read_bytes().replace(b"prompt 2", b"x")),
    "shrunk": lambda path: rewrite(path, b"".join(path.read_bytes().splitlines(True)[:4])),
    "replaced": lambda path: replace(path, path.read_bytes()),
    "doubled": lambda path: rewrite(path, path.read_bytes() + b"{}\n" * len(path.read_bytes())),
    "copied": copy,
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_file_is_read_from_its_beginning(reader: Reader, change: str) -> None:
    CHANGES[change](reader.writer.path)
    session = reader.read()
    assert not session.is_resumed
    assert dialogue(session)[0][0] == "user"


def late_result(writer: TranscriptWriter) -> None:
    writer.line("user", result("t1", "late"))


def late_block(writer: TranscriptWriter) -> None:
    writer.respond("m1", text("second half"))


def rewind(writer: TranscriptWriter) -> None:
    writer.line("user", "instead", parent="s1-u2")


def repeated_line(writer: TranscriptWriter) -> None:
    writer.write(writer.path.read_bytes().splitlines(keepends=True)[1])


def sidechain(writer: TranscriptWriter) -> None:
    writer.line("user", "a task", isSidechain=True)


def stated_total(writer: TranscriptWriter) -> None:
    writer.write(b'{"type": "cost-state", "totalCostUSD": 1.5}\n')


@pytest.mark.parametrize(
    "concern", [late_result, late_block, rewind, repeated_line, sidechain, stated_total]
)
def test_line_that_concerns_an_old_one_leads_to_a_whole_read(
    writer: TranscriptWriter, concern: Callable[[TranscriptWriter], None]
) -> None:
    reader = Reader(writer)
    writer.turn(1)
    writer.line("user", "go")
    writer.respond("m1", call("t1"))
    for number in range(2, 9):
        writer.turn(number)
    reader.read()
    assert reader.read().is_resumed
    concern(writer)
    assert not reader.read().is_resumed


def test_line_that_only_hangs_on_an_old_one_does_not(reader: Reader) -> None:
    reader.writer.respond("m8", text("from another terminal"), parent="s1-u2")
    session = reader.read()
    assert session.is_resumed
    assert dialogue(session)[-1] == ("assistant", "from another terminal")


def test_rewind_to_an_old_line_is_noticed_after_another_line_hung_on_it(reader: Reader) -> None:
    reader.writer.respond("m8", text("from another terminal"), parent="s1-u2")
    reader.writer.line("user", "instead", parent="s1-u2")
    assert not reader.read().is_resumed


def test_compaction_and_what_follows_is_read_on(reader: Reader) -> None:
    reader.writer.line("system", None, parent=None, subtype="compact_boundary")
    reader.writer.line("user", "This session is being continued", isCompactSummary=True)
    reader.writer.turn(9)
    assert reader.read().is_resumed


def queue(writer: TranscriptWriter, operation: str, words: str, second: int) -> None:
    line = {"type": "queue-operation", "operation": operation, "content": words}
    line |= {"timestamp": f"2026-01-02T00:00:{second:02}Z", "sessionId": "s1"}
    writer.write(json.dumps(line).encode() + b"\n")


def test_prompts_that_all_pass_through_the_queue_are_read_on(writer: TranscriptWriter) -> None:
    """Editors and programs write each prompt so."""
    reader = Reader(writer)
    for number in range(1, 9):
        queue(writer, "enqueue", f"prompt {number}", number)
        queue(writer, "dequeue", "", number)
        writer.line("user", f"prompt {number}")
        writer.respond(f"m{number}", text("done"))
    reader.read()
    session = reader.read()
    assert session.is_resumed
    assert dialogue(session) == [("user", "prompt 8"), ("assistant", "done")]
    (prompt, _) = session.messages
    assert prompt.aliases


def test_prompt_queued_within_a_turn_is_read_with_that_turn(reader: Reader) -> None:
    reader.writer.line("user", "go")
    reader.writer.respond("m8", call("t8"))
    queue(reader.writer, "enqueue", "and then", 8)
    reader.writer.line("user", result("t8"))
    queue(reader.writer, "dequeue", "", 9)
    reader.writer.line("user", "and then")
    reader.read()
    session = reader.read()
    assert session.is_resumed
    assert [words for _, words in dialogue(session)][::2] == ["go", "and then"]


def test_state_holds_no_text_of_the_session(reader: Reader) -> None:
    reader.writer.line("user", "a telling prompt", cwd="/a/telling/folder", gitBranch="telling")
    reader.writer.write(b'{"type": "custom-title", "customTitle": "telling title"}\n')
    reader.writer.turn(9)
    session = reader.read()
    assert session.checkpoint
    state = session.checkpoint.state([message.id for message in session.messages])
    assert "telling" not in json.dumps(state)
    assert "prompt" not in json.dumps({**(state or {}), "facts": None, "masked": None})
