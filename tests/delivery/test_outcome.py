"""A session ends in one state, and only one that arrived whole counts as synced."""

from __future__ import annotations

import pytest

import opensync_hooks.ledger.session_record
from opensync_hooks.agents.source import Located
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.ledger.summary import complete_sessions, summarize
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Session, Skipped
from tests.delivery.harness import Harness, message, session, source_of

TORN = Skipped("unreadable", "torn line")
LOST = Skipped("unplaced", "answer without its prompt")
NEW = Skipped("unknown", "line of type banner")
CONTEXT = Skipped("left out", "context")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (SyncOutcome("s1", sessions=1, sent=1), SyncState.SYNCED),
        (SyncOutcome("s1", sessions=1, unchanged=1), SyncState.SYNCED),
        (SyncOutcome("s1", sessions=1, sent=1, skipped={NEW: 3, CONTEXT: 1}), SyncState.SYNCED),
        (SyncOutcome("s1"), SyncState.EMPTY),
        (SyncOutcome("s1", skipped={CONTEXT: 1, TORN: 0}), SyncState.EMPTY),
        (SyncOutcome("s1", skipped={NEW: 1}), SyncState.EMPTY),
        (SyncOutcome("s1", skipped={TORN: 1}), SyncState.NOT_UNDERSTOOD),
        (SyncOutcome("s1", sessions=1, skipped={NEW: 1}), SyncState.SYNCED),
        (SyncOutcome("s1", sessions=1, sent=1, skipped={TORN: 1}), SyncState.INCOMPLETE),
        (SyncOutcome("s1", sessions=1, sent=1, skipped={LOST: 1}), SyncState.INCOMPLETE),
        (SyncOutcome("s1", sessions=1, sent=1, quarantined=1), SyncState.QUARANTINED),
        (SyncOutcome("s1", sessions=1, unchanged=2, quarantined_before=1), SyncState.QUARANTINED),
        (SyncOutcome("s1", sessions=1, sent=1, unclear=1), SyncState.WAITING),
        (SyncOutcome("s1", is_partial=True, skipped={TORN: 1}), SyncState.WAITING),
        (SyncOutcome("s1", excluded="private", is_partial=True), SyncState.EXCLUDED),
    ],
)
def test_state_of_an_outcome(outcome: SyncOutcome, state: SyncState) -> None:
    assert outcome.state is state


@pytest.mark.parametrize(
    ("sessions", "state"),
    [
        ((session(skipped={TORN: 2}),), SyncState.NOT_UNDERSTOOD),
        ((session(message("m1"), skipped={TORN: 1}),), SyncState.INCOMPLETE),
        ((session(message("m1")), session(session_id="sub", skipped={TORN: 1})),
         SyncState.INCOMPLETE),
    ],
    ids=["nothing", "part", "subagent"],
)  # fmt: skip
def test_session_that_is_not_whole_is_tried_again_only_after_a_change(
    embedded: Harness,
    monkeypatch: pytest.MonkeyPatch,
    sessions: tuple[Session, ...],
    state: SyncState,
) -> None:
    source, located = source_of(*sessions)
    syncer, ledger, name = embedded.syncer, embedded.syncer.ledger, embedded.store.name
    assert syncer.sync(source, located).state is state
    assert syncer.state(source, located) is state
    assert complete_sessions(ledger, name) == {}
    assert summarize(ledger, name).sessions == 0
    changed = Located("s1", located.path, 0, "another fingerprint")
    assert syncer.state(source, changed) is None, "the agent wrote more"
    monkeypatch.setattr(opensync_hooks.ledger.session_record, "__version__", "99.0")
    assert syncer.state(source, located) is None, "a newer version may understand it"


def test_session_that_was_whole_and_has_lost_a_line_is_no_longer_synced(embedded: Harness) -> None:
    embedded.deliver(message("m1"))
    embedded.deliver(message("m1"), skipped={TORN: 1})
    assert complete_sessions(embedded.syncer.ledger, embedded.store.name) == {}
    embedded.deliver(message("m1"))
    assert complete_sessions(embedded.syncer.ledger, embedded.store.name).keys() == {"cursor"}
