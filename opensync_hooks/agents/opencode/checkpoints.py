"""Where a session of a database is read on, without decoding the rows that were read before.

All rows are taken out as they are. Those before the checkpoint are only hashed: if any of them has
changed, has gone or has been added, the session is read whole. The place is in front of the last
prompt, as OpenCode goes on writing to the turn behind it; a subagent's is at its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from opensync_hooks.agents.digests import RowDigest, of_name
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.agents.opencode.layouts import StoredMessage
from opensync_hooks.agents.opencode.messages import MessageConverter, injected_id
from opensync_hooks.agents.opencode.product import Product
from opensync_hooks.agents.opencode.session_rows import SessionRows
from opensync_hooks.agents.opencode.sessions import SessionReader, read_session, stored_ids
from opensync_hooks.agents.opencode.table_reader import as_text
from opensync_hooks.agents.source import NotResumableError, SavedCheckpoint
from opensync_hooks.model import Checkpoint, Json, Message, Session, Skipped

_MAX_FACTS = 200
"""Messages that are decoded each time, as they say something of the session."""
_MAX_MASKED = 200
"""Messages with secrets that are masked again each time, so that the secrets are known."""


def read_rows(rows: SessionRows, product: Product, saved: SavedCheckpoint | None) -> Session:
    """Read a session from its checkpoint on, or whole where that is not possible."""
    if rows.header.revert or not all(isinstance(row[0], bytes) for row in rows.messages):
        return read_session(rows(), product)
    if saved:
        try:
            return _RowReader(rows, product, saved).read()
        except NotResumableError:
            pass
    return _RowReader(rows, product, None).read()


class _RowReader:
    """Reads the rows of one session once. Raises NotResumableError."""

    def __init__(self, rows: SessionRows, product: Product, saved: SavedCheckpoint | None) -> None:
        self._rows = rows
        self._saved = saved
        self._state: Json = saved.state if saved else {}
        self._start = int(self._state.get("count", 0))
        skipped = Counter({Skipped(*key): count for *key, count in self._state.get("skipped", ())})
        self._session = SessionReader(rows.header, product, skipped)
        self._digest = RowDigest((rows.form, rows.header.version))
        self._earlier: dict[bytes, int] = {}
        """The numbers of the messages before the checkpoint, by their ids."""

    def read(self) -> Session:
        rows, session = self._rows, self._session
        if self._saved:
            self._restore()
        end, next_start = len(rows.messages), self._resume_number()
        self._add(rows.decode(self._start, next_start, session.skipped))
        before = len(session.messages), len(session.charges)
        state = self._state_at(next_start)
        self._add(rows.decode(next_start, end, session.skipped))
        charges = (of_name(charge.id) for charge in session.charges)
        if self._saved and self._saved.known_names(charges):  # the same call is in it twice
            raise NotResumableError
        ids = [as_text(row[0]) for row in rows.messages]
        session.skipped.update(rows.skipped_outside(has_messages=session.has_stored))
        return replace(
            session.session(),
            stored_ids=stored_ids(ids) if session.has_parts else None,
            masked_before=tuple(self._convert(self._state.get("masked", ()))),
            checkpoint=self._checkpoint(state, *before) if state else None,
        )

    def _restore(self) -> None:
        """Take over what an earlier read has learned of the rows before the checkpoint."""
        rows, session, state = self._rows, self._session, self._state
        earlier = rows.messages[: self._start]
        self._digest.add(earlier)
        self._earlier = {row[0]: number for number, row in enumerate(earlier)}
        if len(rows.messages) < self._start or self._digest.hexdigest() != state["digest"]:
            raise NotResumableError
        session.created_at, session.updated_at = state["created_at"], state["updated_at"]
        session.duration_ms = state["duration_ms"]
        session.is_resumed = session.has_stored = session.has_parts = True
        for number in state["facts"]:
            session.learn(number, self._message(number))

    def _resume_number(self) -> int:
        """Return the number of the message in front of which the next read may begin."""
        end = len(self._rows.messages)
        if self._rows.header.parent_id is not None:
            return end
        for number in range(end - 1, max(self._start, 0), -1):
            if get_str(self._message(number).info, "role") == "user":
                return number
        return self._start

    def _message(self, number: int) -> StoredMessage:
        ((_, message),) = self._rows.decode(number, number + 1, Counter())
        return message

    def _add(self, messages: Iterator[tuple[int, StoredMessage]]) -> None:
        for number, message in messages:
            parent = self._earlier_parent(message)
            if parent is not None:
                self._session.learn(parent, self._message(parent))
            self._session.add(number, message)

    def _earlier_parent(self, message: StoredMessage) -> int | None:
        """Return the number of the prompt that a message answers, if that is not read again."""
        name = get_str(message.info, "parentID")
        return self._earlier.get(name.encode("utf-8", "surrogatepass")) if name else None

    def _state_at(self, number: int) -> Json | None:
        """Return what is known once all messages before this one have been added."""
        session = self._session
        facts = session.facts
        is_possible = session.has_parts and (session.messages or session.is_resumed)
        if not is_possible or len(facts) > _MAX_FACTS:
            return None
        self._digest.add(self._rows.messages[self._start : number])
        return {
            "count": number,
            "digest": self._digest.hexdigest(),
            "created_at": session.created_at,
            "updated_at": session.updated_at,
            "duration_ms": session.duration_ms,
            "facts": sorted(facts),
            "skipped": [[*skipped, count] for skipped, count in session.skipped.items()],
        }

    def _checkpoint(self, state: Json, messages: int, charges: int) -> Checkpoint | None:
        session = self._session
        names = [as_text(row[0]) for row in self._rows.messages[self._start : state["count"]]]
        later = frozenset(charge.id for charge in session.charges[charges:])
        if not later.isdisjoint(charge.id for charge in session.charges[:charges]):
            return None
        return Checkpoint(
            state=partial(_with_masked, state, [*self._state.get("masked", ())], names),
            names=[of_name(charge.id) for charge in session.charges[:charges]],
            later_messages=frozenset(message.id for message in session.messages[messages:]),
            later_charges=later,
        )

    def _convert(self, numbers: Sequence[int]) -> Iterator[Message]:
        """Yield messages before the checkpoint as they were sent."""
        converter = MessageConverter(Counter())
        for number in numbers:
            message = self._message(number)
            parent = self._earlier_parent(message)
            if parent is not None:
                converter.learn(self._message(parent))
            yield from converter.convert(message, None, undone=False)


def _with_masked(
    state: Json, earlier: list[int], names: list[str], masked: Collection[str]
) -> Json | None:
    """Add the numbers of messages with secrets; `names`: those behind the last checkpoint."""
    start = state["count"] - len(names)
    numbers = [
        number
        for number, name in enumerate(names, start)
        if name in masked or injected_id(name) in masked
    ]
    numbers = [*earlier, *numbers]
    return {**state, "masked": numbers} if len(numbers) <= _MAX_MASKED else None
