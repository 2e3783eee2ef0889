"""What the ledger knows of one session at one destination."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from opensync_hooks import __version__
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.ledger import Execute, Ledger
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Skipped
from opensync_hooks.system import clock

_WHERE_SESSION = "WHERE destination = ? AND agent = ? AND id = ?"
_WHERE_MESSAGES = "WHERE destination = ? AND agent = ? AND session = ?"
_MAX_NAME_LENGTH = 60


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


@dataclass(frozen=True, slots=True)
class RemoteSession:
    """The session's row at the destination, as it was confirmed last."""

    remote_id: str
    hash: str | None
    """Of title, totals and the like; None until they were confirmed."""
    title: str | None
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a session cost by itself."""

    tokens: int = 0
    cost: float | None = None
    unpriced: tuple[str, ...] = ()
    """The models without a price."""
    stated_free: Mapping[str, float] = field(default_factory=dict)
    """The USD at list price of models that the agent states as free."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session at one destination. Methods raise what the ledger raises."""

    ledger: Ledger
    destination: str
    agent: str
    session_id: str

    @property
    def _key(self) -> tuple[str, str, str]:
        return self.destination, self.agent, self.session_id

    def remote_session(self) -> RemoteSession | None:
        """Return the session's row at the destination; None if it never answered with an id."""
        columns = "remote_id, head, title, end_reason"
        query = f"SELECT {columns} FROM session {_WHERE_SESSION} AND remote_id IS NOT NULL"  # noqa: S608 - names of our own
        rows = self.ledger.rows(query, *self._key)
        return RemoteSession(*rows[0]) if rows else None

    def set_remote_id(self, remote_id: str) -> None:
        self._update_session(remote_id=remote_id)

    def confirm_session(
        self,
        content_hash: str,
        title: str | None,
        end_reason: str | None,
        totals: Totals = Totals(),
    ) -> None:
        """Remember title and totals as confirmed."""
        columns: dict[str, object] = {"head": content_hash, "title": title}
        columns |= {"end_reason": end_reason, "unpriced": "\n".join(totals.unpriced)}
        columns |= {"tokens": totals.tokens, "cost": totals.cost}
        with self.ledger.transaction() as execute:
            self._upsert_session(execute, columns)
            execute(f"DELETE FROM stated_free {_WHERE_MESSAGES}", *self._key)  # noqa: S608
            for model, list_price in totals.stated_free.items():
                insert = "INSERT INTO stated_free VALUES (?, ?, ?, ?, ?)"
                execute(insert, *self._key, model, list_price)

    def confirmed_cost(self, tokens: int) -> float | None:
        """Return the USD that were confirmed for this number of tokens; None for another number."""
        query = f"SELECT cost FROM session {_WHERE_SESSION} AND tokens = ?"  # noqa: S608
        return next((cost for (cost,) in self.ledger.rows(query, *self._key, tokens)), None)

    def fingerprint(self) -> str | None:
        """Return how the session looked on disk when all of it had been confirmed."""
        rows = self.ledger.rows(f"SELECT fingerprint FROM session {_WHERE_SESSION}", *self._key)  # noqa: S608
        return rows[0][0] if rows else None

    def state(self, fingerprint: str) -> SyncState | None:
        """Return what came of the session as it is on disk now; None if it has to be tried.

        Another version of this program may read what this one could not.
        """
        columns = "fingerprint, attempted, outcome"
        query = f"SELECT {columns} FROM session {_WHERE_SESSION}"  # noqa: S608
        for finished, attempted, outcome in self.ledger.rows(query, *self._key):
            if finished == fingerprint:
                return SyncState.UP_TO_DATE
            if attempted == f"{__version__} {fingerprint}":
                return SyncState(outcome)
        return None

    def set_fingerprint(self, fingerprint: str) -> None:
        """Remember that all was confirmed, also where there was nothing to send."""
        now = clock.now()
        self._update_session(fingerprint=fingerprint, synced_at=now, attempted=None, outcome=None)

    def set_deficient(self, fingerprint: str, state: SyncState) -> None:
        """Remember that the session as it is on disk cannot be delivered whole by this version."""
        attempted = f"{__version__} {fingerprint}"
        self._update_session(fingerprint=None, attempted=attempted, outcome=state.value)

    def origin(self) -> str | None:
        """Return which of the agent's copies of the session was delivered."""
        rows = self.ledger.rows(f"SELECT origin FROM session {_WHERE_SESSION}", *self._key)  # noqa: S608
        return rows[0][0] if rows else None

    def set_origin(self, origin: str) -> None:
        """Remember the copy that a confirmed message came from."""
        if self.origin() != origin:
            self._update_session(origin=origin)

    def message(self, message_id: str) -> MessageRecord | None:
        query = f"SELECT hash, state FROM message {_WHERE_MESSAGES} AND id = ?"  # noqa: S608
        rows = self.ledger.rows(query, *self._key, message_id)
        return MessageRecord(rows[0][0], MessageState(rows[0][1])) if rows else None

    def message_hashes(self) -> dict[str, str]:
        """Return the hash of each message that was sent and is not known to be refused."""
        query = f"SELECT id, hash FROM message {_WHERE_MESSAGES} AND state IN (?, ?)"  # noqa: S608
        states = MessageState.CONFIRMED.value, MessageState.PENDING.value
        return dict(self.ledger.rows(query, *self._key, *states))

    def set_message(
        self, message_id: str, content_hash: str, state: MessageState, reason: str | None = None
    ) -> None:
        self.set_messages([(message_id, content_hash, state, reason)])

    def set_messages(self, rows: Iterable[tuple[str, str, MessageState, str | None]]) -> None:
        """Set id, hash, state and reason of several messages in one transaction."""
        insert = "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?)"
        with self.ledger.transaction() as execute:
            for message_id, content_hash, state, reason in rows:
                execute(insert, *self._key, message_id, content_hash, state.value, reason)

    def dismiss_message(self, message_id: str) -> None:
        """Stop reporting a quarantined message, and do not send it again as it is."""
        update = f"UPDATE message SET state = ? {_WHERE_MESSAGES} AND id = ? AND state = ?"  # noqa: S608
        states = MessageState.DISMISSED.value, MessageState.QUARANTINED.value
        with self.ledger.transaction() as execute:
            execute(update, states[0], *self._key, message_id, states[1])
            # The message may be of a subagent or a part: whichever session waits for it is next.
            execute(
                "UPDATE session SET attempted = NULL, outcome = NULL"
                " WHERE destination = ? AND agent = ? AND outcome = ?",
                *(self.destination, self.agent, SyncState.QUARANTINED.value),
            )

    def mark_pending(self, message_ids: Iterable[str] | None = None) -> None:
        """Have these messages sent again, or all of them; in any case also title and totals."""
        update = f"UPDATE message SET state = ? {_WHERE_MESSAGES}"  # noqa: S608
        values = (MessageState.PENDING.value, *self._key)
        with self.ledger.transaction() as execute:
            columns = ("head", "title", "fingerprint", "attempted", "outcome")
            self._upsert_session(execute, dict.fromkeys(columns))
            if message_ids is None:
                execute(update, *values)
            for message_id in message_ids or ():
                execute(f"{update} AND id = ?", *values, message_id)

    def forget(self) -> None:
        """Forget what was confirmed: the destination no longer has the session."""
        with self.ledger.transaction() as execute:
            for table in ("message", "stated_free", "agent_total"):
                execute(f"DELETE FROM {table} {_WHERE_MESSAGES}", *self._key)  # noqa: S608
            execute(f"DELETE FROM session {_WHERE_SESSION}", *self._key)  # noqa: S608

    def claim_charges(self, charge_ids: Iterable[str]) -> dict[str, str]:
        """Return the session that owns each API call: the first one that ever claimed it.

        A fork copies the calls of the session it came from; they are billed to one of the two.
        """
        insert = "INSERT OR IGNORE INTO charge VALUES (?, ?, ?, ?)"
        select = f"SELECT session FROM charge {_WHERE_SESSION}"  # noqa: S608
        owners: dict[str, str] = {}
        with self.ledger.transaction() as execute:
            for charge_id in charge_ids:
                charge_key = (self.destination, self.agent, charge_id)
                execute(insert, *charge_key, self.session_id)
                ((owners[charge_id],),) = execute(select, *charge_key)
        return owners

    def charge_owners(self, charge_ids: Iterable[str]) -> dict[str, str]:
        """Return what `claim_charges` would, without claiming anything."""
        ids = tuple(charge_ids)
        return dict.fromkeys(ids, self.session_id) | self.claimed_charges(ids)

    def claimed_charges(self, charge_ids: Iterable[str]) -> dict[str, str]:
        """Return the owners of the charges that any session has claimed so far."""
        select = f"SELECT session FROM charge {_WHERE_SESSION}"  # noqa: S608
        owners: dict[str, str] = {}
        for charge_id in charge_ids:
            for (owner,) in self.ledger.rows(select, self.destination, self.agent, charge_id):
                owners[charge_id] = owner
        return owners

    def set_losses(self, counts: Mapping[str, int]) -> None:
        """Replace what was cut from the session's texts, by kind; dropped copies stay."""
        where = f"{_WHERE_MESSAGES} AND kind <> ?"
        values = (*self._key, losses.DROPPED_COPIES)
        present = {kind: count for kind, count in counts.items() if count}
        rows = self.ledger.rows(f"SELECT kind, count FROM loss {where}", *values)  # noqa: S608
        if dict(rows) == present:
            return
        with self.ledger.transaction() as execute:
            execute(f"DELETE FROM loss {where}", *values)  # noqa: S608
            for kind, count in present.items():
                execute("INSERT INTO loss VALUES (?, ?, ?, ?, ?)", *self._key, kind, count)

    def set_skipped(self, counts: Mapping[Skipped, int], agent_version: str | None) -> None:
        """Replace what the source skipped; `agent_version`: the version that wrote the session."""
        totals = Counter[Skipped]()
        for skipped, count in counts.items():
            totals[skipped._replace(name=_printable(skipped.name))] += count
        rows = {(*skipped, count, agent_version) for skipped, count in totals.items() if count}
        columns = "kind, name, count, agent_version"
        query = f"SELECT {columns} FROM skipped {_WHERE_MESSAGES}"  # noqa: S608
        if rows == set(self.ledger.rows(query, *self._key)):
            return
        with self.ledger.transaction() as execute:
            execute(f"DELETE FROM skipped {_WHERE_MESSAGES}", *self._key)  # noqa: S608
            for row in rows:
                execute("INSERT INTO skipped VALUES (?, ?, ?, ?, ?, ?, ?)", *self._key, *row)

    def note_dropped_copy(self) -> None:
        """Remember that the session's backup was dropped, perhaps the only copy of it."""
        row = (*self._key, losses.DROPPED_COPIES, 1)
        with self.ledger.transaction() as execute:
            execute("INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?)", *row)

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
            *(*self._key, *columns.values()),
        )


def _printable(name: str) -> str:
    """Some sources name what they skip by the agent's term, which may hold control characters."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name)[:_MAX_NAME_LENGTH]
