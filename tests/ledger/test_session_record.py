"""What a destination has confirmed of a session is never forgotten, and calls have one owner."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opensync_hooks.ledger import charges
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import (
    MessageRecord,
    MessageState,
    RemoteSession,
    SessionRecord,
)
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.ledger.sync_state import SyncState
from tests.ledger.records import AGENT, HERE, THERE, confirmed, record_of

ROOT = Path(__file__).parents[2]


def test_message_has_the_state_that_was_written_last(record: SessionRecord) -> None:
    assert record.message("m1") is None
    for content_hash, state in (
        ("h1", MessageState.PENDING),
        ("h1", MessageState.CONFIRMED),
        ("h2", MessageState.QUARANTINED),
    ):
        record.set_message("m1", content_hash, state, "reason")
        assert record.message("m1") == MessageRecord(content_hash, state)


def test_message_whose_state_is_damaged_is_sent_again(record: SessionRecord) -> None:
    record.set_message("m1", "h1", MessageState.CONFIRMED)
    with record.ledger.transaction() as execute:
        execute("UPDATE message SET state = 'confirmex'")
    assert record.message("m1") == MessageRecord("h1", MessageState.PENDING)


def test_only_a_quarantined_message_can_be_dismissed(record: SessionRecord) -> None:
    record.set_message("m1", "h1", MessageState.QUARANTINED, "too large")
    record.set_message("m2", "h2", MessageState.CONFIRMED)
    for message_id in ("m1", "m2"):
        record.dismiss_message(message_id)
    assert record.message("m1") == MessageRecord("h1", MessageState.DISMISSED)
    assert record.message("m2") == confirmed("h2")


def test_state_holds_for_the_fingerprint_that_was_attempted(record: SessionRecord) -> None:
    assert record.state("f1") is None
    record.set_fingerprint("f1")
    assert (record.state("f1"), record.state("f2")) == (SyncState.UP_TO_DATE, None)
    record.set_deficient("f2", SyncState.INCOMPLETE)
    assert (record.state("f1"), record.state("f2")) == (None, SyncState.INCOMPLETE)
    record.mark_pending()
    assert record.state("f2") is None
    record.set_deficient("f2", SyncState.INCOMPLETE)
    record.set_fingerprint("f3")
    assert (record.state("f2"), record.state("f3")) == (None, SyncState.UP_TO_DATE)


def test_dismissed_message_lets_its_session_be_tried_again(ledger: Ledger) -> None:
    """The message may be of a subagent, and the state is that of the main session."""
    session, subagent = record_of(ledger), record_of(ledger, "s1:agent-a")
    session.set_deficient("f1", SyncState.QUARANTINED)
    damaged = record_of(ledger, "s2")
    damaged.set_deficient("f1", SyncState.INCOMPLETE)
    subagent.set_message("m1", "h1", MessageState.QUARANTINED, "too large")
    subagent.dismiss_message("m1")
    assert (session.state("f1"), damaged.state("f1")) == (None, SyncState.INCOMPLETE)


def test_session_is_known_once_the_destination_answered_with_an_id(record: SessionRecord) -> None:
    record.set_fingerprint("f1")
    assert record.remote_session() is None
    record.set_remote_id("r1")
    assert record.remote_session() == RemoteSession("r1", None, None, None)
    record.confirm_session("h1", "Title", "clear", ["model-x"])
    assert record.remote_session() == RemoteSession("r1", "h1", "Title", "clear")
    record.set_remote_id("r2")
    assert record.remote_session() == RemoteSession("r2", "h1", "Title", "clear")


def test_origin_is_kept_until_the_session_is_forgotten(record: SessionRecord) -> None:
    assert record.origin() is None
    record.set_origin("transcript")
    record.set_origin("database")
    record.mark_pending()
    assert record.origin() == "database"
    record.forget()
    assert record.origin() is None


@pytest.mark.parametrize("has_messages", [True, False])
def test_fingerprint_is_the_last_one(
    ledger: Ledger, record: SessionRecord, has_messages: bool
) -> None:
    if has_messages:
        record.set_remote_id("r1")
    assert record.fingerprint() is None
    record.set_fingerprint("f1")
    record.set_fingerprint("f2")
    assert record.fingerprint() == "f2"
    assert summarize(ledger, HERE).sessions == has_messages


@pytest.mark.parametrize(
    ("message_ids", "first"), [(None, MessageState.PENDING), (["m2"], MessageState.CONFIRMED)]
)
def test_pending_messages_are_sent_again_under_the_same_ids(
    record: SessionRecord, message_ids: list[str] | None, first: MessageState
) -> None:
    record.set_remote_id("r1")
    record.set_message("m1", "h1", MessageState.CONFIRMED)
    record.set_message("m2", "h2", MessageState.QUARANTINED, "refused")
    record.confirm_session("h", "Title", None, [])
    record.set_fingerprint("f1")
    record.mark_pending(message_ids)
    assert record.remote_session() == RemoteSession("r1", None, None, None)
    assert record.message("m1") == MessageRecord("h1", first)
    assert record.message("m2") == MessageRecord("h2", MessageState.PENDING)
    assert record.fingerprint() is None


def test_forgotten_session_keeps_its_charges(ledger: Ledger, record: SessionRecord) -> None:
    record.set_remote_id("r1")
    record.set_message("m1", "h1", MessageState.CONFIRMED)
    record.set_fingerprint("f1")
    charges.claim(record, ["c1"])
    record.forget()
    assert (record.remote_session(), record.message("m1"), record.fingerprint()) == (None,) * 3
    assert charges.claim(record_of(ledger, "fork"), ["c1"]) == {"c1": "s1"}


@pytest.mark.parametrize("undo", [SessionRecord.forget, SessionRecord.mark_pending])
@pytest.mark.parametrize(
    "key",
    [(THERE, AGENT, "s1"), (HERE, "cursor", "s1"), (HERE, AGENT, "s2")],
    ids=["another destination", "another agent", "another session"],
)
def test_records_do_not_affect_each_other(
    ledger: Ledger,
    record: SessionRecord,
    undo: Callable[[SessionRecord], None],
    key: tuple[str, str, str],
) -> None:
    other = SessionRecord(ledger, *key)
    other.set_remote_id("r2")
    other.confirm_session("h2", "Other", None, [])
    other.set_message("m1", "h2", MessageState.CONFIRMED)
    other.set_fingerprint("f2")
    record.set_remote_id("r1")
    record.set_message("m1", "h1", MessageState.QUARANTINED)
    undo(record)
    assert other.remote_session() == RemoteSession("r2", "h2", "Other", None)
    assert other.message("m1") == confirmed("h2")
    assert other.fingerprint() == "f2"


@pytest.mark.parametrize(
    "text",
    ["\ud83d", "a\udcff", "", "nul\0inside", "🚀", "x" * 1_000_000],
    ids=["lone surrogate", "byte of a file name", "empty", "NUL", "emoji", "1 MB"],
)
def test_any_text_may_be_an_id_a_title_or_a_model(ledger: Ledger, text: str) -> None:
    """JSON can escape a lone surrogate, SQLite refuses it."""
    record = record_of(ledger, text)
    record.set_remote_id("r1")
    record.set_message(text, "h1", MessageState.QUARANTINED, text)
    record.confirm_session("h", text, text, [text])
    ledger.set_note("last error", text)
    assert record.message(text) == MessageRecord("h1", MessageState.QUARANTINED)
    assert record.remote_session() == RemoteSession("r1", "h", text, text)
    assert charges.claim(record, [text]) == {text: text}
    assert ledger.note("last error")
    assert summarize(ledger, HERE).unpriced == ((text,) if text else ())


# ---- charges -------------------------------------------------------------------------------------


def test_charge_belongs_to_the_session_that_claimed_it_first(ledger: Ledger) -> None:
    first, fork = record_of(ledger), record_of(ledger, "fork")
    assert charges.claim(first, ["a", "b", "a"]) == {"a": "s1", "b": "s1"}
    assert charges.claim(fork, ["b", "c"]) == {"b": "s1", "c": "fork"}
    assert charges.claim(first, ["a", "c"]) == {"a": "s1", "c": "fork"}
    assert charges.claim(record_of(ledger, "fork", THERE), ["a"]) == {"a": "fork"}
    assert charges.claim(first, []) == {}


def test_owners_are_looked_up_without_a_claim(ledger: Ledger, record: SessionRecord) -> None:
    other = record_of(ledger, "s2")
    charges.claim(other, ["c1"])
    assert charges.owners(record, ["c1", "c2"]) == {"c1": "s2", "c2": "s1"}
    assert charges.owners(other, ["c2"]) == {"c2": "s2"}
    assert charges.claimed(record, ["c1", "c2"]) == {"c1": "s2"}


def test_claim_that_fails_in_the_middle_claims_nothing(
    ledger: Ledger, record: SessionRecord
) -> None:
    def charge_ids() -> Iterator[str]:
        yield "a"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        charges.claim(record, charge_ids())
    assert charges.claim(record_of(ledger, "fork"), ["a"]) == {"a": "fork"}


_CLAIM = """
import json, sys
from pathlib import Path
from opensync_hooks.ledger import charges
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
path, name = sys.argv[1:]
owners = {}
print("ready", flush=True)
sys.stdin.readline()
with Ledger(Path(path)) as ledger:
    record = SessionRecord(ledger, "here", "claude-code", name)
    for start in range(0, 200, 10):
        owners |= charges.claim(record, (f"c{number}" for number in range(start, start + 10)))
print(json.dumps(owners))
"""


def test_processes_that_claim_the_same_charges_agree_on_their_owners(path: Path) -> None:
    """The file is new as well: all of them create it at the same moment."""
    names = ["s1", "s2", "s3", "s4"]
    claimers = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIM, str(path), name],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    for claimer in claimers:
        assert claimer.stdout
        assert claimer.stdout.readline() == "ready\n"
    for claimer in claimers:
        assert claimer.stdin
        claimer.stdin.write("go\n")
        claimer.stdin.flush()
    owners = [json.loads(claimer.communicate()[0]) for claimer in claimers]
    assert len(owners[0]) == 200
    assert all(other == owners[0] for other in owners)
    assert set(owners[0].values()) <= set(names)
