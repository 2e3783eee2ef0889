"""A long session that is delivered for the first time in sections arrives as one that is not.

Only a section is in memory then. Sessions of all kinds that transcripts have been seen to be are
delivered twice: in sections of a few lines, and as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all

from opensync_hooks.agents.claude_code import sessions
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.delivery import split
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import RejectedError, UnreachableError
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Json, Session
from tests.delivery.harness import Harness
from tests.delivery.test_resumed_sync import STEPS, Growth, resume
from tests.delivery.two_sides import PlainStore, Side, two_sides
from tests.transcripts import TranscriptWriter, text

SMALL = 1_500


@pytest.fixture
def section_reads(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """Have sessions divided after a few turns; returns the sections that are read."""
    read: list[Session] = []
    original = sessions._main

    def record(*arguments: Any) -> Any:
        for session in original(*arguments):
            read.append(session)
            yield session

    monkeypatch.setattr(sessions, "_main", record)
    monkeypatch.setattr(sessions, "_SECTION_BYTES", SMALL)
    return read


def deliver(side: Side, section_bytes: int) -> SyncOutcome:
    sessions._SECTION_BYTES = section_bytes
    outcome = side.sync("s1")
    assert outcome
    return outcome


def play(steps: list[tuple[str, int]], store: Callable[..., Store]) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        source = ClaudeCodeSource(folder / "claude")
        first, second = stack.enter_context(two_sides(folder, source, store))
        growth = Growth(folder, (first, second))
        growth.turn(1)
        for action, number in steps:
            if action not in ("settings", "send_again", "delete_there"):
                growth.act(action, number)
        divided, undivided = deliver(first, SMALL), deliver(second, 1 << 30)
        assert first.contents() == second.contents()
        assert divided.state == undivided.state
        assert divided.losses == undivided.losses
        growth.turn(1)
        deliver(first, SMALL), deliver(second, 1 << 30)
        assert first.contents() == second.contents()


SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@pytest.mark.usefixtures("section_reads")
@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@for_all(STEPS)
def test_store_gets_the_same_from_sections_and_from_the_whole(
    steps: list[tuple[str, int]],
) -> None:
    play(steps, Store)


@pytest.mark.usefixtures("section_reads")
@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@for_all(STEPS)
def test_parts_of_a_session_are_the_same_from_sections_and_from_the_whole(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(split, "MAX_MESSAGES", 9)
    monkeypatch.setattr(split, "MAX_BYTES", 6_000)
    play(steps, PlainStore)


def long_session(harness: Harness, turns: int = 30) -> TranscriptWriter:
    transcript = harness.transcript()
    for number in range(1, turns + 1):
        transcript.turn(number)
    return transcript


def test_no_section_has_more_than_its_own_messages(
    opensync: Harness, section_reads: list[Session]
) -> None:
    long_session(opensync)
    outcome = opensync.sync()
    assert (outcome.sent, outcome.unchanged, outcome.sessions) == (60, 0, 1)
    assert len(section_reads) > 5
    assert max(len([*session.messages]) for session in section_reads) < 15
    assert [session.continues for session in section_reads].index(False) == len(section_reads) - 1
    assert len(opensync.texts()) == 60
    assert opensync.sync().unchanged == 60


def test_delivery_that_is_interrupted_goes_on_behind_its_last_section(
    embedded: Harness, section_reads: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    long_session(embedded)
    original, puts = Store.put_message, iter(range(40))

    def fail_in_the_end(*arguments: Any, **options: Any) -> str:
        if next(puts, None) is None:
            raise UnreachableError("gone")
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put_message", fail_in_the_end)
        with pytest.raises(UnreachableError):
            embedded.sync()
    before = len(embedded.texts())
    assert before > 20
    section_reads.clear()
    assert resume(embedded).sent == 60 - before
    assert sum(len([*session.messages]) for session in section_reads) < 40
    assert len(embedded.texts()) == 60


def test_folder_of_the_last_turn_excludes_a_session_of_many_sections(
    embedded: Harness, section_reads: list[Session]
) -> None:
    """Nothing of it may be sent before it is known where all of it worked."""
    moved = b'{"type":"relocated","relocatedCwd":"/private/x"}\n'
    worktree = b'{"worktreePath":"/work","originalCwd":"/private"}'
    worktree_line = b'{"type":"worktree-state","worktreeSession":%s}\n' % worktree
    for number, line in enumerate((b"", moved, worktree_line)):
        name = f"s{number}"
        transcript = embedded.transcript(name)
        for turn in range(1, 31):
            transcript.turn(turn)
        argument = {"type": "tool_use", "id": "t1", "name": "Run", "input": {"cwd": "/private"}}
        transcript.respond("m_call", argument)
        located = embedded.locate(name)
        config = replace(embedded.syncer.config, exclude=("/private",))
        syncer = replace(embedded.syncer, config=config)
        assert not syncer.sync(embedded.source, located).excluded, "an argument is no folder"
        assert len(section_reads) > 5
        embedded.store.delete_session(name)
        embedded.record(name, "claude-code").forget()
        transcript.write(line)
        if not line:
            transcript.line("user", "in private", cwd="/private/garden")
        assert syncer.sync(embedded.source, embedded.locate(name)).excluded
        assert name not in embedded.store.session_ids()
        section_reads.clear()


def test_session_that_the_destination_has_is_adopted_as_a_whole(
    embedded: Harness, section_reads: list[Session]
) -> None:
    long_session(embedded)
    embedded.sync()
    row, texts = embedded.stored()[0], embedded.texts()
    embedded.record("s1", "claude-code").forget()
    section_reads.clear()
    assert embedded.sync().sent == 0
    assert not section_reads[-1].is_resumed
    assert embedded.texts() == texts
    assert embedded.stored()[0] == row | {"updatedAt": embedded.stored()[0]["updatedAt"]}


def test_session_whose_prompts_all_pass_through_the_queue_is_divided(
    tmp_path: Path, section_reads: list[Session]
) -> None:
    with two_sides(tmp_path, ClaudeCodeSource(tmp_path / "claude"), Store) as sides:
        growth = Growth(tmp_path, sides)
        growth.turn(1)
        for number in range(40):
            for operation in ("enqueue", "dequeue"):
                growth.bookkeep("queue-operation", operation=operation, content=f"next {number}")
            growth.prompt(f"next {number}", promptSource="queued")
            growth.respond(text(f"answer {number}"))
        deliver(sides[0], SMALL)
        assert len(section_reads) > 5
        deliver(sides[1], 1 << 30)
        assert sides[0].contents() == sides[1].contents()


def test_session_in_parts_is_divided(
    tmp_path: Path, section_reads: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "MAX_MESSAGES", 9)
    with two_sides(tmp_path, ClaudeCodeSource(tmp_path / "claude"), PlainStore) as sides:
        growth = Growth(tmp_path, sides)
        for number in range(30):
            growth.turn(number % 3)
        deliver(sides[0], SMALL)
        assert len(section_reads) > 5
        assert all(session.is_resumed for session in section_reads[1:])
        assert len(sides[0].store.session_ids()) > 5
        deliver(sides[1], 1 << 30)
        assert sides[0].contents() == sides[1].contents()


def test_message_that_is_refused_does_not_end_the_delivery(
    embedded: Harness, section_reads: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All sections behind it wait for it, so the session is read as a whole."""
    long_session(embedded)
    original = Store.put_message

    def refuse_one(self: Store, body: Json, *arguments: Any, **options: Any) -> str:
        if body.get("textContent") == "answer 12":
            raise RejectedError("not this one")
        return original(self, body, *arguments, **options)

    monkeypatch.setattr(Store, "put_message", refuse_one)
    outcome = embedded.sync()
    assert (outcome.sent, outcome.state) == (59, SyncState.QUARANTINED)
    assert len(embedded.texts()) == 59
    assert section_reads[1].is_resumed
    assert not section_reads[-1].is_resumed
