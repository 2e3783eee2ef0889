"""Subagents of which everything is confirmed, as their files are on the disk.

Of a session with thousands of them, one that has not changed is not opened again.
"""

from __future__ import annotations

from opensync_hooks.ledger.session_record import SessionRecord

_WHERE = "WHERE destination = ? AND agent = ? AND id = ?"


def is_confirmed(record: SessionRecord, fingerprint: str, rules: str) -> bool:
    """Whether all of the files, as they are, was confirmed by these rules.

    What is to be sent again, or was deleted at the destination, is not.
    """
    query = f"SELECT 1 FROM session {_WHERE} AND attempted = ?"  # noqa: S608 - a constant
    return bool(record.ledger.rows(query, *record.key, f"{rules} {fingerprint}"))


def confirm(record: SessionRecord, fingerprint: str, rules: str) -> None:
    """Remember that nothing is left to do until the files change."""
    update = f"UPDATE session SET attempted = ? {_WHERE} AND head IS NOT NULL"  # noqa: S608
    if not is_confirmed(record, fingerprint, rules):
        with record.ledger.transaction() as execute:
            execute(update, f"{rules} {fingerprint}", *record.key)
