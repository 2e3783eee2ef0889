"""The store as a person looks through it: sessions found by words, then message by message.

Reads little at a time, so that neither a large session nor a long search keeps others waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from opensync_hooks.destinations.store.reads import (
    StoreReads,
    key_text,
    shown_message,
    shown_session,
)
from opensync_hooks.model import Json

# Of the last message; `updatedAt` is when the session was stored, which may be years later.
_SPOKEN = """coalesce((SELECT max(message.createdAt) FROM message
    WHERE message.session = session.id), session.createdAt)"""
# A parent is older than its subagents: in a circle of parents, each session is still on a list.
_FOUND = f"""SELECT id FROM session WHERE :agent IN ('', source) AND :project IN ('', projectPath)
    AND (:all OR NOT EXISTS (SELECT 1 FROM session AS parent
        WHERE parent.externalId = session.parentExternalId
        AND (parent.createdAt, parent.arrival) < (session.createdAt, session.arrival)))
    ORDER BY {_SPOKEN} DESC, arrival DESC"""  # noqa: S608 - our own text
_CARD = f"""SELECT *, promptTokens + completionTokens AS totalTokens, {_SPOKEN} AS spokenAt,
    (SELECT count(*) FROM message WHERE message.session = session.id) AS messageCount,
    (SELECT count(*) FROM session AS child
        WHERE child.parentExternalId = session.externalId) AS subagents
    FROM session WHERE id = :key OR externalId = :key ORDER BY id = :key DESC"""  # noqa: S608
_ABOUT = "SELECT title, projectPath FROM session WHERE id = ?"
_TEXTS = """SELECT id, textContent FROM message
    WHERE session = ? AND textContent IS NOT NULL ORDER BY createdAt, arrival"""
_PLACE = """SELECT count(*) FROM message, message AS this
    WHERE this.id = ? AND message.session = this.session
    AND (message.createdAt, message.arrival) < (this.createdAt, this.arrival)"""

_Mention = tuple[str, str]
"""A message's id and its text."""
_NOWHERE = ("", "")


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What a search asks for. All words have to occur, whatever their case, anywhere in it."""

    words: tuple[str, ...] = ()
    agent: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True)
class SearchHit:
    session: Json
    """As `card` shows it."""
    message_id: str = ""
    """The first of those that have most of the words; empty where only the title has them."""
    text: str = ""


class StoreSearch(StoreReads):
    def find(self, wanted: SearchQuery, skip: int, limit: int) -> list[SearchHit]:
        """Latest talk first. Without words, subagents are left to their parents."""
        found = islice(self._found(wanted), skip, skip + limit)
        cards = [(self.card(session_id), said) for session_id, said in found]
        return [SearchHit(card, *said) for card, said in cards if card]

    def card(self, id_or_external_id: str) -> Json | None:
        """A session without its messages, but with `spokenAt`, and `subagents`: how many."""
        with self._file.reading() as db:
            row = db.execute(_CARD, {"key": key_text(id_or_external_id)}).fetchone()
        return row and {
            **shown_session(row), "spokenAt": row["spokenAt"], "subagents": row["subagents"]
        }  # fmt: skip

    def agents(self) -> list[str]:
        with self._file.reading() as db:
            rows = db.execute("SELECT DISTINCT source FROM session WHERE source <> ''")
            return sorted(str(row["source"]) for row in rows)

    def message_ids(self, session_id: str, skip: int, limit: int) -> list[str]:
        """In the order they were said."""
        query = """SELECT id FROM message WHERE session = ?
            ORDER BY createdAt, arrival LIMIT ? OFFSET ?"""
        with self._file.reading() as db:
            return [row["id"] for row in db.execute(query, (session_id, limit, skip))]

    def message(self, message_id: str) -> Json | None:
        """One message whole, and in `session` the id of the session that it belongs to."""
        with self._file.reading() as db:
            row = db.execute(
                "SELECT * FROM message WHERE id = ?", (key_text(message_id),)
            ).fetchone()
        return row and {**shown_message(row), "session": row["session"]}

    def place(self, message_id: str) -> int:
        """How many messages of its session were said before this one."""
        with self._file.reading() as db:
            return int(db.execute(_PLACE, (key_text(message_id),)).fetchone()[0])

    def _found(self, wanted: SearchQuery) -> Iterator[tuple[str, _Mention]]:
        words = tuple({word.casefold(): None for word in wanted.words})
        asked = {"agent": key_text(wanted.agent), "project": key_text(wanted.project)}
        with self._file.reading() as db:
            rows = db.execute(_FOUND, {**asked, "all": bool(words)})
            ids = [str(row["id"]) for row in rows]
        for session_id in ids:
            said = self._mention(session_id, words) if words else _NOWHERE
            if said is not None:
                yield session_id, said

    def _mention(self, session_id: str, words: tuple[str, ...]) -> _Mention | None:
        """The message that has most of the words, with its text; None if a word is nowhere."""
        best, most = _NOWHERE, 0
        with self._file.reading() as db:
            about = " ".join(str(one) for one in db.execute(_ABOUT, (session_id,)).fetchone() or ())
            missing = {word for word in words if word not in about.casefold()}
            for message_id, text in db.execute(_TEXTS, (session_id,)):
                folded = str(text).casefold()
                said = {word for word in words if word in folded}
                missing -= said
                if len(said) > most:
                    best, most = (str(message_id), str(text)), len(said)
                if most == len(words):
                    break
        return None if missing else best
