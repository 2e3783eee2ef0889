"""What came of a session, as `sync` counts it and the ledger remembers it."""

from __future__ import annotations

from enum import StrEnum


class SyncState(StrEnum):
    """Only the first three are complete. The values of the last five are in the ledger's file."""

    SYNCED = "synced"
    UP_TO_DATE = "up to date"
    """The session has not changed since all of it was confirmed."""
    EMPTY = "empty"
    """The agent was opened and closed again: there is nothing to deliver."""
    WAITING = "waiting"
    """The agent is still writing, or the server fails on a message, perhaps not for good."""
    EXCLUDED = "excluded"
    NOT_UNDERSTOOD = "not understood"
    """The session has content on the disk, and no message could be read from it."""
    INCOMPLETE = "incomplete"
    """Some lines, rows or utterances came to nothing; everything else has arrived."""
    QUARANTINED = "quarantined"
    """The destination refuses a message; everything else has arrived."""
    DELETED = "deleted there"
    """The user deleted it at the destination. Only `sync --force` sends it again."""
    FORGOTTEN = "forgotten"
    """The user deleted it by `forget`, and does not want to be told of it again."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do until the session changes."""
        return self in (SyncState.SYNCED, SyncState.UP_TO_DATE, SyncState.EMPTY)

    @property
    def is_deficient(self) -> bool:
        """Whether only a change of the session or of this program would help."""
        return self in (SyncState.NOT_UNDERSTOOD, SyncState.INCOMPLETE, SyncState.QUARANTINED)
