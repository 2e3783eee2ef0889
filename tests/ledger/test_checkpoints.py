"""A checkpoint holds as long as everything before it is confirmed, under the same rules."""

from __future__ import annotations

from opensync_hooks.ledger import checkpoints
from opensync_hooks.ledger.checkpoints import NewCheckpoint
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
from tests.ledger.records import THERE, record_of

FIRST = NewCheckpoint("rules", {"offset": 1}, {"messages": 1}, [1, -(2**63)])


def saved(ledger: Ledger, state: MessageState = MessageState.CONFIRMED) -> SessionRecord:
    record = record_of(ledger)
    record.set_remote_id("r1")
    record.set_message("m1", "h1", state)
    checkpoints.save(record, FIRST, None)
    return record


def test_checkpoint_moves_on_and_keeps_its_names(ledger: Ledger) -> None:
    record = saved(ledger)
    first = checkpoints.load(record, "rules")
    assert first
    assert (first.state, first.totals) == ({"offset": 1}, {"messages": 1})
    checkpoints.save(record, NewCheckpoint("rules", {"offset": 2}, {}, [3]), first)
    second = checkpoints.load(record, "rules")
    assert second
    assert second.state == {"offset": 2}
    assert checkpoints.known_names(record, second, [1, 3, 4, -(2**63)]) == {1, 3, -(2**63)}


def test_whole_run_begins_anew(ledger: Ledger) -> None:
    record = saved(ledger)
    checkpoints.save(record, NewCheckpoint("rules", {}, {}, [5]), None)
    checkpoint = checkpoints.load(record, "rules")
    assert checkpoint
    assert checkpoints.known_names(record, checkpoint, [1, 5]) == {5}


def test_other_rules_and_other_destinations_have_no_checkpoint(ledger: Ledger) -> None:
    record = saved(ledger)
    assert checkpoints.load(record, "other rules") is None
    assert checkpoints.load(record_of(ledger, destination=THERE), "rules") is None


def test_more_names_than_one_query_takes(ledger: Ledger) -> None:
    record = saved(ledger)
    checkpoint = checkpoints.load(record, "rules")
    assert checkpoint
    assert checkpoints.known_names(record, checkpoint, range(40_000)) == {1}


def test_message_to_be_sent_again_deletes_the_checkpoint(ledger: Ledger) -> None:
    record = saved(ledger)
    checkpoint = checkpoints.load(record, "rules")
    record_of(ledger, "s1#2").mark_pending(["m9"])  # of a part of the session
    assert checkpoints.load(record, "rules") is None
    checkpoints.save(record, FIRST, checkpoint)  # by a run that had begun before
    assert checkpoints.load(record, "rules") is None
    assert ledger.rows("SELECT * FROM checkpoint_name") == []


def test_session_that_is_forgotten_has_no_checkpoint(ledger: Ledger) -> None:
    record = saved(ledger)
    record.forget()
    assert checkpoints.load(record, "rules") is None


def test_nothing_is_saved_while_a_message_is_not_confirmed(ledger: Ledger) -> None:
    for state in (MessageState.PENDING, MessageState.QUARANTINED):
        assert checkpoints.load(saved(ledger, state), "rules") is None
    assert checkpoints.load(saved(ledger, MessageState.DISMISSED), "rules")


def test_message_of_a_part_that_is_not_confirmed_counts_and_of_another_session_does_not(
    ledger: Ledger,
) -> None:
    for other in ("s", "s1:agent-a", "s10", "s2", "s1$2"):
        record_of(ledger, other).set_message("m1", "h1", MessageState.PENDING)
    assert checkpoints.load(saved(ledger), "rules")
    for part in ("s1#2", "s1#9", "s1#10", "s1#234"):
        record_of(ledger, part).set_message("m1", "h1", MessageState.PENDING)
        assert checkpoints.load(saved(ledger), "rules") is None
        record_of(ledger, part).set_message("m1", "h1", MessageState.CONFIRMED)


def test_damaged_checkpoint_counts_as_none(ledger: Ledger) -> None:
    record = saved(ledger)
    with ledger.transaction() as execute:
        execute("UPDATE checkpoint SET state = '{'")
    assert checkpoints.load(record, "rules") is None
