"""Where each session can be read on, as all before has been confirmed by one destination.

A checkpoint goes with what it stands for: `SessionRecord` deletes it when a message is to be sent
again, and when the destination no longer has the session.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from opensync_hooks.ledger.ledger import Execute
from opensync_hooks.ledger.session_record import WHERE_MESSAGES, MessageState, SessionRecord
from opensync_hooks.model import Json


class StoredCheckpoint(NamedTuple):
    number: int
    state: Json
    """Of the source."""
    totals: Json
    """What the messages before it add up to."""


class NewCheckpoint(NamedTuple):
    rules: str
    """A digest of everything else that decides what is sent."""
    state: Json
    totals: Json
    names: Iterable[int]
    """Those that the previous checkpoint does not have yet."""


def load(record: SessionRecord, rules: str) -> StoredCheckpoint | None:
    """Return the session's checkpoint; None if it was saved under other rules, or is damaged."""
    query = f"SELECT number, state, totals FROM checkpoint {WHERE_MESSAGES} AND rules = ?"  # noqa: S608
    for number, state, totals in record.ledger.rows(query, *record.key, rules):
        try:
            return StoredCheckpoint(number, json.loads(state), json.loads(totals))
        except ValueError:
            return None
    return None


def save(record: SessionRecord, new: NewCheckpoint, previous: StoredCheckpoint | None) -> None:
    """Move the session's checkpoint on; without a previous one, begin anew.

    Does nothing if a command has asked meanwhile for a message to be sent again.
    """
    values = (new.rules, json.dumps(new.state), json.dumps(new.totals))
    with record.ledger.transaction() as execute:
        if previous is None:
            record.delete_checkpoint(execute)
            if _has_unconfirmed(execute, record):
                return
            insert = "INSERT INTO checkpoint (destination, agent, session, rules, state, totals)"
            execute(f"{insert} VALUES (?, ?, ?, ?, ?, ?)", *record.key, *values)
        else:
            update = "UPDATE checkpoint SET rules = ?, state = ?, totals = ? WHERE number = ?"
            execute(update, *values, previous.number)
        for (number,) in execute(f"SELECT number FROM checkpoint {WHERE_MESSAGES}", *record.key):  # noqa: S608
            names = sorted(new.names)  # in the order of the table: few pages are written
            insert = "INSERT OR IGNORE INTO checkpoint_name VALUES (?, ?)"
            execute.many(insert, ((number, name) for name in names))


def _has_unconfirmed(execute: Execute, record: SessionRecord) -> bool:
    """Whether any message of the session or its parts is not confirmed."""
    query = "SELECT 1 FROM message WHERE destination = ? AND agent = ? AND session"
    unconfirmed = "AND state NOT IN (?, ?) LIMIT 1"
    states = (MessageState.CONFIRMED.value, MessageState.DISMISSED.value)
    first, last = f"{record.session_id}#", f"{record.session_id}#:"  # behind all digits
    # Two queries, each of which the index answers.
    return bool(
        execute(f"{query} = ? {unconfirmed}", *record.key, *states)
        or execute(
            f"{query} BETWEEN ? AND ? {unconfirmed}",
            *(record.destination, record.agent, first, last, *states),
        )
    )


def delete(record: SessionRecord) -> None:
    with record.ledger.transaction() as execute:
        record.delete_checkpoint(execute)


def known_names(
    record: SessionRecord, checkpoint: StoredCheckpoint, names: Iterable[int]
) -> frozenset[int]:
    """Return which of these names are of lines before the checkpoint."""
    query = "SELECT name FROM checkpoint_name WHERE number = ? AND name IN"
    rows = record.ledger.rows_in(query, checkpoint.number, among=names)
    return frozenset(name for (name,) in rows)
