"""`doctor` compares the newest sessions on disk with what the ledger has as delivered."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.cli.doctor import census, reading
from opensync_hooks.cli.doctor.finding import Finding
from opensync_hooks.config import load
from opensync_hooks.model import Session
from tests.agents.opencode.test_copies import put
from tests.commandline import WITH_SUBAGENTS, run
from tests.cursor_home import ENDED, Editor, transcript, user_line
from tests.opencode_home import OpenCodeHome
from tests.transcripts import TranscriptWriter

UNDERSTOOD = "everything that your agents wrote was understood"


def findings() -> list[Finding]:
    """Return those of the check that say more than that there is nothing to say."""
    everything = reading.everything(load(), os.environ)
    return [finding for finding in everything if finding.fact != UNDERSTOOD]


def facts(state: str = "ok") -> list[str]:
    return [finding.fact for finding in findings() if finding.state == state]


def break_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Claude Code's reader lose the first prompt of every session."""
    read = ClaudeCodeSource.resume

    def broken(self: ClaudeCodeSource, *arguments: Any, **more: Any) -> list[Session]:
        sessions = []
        for session in read(self, *arguments, **more):
            messages = list(session.messages)
            prompts = [message for message in messages if message.role == "user"]
            kept = tuple(message for message in messages if message not in prompts[:1])
            sessions.append(replace(session, messages=kept))
        return sessions

    monkeypatch.setattr(ClaudeCodeSource, "resume", broken)


def test_every_agents_utterances_are_delivered(home: Path, recorded: int) -> None:
    assert recorded
    OpenCodeHome(home).put("1.1.65")
    transcript(home, (user_line("hello"), ENDED), "s1/s1.jsonl")
    assert findings() == [], "nothing is synced yet"
    run("sync")
    assert findings() == [
        Finding("reading", "ok", "Claude Code: 27 utterances on disk, 27 delivered"),
        Finding("reading", "ok", "OpenCode: 4 utterances on disk, 4 delivered"),
        Finding("reading", "ok", "Cursor: 1 utterance on disk, 1 delivered"),
    ]
    line = "reading:             Claude Code: 27 utterances on disk, 27 delivered"
    assert line in run("doctor").stdout


def test_prompt_that_was_not_delivered_is_a_warning(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s1", "s2"):
        writer = TranscriptWriter(projects / f"{name}.jsonl")
        writer.turn(1)
        writer.turn(2)
    break_reader(monkeypatch)
    run("sync")
    (finding,) = findings()
    assert finding.state == "warning"
    assert finding.fact == "Claude Code: 4 utterances on disk, 2 delivered."
    assert finding.cure.startswith("`opensync-hooks verify s")
    assert run("verify", finding.cure.split()[2].strip("`")).returncode == 1


def test_session_that_grew_since_its_sync_is_not_compared(projects: Path) -> None:
    writers = [TranscriptWriter(projects / f"{name}.jsonl") for name in ("s1", "s2")]
    for writer in writers:
        writer.turn(1)
    run("sync")
    writers[0].turn(2)
    assert facts() == ["Claude Code: 1 utterance on disk, 1 delivered"]


def test_command_that_began_no_turn_is_not_missed(projects: Path) -> None:
    writer = TranscriptWriter(projects / "s1.jsonl")
    writer.turn(1)
    writer.line("user", "<bash-input>ls</bash-input>")
    run("sync")
    assert facts() == ["Claude Code: 1 utterance on disk, 1 delivered"]


@pytest.mark.usefixtures("recorded")
def test_forgotten_subagent_is_a_warning(monkeypatch: pytest.MonkeyPatch, projects: Path) -> None:
    for path in projects.glob("*.jsonl"):
        if path.stem != WITH_SUBAGENTS:
            path.unlink()
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    read = ClaudeCodeSource.resume

    def forgetful(*arguments: Any, **more: Any) -> list[Session]:
        return list(read(*arguments, **more))[:2]

    monkeypatch.setattr(ClaudeCodeSource, "resume", forgetful)
    run("sync")
    assert facts("warning") == ["Claude Code: 3 utterances on disk, 2 delivered."]


def test_excluded_session_and_subagent_are_not_compared(projects: Path, ours: Path) -> None:
    TranscriptWriter(projects / "own.jsonl").turn(1)
    subagent = TranscriptWriter(projects / "own" / "subagents" / "agent-a1.jsonl")
    subagent.line("user", "look", cwd="/secret")
    TranscriptWriter(projects / "other.jsonl").line("user", "look", cwd="/secret")
    ours.mkdir(exist_ok=True)
    (ours / "config.toml").write_text('[privacy]\nexclude = ["/secret"]\n')
    (ours / "config.toml").chmod(0o600)
    run("sync")
    assert [finding.fact for finding in findings()] == [
        "Claude Code: 1 utterance on disk, 1 delivered"
    ]


def test_session_of_which_a_richer_copy_was_delivered_is_not_compared(home: Path) -> None:
    editor = Editor(home)
    draft = editor.draft("s1")
    draft.add_turn(1)
    draft.save()
    editor.close()
    transcript(home, (user_line("prompt 1"), ENDED), "s1/s1.jsonl")
    run("sync")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{editor.path}{suffix}").unlink(missing_ok=True)
    run("sync")
    assert facts("warning") == []


def test_session_in_parts_is_counted_as_one(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensync_hooks.destinations.store.store.Store.keeps_extra", False)
    monkeypatch.setattr("opensync_hooks.delivery.split.MAX_MESSAGES", 5)
    writer = TranscriptWriter(projects / "own.jsonl")
    for number in range(6):
        writer.turn(number)
    run("sync")
    assert facts() == ["Claude Code: 6 utterances on disk, 6 delivered"]


def test_unknown_types_are_named_with_the_version_that_wrote_them(projects: Path) -> None:
    writer = TranscriptWriter(projects / "own.jsonl")
    writer.turn(1)
    for _ in range(2):
        writer.line("moonbeam", "x", version="2.9.0")
    (finding,) = findings()
    assert finding.fact == "Claude Code: not understood: moonbeam (2), written by 2.9.0."
    assert finding.cure == "Look for a newer opensync-hooks."
    run("sync")
    assert facts("warning") == [
        "Claude Code 2.9.0 wrote what was not understood: line of type moonbeam (2)."
    ], "once, and by the reader"


def test_unread_copy_is_not_taken_for_a_later_version(home: Path) -> None:
    """The check of OpenCode's files names the one that cannot be read."""
    opencode = OpenCodeHome(home)
    for name, texts in (("opencode.db", {1: "q"}), ("opencode-local.db", {1: "q", 3: "more"})):
        put(opencode, name, texts)
    run("sync")
    (opencode.data / "opencode-local.db").write_bytes(b"no database" * 99)
    assert "unreadable file that may have a newer copy" in run("sync").stdout
    assert facts("warning") == []
    assert f"{opencode.data}/opencode-local.db: not readable" in run("doctor").stdout


def test_session_of_which_nothing_is_understood_is_named(projects: Path) -> None:
    TranscriptWriter(projects / "odd.jsonl").write(b'{"kind": "turn"}\n')
    assert facts("warning") == [
        "Claude Code: nothing in odd is understood.",
        "Claude Code: not understood: line without a type (1).",
    ]
    run("sync")
    assert facts("warning") == [
        "1 session with content, but no message: odd.",
        "Claude Code wrote what was not understood: line without a type (1).",
    ], "once, and by the reader"


def test_only_the_newest_sessions_are_looked_at_and_for_a_short_time(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        writer = TranscriptWriter(projects / f"s{number}.jsonl")
        writer.turn(1)
        os.utime(writer.path, (1_700_000_000 + number,) * 2)
    run("sync")
    monkeypatch.setattr(census, "_BUDGET_S", 600)
    assert facts() == ["Claude Code: 20 utterances on disk, 20 delivered"]
    monkeypatch.setattr(census, "_BUDGET_S", -1)
    assert facts() == []
