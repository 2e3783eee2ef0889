"""Figures of one destination count what it has confirmed, and nothing of another one."""

from __future__ import annotations

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
from opensync_hooks.ledger.summary import (
    DeficientSession,
    QuarantinedMessage,
    Summary,
    complete_sessions,
    deficient_sessions,
    quarantined_messages,
    summarize,
)
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.system import clock
from tests.ledger.records import AGENT, HERE, THERE, record_of


def fill_sessions(ledger: Ledger) -> None:
    unpriced = {"s1": ["my model", "model-a"], "s2": ["model-a"], "s3": []}
    for session_id, models in unpriced.items():
        record = record_of(ledger, session_id)
        record.set_remote_id(f"r-{session_id}")
        record.confirm_session("h", None, None, models)
        record.set_message("m1", "h1", MessageState.CONFIRMED)
        record.set_message("m2", "h2", MessageState.QUARANTINED, f"refused {session_id}")
        record.set_message("m3", "h3", MessageState.PENDING)
    there = record_of(ledger, destination=THERE)
    there.set_remote_id("r9")
    there.set_message("m1", "h1", MessageState.CONFIRMED)


def test_summary_counts_what_one_destination_has(ledger: Ledger) -> None:
    start = clock.now()
    fill_sessions(ledger)
    record_of(ledger).set_fingerprint("f1")
    summary = summarize(ledger, HERE)
    assert summary.last_sync is not None
    assert start <= summary.last_sync <= clock.now()
    assert summary == Summary(3, 3, 3, summary.last_sync, ("model-a", "my model"))
    assert summarize(ledger, THERE) == Summary(1, 1, 0, None, ())
    assert summarize(ledger, "nowhere") == Summary(0, 0, 0, None, ())


def test_subagents_and_parts_are_no_sessions(ledger: Ledger) -> None:
    for session_id, parent in (("s1", None), ("s1#2", None), ("a1", "s1"), ("a2", "a1")):
        record = record_of(ledger, session_id)
        record.set_remote_id(f"r-{session_id}")
        record.set_parent(parent)
    summary = summarize(ledger, HERE)
    assert (summary.sessions, summary.subagents) == (1, 2)


def test_quarantined_messages_are_listed_with_their_reasons(ledger: Ledger) -> None:
    fill_sessions(ledger)
    record_of(ledger, "s2").dismiss_message("m2")
    assert list(quarantined_messages(ledger, HERE)) == [
        QuarantinedMessage(AGENT, session_id, "m2", f"refused {session_id}")
        for session_id in ("s1", "s3")
    ]
    assert list(quarantined_messages(ledger, THERE)) == []


def test_session_that_is_not_whole_is_listed_and_not_counted(ledger: Ledger) -> None:
    fill_sessions(ledger)
    record_of(ledger, "s1").set_deficient("f", SyncState.INCOMPLETE)
    record_of(ledger, "s4").set_deficient("f", SyncState.NOT_UNDERSTOOD)
    record_of(ledger, "s1", THERE).set_deficient("f", SyncState.QUARANTINED)
    assert summarize(ledger, HERE).sessions == 2
    assert list(deficient_sessions(ledger, HERE)) == [
        DeficientSession(AGENT, "s1", SyncState.INCOMPLETE),
        DeficientSession(AGENT, "s4", SyncState.NOT_UNDERSTOOD),
    ]


def test_complete_sessions_are_counted_by_agent(ledger: Ledger) -> None:
    for agent, session_id, is_complete in (
        (AGENT, "s1", True), (AGENT, "s2", True), (AGENT, "s3", False), ("cursor", "s1", True),
    ):  # fmt: skip
        record = SessionRecord(ledger, HERE, agent, session_id)
        record.set_remote_id(f"r-{session_id}")
        if is_complete:
            record.set_fingerprint("f")
    record_of(ledger, "empty").set_fingerprint("f")
    record_of(ledger, "s9", THERE).set_fingerprint("f")
    by_agent = complete_sessions(ledger, HERE)
    assert {agent: count for agent, (count, _) in by_agent.items()} == {AGENT: 2, "cursor": 1}
    assert max(last_sync for _, last_sync in by_agent.values()) <= clock.now()
