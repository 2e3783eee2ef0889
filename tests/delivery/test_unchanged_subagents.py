"""A subagent of which everything is confirmed is not opened again until it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code import sessions, transcript
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.server.routes import Response
from tests.delivery.harness import Harness
from tests.opensync import Fault
from tests.transcripts import TranscriptWriter

REFUSAL = Fault(Response(500, b'{"error": "Error: Value is too large"}'))
NAMES = ("agent-a1", "agent-a2", "agent-a3")


class Family:
    """A session with three subagents, and which of them the reader opens."""

    def __init__(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        self.harness = harness
        self.main = harness.transcript()
        self.main.turn(1)
        folder = self.main.path.with_suffix("") / "subagents"
        self.subagents = {name: TranscriptWriter(folder / f"{name}.jsonl") for name in NAMES}
        for subagent in self.subagents.values():
            subagent.turn(1)
        self.opened: list[str] = []

        def opening(path: Path) -> object:
            self.opened.append(path.name.removesuffix(".jsonl"))
            return open_regular(path)

        for module in (sessions, transcript):
            monkeypatch.setattr(module, "open_regular", opening)

    def path(self, name: str) -> Path:
        return self.subagents[name].path

    def next_turn(self) -> SyncState:
        """Have the main session go on, and sync; `opened` has the files that were opened."""
        self.main.turn(len(self.opened) + 2)
        self.opened.clear()
        outcome = self.harness.sync()
        self.opened = [name for name in self.opened if name in NAMES]
        return outcome.state


@pytest.fixture
def family(opensync: Harness, monkeypatch: pytest.MonkeyPatch) -> Family:
    return Family(opensync, monkeypatch)


def test_unchanged_subagents_are_not_opened(family: Family) -> None:
    assert family.harness.sync().sent == 8
    assert family.next_turn() is SyncState.SYNCED
    assert family.opened == []
    assert family.harness.texts("s1:agent-a2") == ["prompt 1", "answer 1"]


def test_only_the_subagent_that_changed_is_opened(family: Family) -> None:
    family.harness.sync()
    family.subagents["agent-a2"].turn(2)
    assert family.next_turn() is SyncState.SYNCED
    assert family.opened == ["agent-a2"]
    assert len(family.harness.texts("s1:agent-a2")) == 4
    assert family.next_turn() is SyncState.SYNCED
    assert family.opened == []


def a_note_on_it_appears(family: Family) -> None:
    family.path("agent-a2").with_suffix(".meta.json").write_text('{"description": "Tune"}')


def a_message_is_to_be_sent_again(family: Family) -> None:
    harness = family.harness
    record = harness.record("s1:agent-a2", "claude-code")
    replace(record, destination=harness.syncer.account()).mark_pending()


@pytest.mark.parametrize("change", [a_note_on_it_appears, a_message_is_to_be_sent_again])
def test_subagent_with_something_to_send_is_opened(
    family: Family, change: Callable[[Family], None]
) -> None:
    family.harness.sync()
    change(family)
    family.next_turn()
    assert family.opened == ["agent-a2"]


def test_another_setting_has_all_of_them_opened(family: Family) -> None:
    family.harness.sync()
    syncer = family.harness.syncer
    family.harness.syncer = replace(syncer, config=replace(syncer.config, thinking=True))
    family.next_turn()
    assert family.opened == list(NAMES)


def test_session_that_is_sent_by_force_is_read_whole(family: Family) -> None:
    family.harness.sync()
    family.opened.clear()
    assert family.harness.sync(force=True).sent == 8
    assert set(NAMES) <= set(family.opened)


def test_loss_in_a_subagent_is_not_forgotten(family: Family) -> None:
    with family.path("agent-a2").open("ab") as file:
        file.write(b"damaged\n")
    assert family.harness.sync().state is SyncState.INCOMPLETE
    assert family.next_turn() is SyncState.INCOMPLETE
    assert family.opened == ["agent-a2"]
    lost = losses.total(family.harness.syncer.ledger, family.harness.syncer.account())
    assert lost == {"unreadable line": 1}


def test_message_that_is_refused_is_not_forgotten(family: Family) -> None:
    def refuse(_path: str, body: bytes) -> Fault | None:
        return REFUSAL if b"agent-a2" in body and b"answer 1" in body else None

    family.harness.fault = refuse
    assert family.harness.sync().state is SyncState.QUARANTINED
    assert family.next_turn() is SyncState.QUARANTINED
    assert family.opened == ["agent-a2"]


def test_worker_leaves_out_unchanged_subagents_and_reads_changed_ones_on(family: Family) -> None:
    family.harness.sync()
    family.subagents["agent-a2"].turn(2)
    family.main.turn(9)
    family.opened.clear()
    located = family.harness.locate()
    resumed = Limits(resumes=True)
    outcome = family.harness.syncer.sync(family.harness.source, located, limits=resumed)
    assert (outcome.sent, outcome.state) == (4, SyncState.SYNCED)
    assert {name for name in family.opened if name in NAMES} == {"agent-a2"}
