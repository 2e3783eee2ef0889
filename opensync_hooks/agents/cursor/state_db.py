"""The editor's `state.vscdb`: the rows of one session, by the ranges of their keys.

    composerData:<session>              the session's document
    bubbleId:<session>:<bubble>         one fragment of a message
    agentKv:blob:<sha256>               one blob of the model's own view, see `graph`

The file may hold a hundred gigabytes: every statement here goes by the index. None of them can read
`ItemTable`, where the user's login lies.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor import timestamps
from opensync_hooks.agents.cursor.graph import Blobs, Graph, inline_root, load
from opensync_hooks.agents.json_access import Value, decode, items, part, record, string, strings

_LOGIN = frozenset({"ItemTable"})
_PAGE = 200
_MOST_CHILDREN = 1_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rows:
    """What one state of the database holds of a session, undecoded: most of it is read once."""

    composer: bytes = field(repr=False)
    bubbles: Mapping[str, bytes | None] = field(repr=False)
    header: bytes | None = field(default=None, repr=False)
    """Of the window's list of sessions, where the version has one."""


@dataclass(frozen=True, slots=True)
class Head:
    """A session at a glance. `mark` changes with every row of it that is written."""

    session_id: str
    mark: str
    changed_at: int
    is_empty: bool
    children: tuple[str, ...] = ()


def rows(path: Path, session_id: str) -> Rows | None:
    """Everything of the session; None where the database has no document of it."""
    return _read(path, lambda db: _rows(db, session_id))


def graph(path: Path, session_id: str) -> Graph | None:
    """The model's own view; None where the session has none."""
    return _read(path, lambda db: _graph(db, session_id))


def head(path: Path, session_id: str) -> Head | None:
    return _read(path, lambda db: _head(db, session_id))


def heads(path: Path) -> Iterator[Head]:
    """Every session, a page at a time: a longer transaction would hold the editor up."""
    last = "composerData:"
    while True:
        after = last
        page = _read(path, lambda db: _page(db, after)) or []  # noqa: B023 - used at once
        yield from (one for _, one in page if one)
        if len(page) < _PAGE:
            return
        last = page[-1][0]


def _read(path: Path, work: sqlite_snapshot.Work[T | None]) -> T | None:
    """None for a database of another kind, or of before there were such rows."""

    def if_there(db: sqlite3.Connection) -> T | None:
        return work(db) if _has_table(db, "cursorDiskKV") else None

    return sqlite_snapshot.read(path, if_there, forbidden=_LOGIN) if path.is_file() else None


def _has_table(db: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return db.execute(query, (name,)).fetchone() is not None


def _value(db: sqlite3.Connection, key: str) -> bytes | None:
    query = "SELECT value FROM cursorDiskKV WHERE key = ?"
    found = db.execute(query, (sqlite_snapshot.bound(key),)).fetchone()
    return found[0] if found and isinstance(found[0], bytes) else None


def _rows(db: sqlite3.Connection, session_id: str) -> Rows | None:
    composer = _value(db, f"composerData:{session_id}")
    if composer is None:
        return None
    start, end = _range(session_id)
    query = "SELECT key, value FROM cursorDiskKV WHERE key >= ? AND key < ?"
    found = db.execute(query, (sqlite_snapshot.bound(start), sqlite_snapshot.bound(end))).fetchall()
    skip = len(start.encode("utf-8", "surrogatepass"))
    bubbles = {
        key[skip:].decode("utf-8", "replace"): value if isinstance(value, bytes) else None
        for key, value in found
        if isinstance(key, bytes)
    }
    return Rows(composer, bubbles, _listed(db, session_id))


def _range(session_id: str) -> tuple[str, str]:
    return f"bubbleId:{session_id}:", f"bubbleId:{session_id};"  # `;` is the letter after `:`


def _listed(db: sqlite3.Connection, session_id: str) -> bytes | None:
    if not _has_table(db, "composerHeaders"):
        return None
    query = "SELECT value FROM composerHeaders WHERE composerId = ?"
    found = db.execute(query, (sqlite_snapshot.bound(session_id),)).fetchone()
    return found[0] if found and isinstance(found[0], bytes) else None


def _graph(db: sqlite3.Connection, session_id: str) -> Graph | None:
    composer = record(_value(db, f"composerData:{session_id}"))
    root = inline_root(string(composer, "conversationState"))
    return load(root, lambda wanted: _blobs(db, wanted)) if root else None


def _blobs(db: sqlite3.Connection, wanted: Iterable[str]) -> Blobs:
    found = ((name, _value(db, f"agentKv:blob:{name}")) for name in wanted)
    return {name: _unhexed(value) for name, value in found if value is not None}


def _unhexed(value: bytes) -> bytes:
    """Protobuf is kept as hex text, JSON as it is."""
    if value[:1] in (b"{", b"["):
        return value
    try:
        return bytes.fromhex(value.decode("ascii"))
    except ValueError:
        return value


def _head(db: sqlite3.Connection, session_id: str) -> Head | None:
    composer = _value(db, f"composerData:{session_id}")
    return None if composer is None else _described(db, session_id, composer)


def _described(db: sqlite3.Connection, session_id: str, composer: bytes) -> Head:
    document = record(composer)
    headers = items(document, "fullConversationHeadersOnly")
    counted, mark = _mark(db, session_id, composer, headers[-1:])
    mark += "".join(_mark(db, *child, [])[1] for child in _offspring(db, session_id, document))
    said = counted or document.get("conversation") or document.get("conversationMap")
    return Head(
        session_id=session_id,
        mark=hashlib.sha256(mark.encode()).hexdigest()[:32],
        changed_at=changed_at(document),
        is_empty=not said and len(string(document, "conversationState") or "") < 2,
        children=child_ids(document),
    )


def _offspring(
    db: sqlite3.Connection, session_id: str, document: Value
) -> Iterator[tuple[str, bytes]]:
    """The documents of all that the session started, also through others; each once."""
    waiting, seen = list(child_ids(document)), {session_id}
    while waiting and len(seen) <= _MOST_CHILDREN:
        child = waiting.pop(0)
        if child not in seen:
            seen.add(child)
            row = _value(db, f"composerData:{child}") or b""
            yield child, row
            waiting += child_ids(record(row))


def _mark(
    db: sqlite3.Connection, session_id: str, composer: bytes, last: list[object]
) -> tuple[int, str]:
    """Cursor replaces a row by a new one: its rowid tells, without reading the value, that it did.

    The bubble that a growing answer is in is looked at whole, should a version update it in place.
    """
    start, end = _range(session_id)
    query = "SELECT count(*), max(rowid), total(rowid) FROM cursorDiskKV WHERE key >= ? AND key < ?"
    counted = db.execute(
        query, (sqlite_snapshot.bound(start), sqlite_snapshot.bound(end))
    ).fetchone()
    newest = (_value(db, start + str(string(record(one), "bubbleId"))) for one in last)
    content = hashlib.sha256(composer + b"".join(one or b"" for one in newest)).hexdigest()
    return int(counted[0]), f"{counted}{content}"


def _page(db: sqlite3.Connection, after: str) -> list[tuple[str, Head | None]]:
    query = (
        "SELECT key, value FROM cursorDiskKV WHERE key > ? AND key < 'composerData;'"
        " ORDER BY key LIMIT ?"
    )
    found = []
    for raw, value in db.execute(query, (after, _PAGE)).fetchall():
        key = raw.decode("utf-8", "replace")
        session_id = key.removeprefix("composerData:")
        known = session_id and isinstance(value, bytes) and isinstance(decode(value), dict)
        found.append((key, _described(db, session_id, value) if known else None))
    return found


def parent_id(document: Value) -> str | None:
    return string(part(document, "subagentInfo"), "parentComposerId")


def child_ids(document: Value) -> tuple[str, ...]:
    listed = (*strings(document, "subagentComposerIds"), *strings(document, "subComposerIds"))
    own = string(document, "composerId")
    return tuple(dict.fromkeys(one for one in listed if one != own))[:_MOST_CHILDREN]


def changed_at(document: Value) -> int:
    """When anything was last said; a checkpoint can come later than the last update."""
    names = ("conversationCheckpointLastUpdatedAt", "lastUpdatedAt", "createdAt")
    return max(timestamps.moment(document.get(name)) or 0 for name in names)
