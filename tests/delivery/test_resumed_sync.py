"""A session that is read on from a checkpoint arrives as one that is read from its beginning.

Sessions grow in random ways, and two destinations get them after each step: one by resumed runs,
the other by whole ones. Both must have the same at any time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given as for_all

from opensync_hooks.agents.claude_code.checkpoints import ResumedRead
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.delivery.diff import SessionDiff
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.destinations.store.store import Store
from tests.delivery.harness import Harness
from tests.delivery.two_sides import (
    PlainStore,
    Side,
    Steps,
    change_settings,
    compare,
    delete_there,
    divide_into_small_parts,
    few_histories,
    histories,
    play_history,
    send_again,
    two_sides,
)
from tests.transcripts import TranscriptWriter, call, result, text


@dataclass
class Growth:
    """A session that grows in any way that transcripts have been seen to."""

    folder: Path
    sides: tuple[Side, Side]
    writer: TranscriptWriter = field(init=False)
    count: int = 0
    uuids: list[str] = field(default_factory=list)
    open_calls: list[str] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)
    queued: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    subagents: dict[str, TranscriptWriter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writer = TranscriptWriter(self.folder / "claude" / "projects" / "-work" / "s1.jsonl")

    def prompt(self, content: Any, **more: Any) -> None:
        self.uuids.append(self.writer.line("user", content, **self.more, **more))

    def respond(self, block: dict[str, Any], name: str = "", **more: Any) -> None:
        self.count += 1
        name = name or f"msg{self.count}"
        self.responses.append(name)
        self.uuids.append(self.writer.respond(name, block, output=self.count, **self.more, **more))

    def bookkeep(self, kind: str, **fields: Any) -> None:
        line = {"type": kind, "sessionId": "s1", "timestamp": "2026-01-01T00:00:09Z", **fields}
        self.writer.write(json.dumps(line).encode() + b"\n")

    def turn(self, calls: int) -> None:
        self.count += 1
        self.prompt(f"prompt {self.count}")
        for _ in range(calls):
            self.respond(call(f"t{self.count}"), requestId=f"r{self.count}")
            self.prompt(result(f"t{self.count - 0}"))
        self.respond(text(f"answer {self.count}"), requestId=f"r{self.count}")

    def act(self, action: str, number: int) -> None:
        getattr(self, f"do_{action}")(number)

    def do_turn(self, number: int) -> None:
        self.turn(number % 3)

    do_sync = do_turn

    def do_open_call(self, _number: int) -> None:
        self.open_calls.append(f"open{self.count}")
        self.respond(call(self.open_calls[-1]))

    def do_late_result(self, number: int) -> None:
        if self.open_calls:
            self.prompt(result(self.open_calls[number % len(self.open_calls)], f"late {number}"))

    def do_late_block(self, number: int) -> None:
        if self.responses:
            name = self.responses[-1 - number % len(self.responses)]
            self.respond(text(f"late block {number}"), name)

    def do_rewind(self, number: int) -> None:
        parent = self.uuids[-1 - number % len(self.uuids)] if self.uuids else None
        self.prompt(f"instead {self.count}", parent=parent)
        self.respond(text(f"other way {self.count}"))

    def do_stale(self, number: int) -> None:
        parent = self.uuids[number % len(self.uuids)] if self.uuids else "nowhere"
        self.respond(text(f"from elsewhere {self.count}"), parent=parent)

    def do_lost_parent(self, number: int) -> None:
        self.prompt(f"lost {number}", parent="never-written")

    def do_compact(self, number: int) -> None:
        parent = None if number % 2 else "never-written"
        self.writer.line("system", None, parent=parent, subtype="compact_boundary")
        self.prompt("This session is being continued from a previous", isCompactSummary=True)

    def do_enqueue(self, number: int) -> None:
        self.queued.append(f"queued {number % 4}")
        self.bookkeep("queue-operation", operation="enqueue", content=self.queued[-1])

    def do_unqueue(self, number: int) -> None:
        name = self.queued.pop() if self.queued else f"queued {number}"
        operation = ("dequeue", "remove", "popAll")[number % 3]
        self.bookkeep("queue-operation", operation=operation, content=name)
        if number % 2:
            attachment = {"type": "queued_command", "prompt": name, "source_uuid": f"q{number}"}
            self.uuids.append(self.writer.line("attachment", None, attachment=attachment))
        elif number % 4:
            self.prompt(name, promptSource="queued")

    def do_command(self, number: int) -> None:
        self.prompt(f"<command-name>/plan{number}</command-name>")
        if number % 2:
            self.respond(text("planned"))

    def do_title(self, number: int) -> None:
        kind, name = ("custom-title", "customTitle") if number % 2 else ("ai-title", "aiTitle")
        self.bookkeep(kind, **{name: f"title {number}"})

    def do_summary(self, number: int) -> None:
        if self.uuids:
            self.bookkeep("summary", summary="sum", leafUuid=self.uuids[number % len(self.uuids)])

    def do_move(self, number: int) -> None:
        self.more = {"cwd": f"/work/{number % 3}", "gitBranch": f"b{number}", "version": "2.1"}
        if number % 3 == 0:
            self.bookkeep("relocated", relocatedCwd=f"/moved/{number}")
        if number % 3 == 1:
            worktree = {"worktreePath": f"/work/{number % 3}", "originalCwd": "/origin"}
            self.bookkeep("worktree-state", worktreeSession=worktree)

    def do_cost(self, number: int) -> None:
        self.bookkeep("cost-state", totalCostUSD=float(number))

    def do_secret(self, number: int) -> None:
        secret = f"Tr0ub4dor{number % 3}Xy9"  # only known as one by what is beside it
        self.prompt(f"password: {secret}" if number % 2 else f"and again {secret}")
        self.respond(text(f"I saw {secret}"))

    def do_repeat_line(self, number: int) -> None:
        lines = self.writer.path.read_bytes().splitlines(keepends=True)
        if lines:
            self.writer.write(lines[number % len(lines)])

    def do_sidechain(self, number: int) -> None:
        self.writer.line("user", f"side {number}", parent=None, isSidechain=True)

    def do_unknown(self, number: int) -> None:
        self.bookkeep(f"novelty-{number % 2}", text="perhaps said")

    def do_damage(self, number: int) -> None:
        self.writer.write((b"{broken\n", b"\0\0\0", b'{"type": "progress"')[number % 3])

    def do_subagent(self, number: int) -> None:
        path = self.writer.path.with_suffix("") / "subagents" / f"agent-a{number % 2}.jsonl"
        writer = self.subagents.setdefault(path.name, TranscriptWriter(path))
        self.count += 1
        writer.line("user", f"task {self.count}", sessionId="s1", isSidechain=True)
        name = f"sub{self.count}"
        writer.respond(name, call(f"c{number % 5}"), sessionId="s1", isSidechain=True)
        if number % 3:
            writer.line("user", result(f"c{number % 4}"), sessionId="s1", isSidechain=True)

    def do_copy(self, _number: int) -> None:
        folder = self.folder / "claude" / "projects" / "-copy"
        folder.mkdir(exist_ok=True)
        shutil.copy(self.writer.path, folder / "s1.jsonl")

    def do_uncopy(self, _number: int) -> None:
        shutil.rmtree(self.folder / "claude" / "projects" / "-copy", ignore_errors=True)

    def do_rewrite(self, number: int) -> None:
        """Take out or change a line, in place or by another file at the same path."""
        path = self.writer.path
        lines = path.read_bytes().splitlines(keepends=True)
        if len(lines) < 3:
            return
        index = -1 - number % len(lines)
        if number % 2:
            del lines[index]
        else:
            lines[index] = lines[index].replace(b"answer", b"changed answer")
        if number % 3:
            path.write_bytes(b"".join(lines))
        else:
            other = path.with_suffix(".new")
            other.write_bytes(b"".join(lines))
            other.replace(path)

    def do_truncate(self, number: int) -> None:
        path = self.writer.path
        path.write_bytes(path.read_bytes()[: -number or None])

    def do_replace_by_copy(self, _number: int) -> None:
        path = self.writer.path
        other = path.with_suffix(".new")
        shutil.copy(path, other)
        other.replace(path)

    def do_settings(self, number: int) -> None:
        change_settings(self.sides, number)

    def do_send_again(self, number: int) -> None:
        send_again(self.sides, "s1", number)

    def do_delete_there(self, number: int) -> None:
        delete_there(self.sides, "s1", number)

    def compare(self) -> None:
        compare(self.sides, "s1")


STEPS = histories(Growth, rare=("sidechain", "summary", "copy", "damage"))


def play(steps: Steps, store: Callable[..., Store]) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        source = ClaudeCodeSource(folder / "claude")
        growth = Growth(folder, stack.enter_context(two_sides(folder, source, store)))
        growth.turn(1)
        play_history(growth, steps)


@few_histories
@for_all(STEPS)
def test_store_gets_the_same_from_resumed_and_whole_runs(steps: Steps) -> None:
    play(steps, Store)


@few_histories
@for_all(STEPS)
def test_sessions_in_parts_arrive_the_same_from_resumed_and_whole_runs(
    monkeypatch: pytest.MonkeyPatch, steps: Steps
) -> None:
    divide_into_small_parts(monkeypatch)
    play(steps, PlainStore)


# ---- what a turn reads ---------------------------------------------------------------------------


def long_session(opensync: Harness) -> TranscriptWriter:
    transcript = opensync.transcript()
    transcript.line("user", "password: Tr0ub4dorXy9")  # only known as one by what is beside it
    transcript.respond("m0", text("noted"))
    for number in range(1, 40):
        transcript.turn(number)
    opensync.sync()
    return transcript


def resume(harness: Harness, *, end_reason: str | None = None) -> SyncOutcome:
    limits = Limits(resumes=end_reason is None)
    located = harness.locate()
    return harness.syncer.sync(harness.source, located, limits=limits, end_reason=end_reason)


def test_turn_leaves_the_old_lines_alone_and_the_end_of_the_session_does_not(
    opensync: Harness,
) -> None:
    transcript = long_session(opensync)
    transcript.write(b'{"type": "mode"}\n' * 5_000)  # more than is looked at before the place
    transcript.turn(50)
    resume(opensync)
    content = transcript.path.read_bytes().replace(b"answer 7", b"ANSWER 7")
    transcript.path.write_bytes(content)
    transcript.turn(51)
    assert resume(opensync).sent == 2
    assert "answer 7" in opensync.texts()
    resume(opensync, end_reason="exit")
    assert "ANSWER 7" in opensync.texts()
    assert "answer 7" not in opensync.texts()


def test_session_that_cannot_be_read_on_for_a_bug_is_read_whole_at_the_next_attempt(
    opensync: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError

    transcript = long_session(opensync)
    transcript.turn(50)
    monkeypatch.setattr(ResumedRead, "check", fail)
    with pytest.raises(TypeError):
        resume(opensync)
    assert resume(opensync).sent == 2
    assert len(opensync.texts()) == 82


def test_secret_of_an_old_message_is_masked_in_a_new_one(opensync: Harness) -> None:
    transcript = long_session(opensync)
    transcript.line("user", "so it was Tr0ub4dorXy9")
    assert resume(opensync).sent == 1
    assert opensync.texts()[-1] == "so it was [redacted:password]"


def test_session_deleted_at_the_destination_stays_deleted(opensync: Harness) -> None:
    transcript = long_session(opensync)
    opensync.store.delete_session("s1")
    transcript.turn(50)
    assert resume(opensync).removed
    assert opensync.store.session_ids() == []


def test_session_stored_anew_by_another_program_is_completed(opensync: Harness) -> None:
    transcript = long_session(opensync)
    opensync.store.delete_session("s1")
    session = {"externalId": "s1", "source": "claude-code"}
    opensync.store.put_session({**session, "title": "x"}, {})
    for name in ("prompt 1", "answer 1"):
        message = {"externalId": f"foreign {name}", "sessionExternalId": "s1"}
        role = "user" if name == "prompt 1" else "assistant"
        body: dict[str, Any] = {
            **message,
            "role": role,
            "source": "claude-code",
            "textContent": name,
        }
        body |= {"createdAt": 1_500_000_000_000, "parts": [{"type": "text", "content": name}]}
        opensync.store.put_message(body, {}, replaces=False)
    transcript.turn(50)
    resume(opensync)
    assert sorted(opensync.texts()).count("prompt 1") == 1
    assert len(opensync.texts()) == 82


def test_totals_that_another_machine_has_changed_are_recounted(opensync: Harness) -> None:
    transcript = long_session(opensync)
    body = {"externalId": "s1", "source": "claude-code", "promptTokens": 1_000_000}
    opensync.store.put_session(body, {})
    transcript.turn(50)
    resume(opensync)
    located = opensync.locate()
    (changes,) = opensync.syncer.preview(opensync.source, located)
    assert isinstance(changes, SessionDiff)
    assert opensync.stored()[0]["promptTokens"] == changes.session_payload()[0]["promptTokens"]
