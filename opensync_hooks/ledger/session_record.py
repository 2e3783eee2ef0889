"""What the ledger knows of one session at one destination."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import StrEnum

from opensync_hooks import __version__
from opensync_hooks.dataclass import dataclass
from opensync_hooks.ledger.ledger import Execute, Ledger
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.ledger.totals import NO_TOTALS, Totals
from opensync_hooks.system import clock

_WHERE_SESSION = "WHERE destination = ? AND agent = ? AND id = ?"
WHERE_MESSAGES = "WHERE destination = ? AND agent = ? AND session = ?"


class MessageState(StrEnum):
    """What became of a message; the values are those in the file."""

    PENDING = "in doubt"
    """It was sent, or is to be sent again, and the answer is not known."""
    CONFIRMED = "confirmed"
    QUARANTINED = "parked"
    """The destination refuses it; `queue` shows why, and `queue retry` sends it again."""
    DISMISSED = "dropped"
    """It was quarantined, and the user does not want to see it any more."""

    @classmethod
    def _missing_(cls, _value: object) -> MessageState:
        """Have a message sent again whose state is damaged."""
        return cls.PENDING


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """The version of a message that was sent last, and what became of it."""

    hash: str
    state: MessageState
    stored_as: str | None = None
    """The destination's id of it, where another program has stored it under one of its own."""


@dataclass(frozen=True, slots=True)
class RemoteSession:
    """The session's row at the destination, as it was confirmed last."""

    remote_id: str
    hash: str | None
    """Of title, totals and the like; None until they were confirmed."""
    title: str | None
    end_reason: str | None
    confirmed_at: int | None = field(default=None, compare=False)
    """When this machine stored the totals, in ms since 1970."""
    totals: Totals | None = None
    """As they were stored last; None if an earlier version stored them."""
    others: Totals = NO_TOTALS
    """The part of them that other machines and programs contributed."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session at one destination. Methods raise what the ledger raises."""

    ledger: Ledger
    destination: str
    agent: str
    session_id: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.destination, self.agent, self.session_id

    def remote_session(self) -> RemoteSession | None:
        """Return the session's row at the destination; None if it never answered with an id."""
        columns = "remote_id, head, title, end_reason, confirmed_at, totals, others"
        query = f"SELECT {columns} FROM session {_WHERE_SESSION} AND remote_id IS NOT NULL"  # noqa: S608 - names of our own
        rows = self.ledger.rows(query, *self.key)
        if not rows:
            return None
        *fields, totals, others = rows[0]
        remote = RemoteSession(*fields)
        others_totals = Totals.parse(others) or NO_TOTALS
        return replace(remote, totals=Totals.parse(totals), others=others_totals)

    def set_remote_id(self, remote_id: str) -> None:
        self._update_session(remote_id=remote_id)

    def adopt(
        self, remote_id: str, head: str | None, title: str | None, totals: Totals, others: Totals
    ) -> None:
        """Take over a session that the destination already has; `head`: None to send its totals."""
        self._update_session(
            remote_id=remote_id,
            head=head,
            title=title,
            totals=totals.to_text(),
            others=others.to_text(),
        )

    def set_slimmed(self) -> None:
        """Remember that the search text of the session was cut short."""
        self._update_session(slimmed_at=clock.now())

    def set_totals(self, totals: Totals, others: Totals) -> None:
        """Remember what is stored, and which part of it others contributed."""
        self._update_session(totals=totals.to_text(), others=others.to_text())

    def set_parent(self, parent_id: str | None) -> None:
        """Remember which session started this one as its subagent."""
        rows = self.ledger.rows(f"SELECT parent FROM session {_WHERE_SESSION}", *self.key)  # noqa: S608
        if rows and rows[0][0] != (parent_id or ""):
            self._update_session(parent=parent_id or "")

    def removed(self) -> SyncState | None:
        """Return DELETED or FORGOTTEN for a session that only `sync --force` sends again."""
        rows = self.ledger.rows(f"SELECT removed FROM session {_WHERE_SESSION}", *self.key)  # noqa: S608
        return SyncState(rows[0][0]) if rows and rows[0][0] else None

    def set_removed(self, state: SyncState) -> None:
        """Remember that the user deleted the session at the destination, or here by `forget`."""
        self.forget()
        self._update_session(removed=state.value)

    def count_later(self, confirmed_at: int) -> int:
        """Return how many sessions of the account this machine has stored since that time."""
        query = "SELECT count(*) FROM session WHERE destination = ? AND confirmed_at > ?"
        return int(self.ledger.rows(query, self.destination, confirmed_at)[0][0])

    def confirm_session(
        self,
        content_hash: str,
        title: str | None,
        end_reason: str | None,
        unpriced: Iterable[str],
        stated_free: Mapping[str, float] | None = None,
    ) -> None:
        """Remember title and totals as confirmed.

        `unpriced`: the models without a price. `stated_free`: the USD at list price of models that
        the agent states as free.
        """
        columns: dict[str, object] = {"head": content_hash, "title": title}
        columns |= {"end_reason": end_reason, "unpriced": "\n".join(unpriced)}
        columns |= {"confirmed_at": clock.now(), "slimmed_at": None}
        with self.ledger.transaction() as execute:
            self._upsert_session(execute, columns)
            execute(f"DELETE FROM stated_free {WHERE_MESSAGES}", *self.key)  # noqa: S608
            for model, list_price in (stated_free or {}).items():
                insert = "INSERT INTO stated_free VALUES (?, ?, ?, ?, ?)"
                execute(insert, *self.key, model, list_price)

    def fingerprint(self) -> str | None:
        """Return how the session looked on disk when all of it had been confirmed."""
        rows = self.ledger.rows(f"SELECT fingerprint FROM session {_WHERE_SESSION}", *self.key)  # noqa: S608
        return rows[0][0] if rows else None

    def state(self, fingerprint: str) -> SyncState | None:
        """Return what came of the session as it is on disk now; None if it has to be tried.

        Another version of this program may read what this one could not.
        """
        columns = "fingerprint, attempted, outcome, removed"
        query = f"SELECT {columns} FROM session {_WHERE_SESSION}"  # noqa: S608
        for finished, attempted, outcome, removed in self.ledger.rows(query, *self.key):
            if removed:
                return SyncState(removed)
            if finished == fingerprint:
                return SyncState.UP_TO_DATE
            if attempted == f"{__version__} {fingerprint}":
                return SyncState(outcome)
        return None

    def is_checked(self, fingerprint: str, rules: str) -> bool:
        """Whether this version confirmed all of the session as it is on disk, by these rules."""
        query = f"SELECT fingerprint, attempted FROM session {_WHERE_SESSION}"  # noqa: S608
        return self.ledger.rows(query, *self.key) == [(fingerprint, f"{__version__} {rules}")]

    def set_fingerprint(self, fingerprint: str, rules: str = "") -> None:
        """Remember that all was confirmed, also where there was nothing to send.

        `rules`: a digest of the settings that decided what was sent.
        """
        now, attempted = clock.now(), f"{__version__} {rules}"
        columns = {"fingerprint": fingerprint, "synced_at": now, "attempted": attempted}
        self._update_session(**columns, outcome=None)

    def set_deficient(self, fingerprint: str, state: SyncState) -> None:
        """Remember that the session as it is on disk cannot be delivered whole by this version."""
        attempted = f"{__version__} {fingerprint}"
        self._update_session(fingerprint=None, attempted=attempted, outcome=state.value)

    def set_masking(self, digest: str) -> None:
        """Remember the rules by which all of the session that is stored was masked."""
        query = f"SELECT 1 FROM session {_WHERE_SESSION} AND masking = ?"  # noqa: S608
        if self.remote_session() and not self.ledger.rows(query, *self.key, digest):
            self._update_session(masking=digest)

    def origin(self) -> str | None:
        """Return which of the agent's copies of the session was delivered."""
        rows = self.ledger.rows(f"SELECT origin FROM session {_WHERE_SESSION}", *self.key)  # noqa: S608
        return rows[0][0] if rows else None

    def set_origin(self, origin: str) -> None:
        """Remember the copy that a confirmed message came from."""
        if self.origin() != origin:
            self._update_session(origin=origin)

    def message(self, message_id: str) -> MessageRecord | None:
        query = f"SELECT hash, state, stored_as FROM message {WHERE_MESSAGES} AND id = ?"  # noqa: S608
        for content_hash, state, stored_as in self.ledger.rows(query, *self.key, message_id):
            return MessageRecord(content_hash, MessageState(state), stored_as)
        return None

    def message_hashes(self) -> dict[str, str]:
        """Return the hash of each message that was sent and is not known to be refused."""
        query = f"SELECT id, hash FROM message {WHERE_MESSAGES} AND state IN (?, ?)"  # noqa: S608
        states = MessageState.CONFIRMED.value, MessageState.PENDING.value
        return dict(self.ledger.rows(query, *self.key, *states))

    def set_message(
        self, message_id: str, content_hash: str, state: MessageState, reason: str | None = None
    ) -> None:
        self.set_messages([(message_id, content_hash, state, reason)])

    def set_messages(
        self,
        rows: Iterable[tuple[str, str, MessageState, str | None]],
        stored_as: str | None = None,
    ) -> None:
        """Set id, hash, state and reason of several messages in one transaction."""
        upsert = """INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
            hash = excluded.hash, state = excluded.state, reason = excluded.reason,
            stored_as = coalesce(excluded.stored_as, stored_as)"""
        values = (
            (*self.key, name, content_hash, state.value, reason, stored_as)
            for name, content_hash, state, reason in rows
        )
        with self.ledger.transaction() as execute:
            execute.many(upsert, values)

    def dismiss_message(self, message_id: str) -> None:
        """Stop reporting a quarantined message, and do not send it again as it is."""
        update = f"UPDATE message SET state = ? {WHERE_MESSAGES} AND id = ? AND state = ?"  # noqa: S608
        states = MessageState.DISMISSED.value, MessageState.QUARANTINED.value
        with self.ledger.transaction() as execute:
            execute(update, states[0], *self.key, message_id, states[1])
            # The message may be of a subagent or a part: whichever session waits for it is next.
            execute(
                "UPDATE session SET attempted = NULL, outcome = NULL"
                " WHERE destination = ? AND agent = ? AND outcome = ?",
                *(self.destination, self.agent, SyncState.QUARANTINED.value),
            )

    def mark_pending(self, message_ids: Iterable[str] | None = None) -> None:
        """Have these messages sent again, or all of them; in any case also title and totals."""
        update = f"UPDATE message SET state = ? {WHERE_MESSAGES}"  # noqa: S608
        values = (MessageState.PENDING.value, *self.key)
        with self.ledger.transaction() as execute:
            columns = ("head", "title", "fingerprint", "attempted", "outcome", "removed")
            self._upsert_session(execute, dict.fromkeys(columns))
            self.delete_checkpoint(execute)
            if message_ids is None:
                execute(update, *values)
            for message_id in message_ids or ():
                execute(f"{update} AND id = ?", *values, message_id)

    def forget(self) -> None:
        """Forget what was confirmed: the destination no longer has the session."""
        with self.ledger.transaction() as execute:
            for table in ("message", "stated_free", "agent_total"):
                execute(f"DELETE FROM {table} {WHERE_MESSAGES}", *self.key)  # noqa: S608
            execute(f"DELETE FROM session {_WHERE_SESSION}", *self.key)  # noqa: S608
            self.delete_checkpoint(execute)

    def delete_checkpoint(self, execute: Execute) -> None:
        """Have the session read from its beginning again, also if this is a part of it."""
        where = "WHERE destination = ? AND agent = ? AND session IN (?, ?)"
        key = (*self.key, self.session_id.partition("#")[0])
        numbers = f"(SELECT number FROM checkpoint {where})"  # noqa: S608
        execute(f"DELETE FROM checkpoint_name WHERE number IN {numbers}", *key)  # noqa: S608
        execute(f"DELETE FROM checkpoint {where}", *key)  # noqa: S608

    def _update_session(self, **columns: object) -> None:
        with self.ledger.transaction() as execute:
            self._upsert_session(execute, columns)

    def _upsert_session(self, execute: Execute, columns: dict[str, object]) -> None:
        names = ", ".join(columns)
        marks = ", ?" * len(columns)
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
        execute(
            f"INSERT INTO session (destination, agent, id, {names}) VALUES (?, ?, ?{marks})"  # noqa: S608
            f" ON CONFLICT DO UPDATE SET {changes}",
            *(*self.key, *columns.values()),
        )
