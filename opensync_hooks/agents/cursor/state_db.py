"""The editor's `state.vscdb`: the rows of one session, by the ranges of their keys.

    composerData:<session>              the session's document
    bubbleId:<session>:<bubble>         one fragment of a message
    agentKv:blob:<sha256>               one blob of the model's own view, see `graph`

The file may have a hundred gigabytes, so every statement here uses the index. None of them can read
`ItemTable`, which holds the user's login.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor import timestamps, unknown
from opensync_hooks.agents.cursor.graph import Graph, inline_root, load
from opensync_hooks.agents.cursor.turns import Blobs
from opensync_hooks.agents.json_access import (
    as_dict,
    decode_dict,
    get_list,
    get_str,
    get_strs,
)
from opensync_hooks.agents.sqlite_snapshot import as_parameter
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json, Skipped

_LOGIN = frozenset({"ItemTable"})
_MAX_CHILDREN = 1_000
PREFIX = "composerData:"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ComposerRows:
    """The rows of one session in one state of the database, undecoded: most are read once."""

    composer: bytes = field(repr=False)
    bubbles: Mapping[str, bytes | None] = field(repr=False)
    """In the order in which they were last written."""
    header: bytes | None = field(default=None, repr=False)
    """From the window's list of sessions, where the version has one."""
    unknown: Counter[Skipped] = field(default_factory=Counter)
    """Rows in tables, and under keys, that no version has had."""


@dataclass(frozen=True, slots=True)
class ComposerSummary:
    """One session without its messages. `mark` changes with every row that is written."""

    session_id: str
    mark: str
    changed_at: int
    is_empty: bool
    is_damaged: bool = False
    """Its rows are in a damaged part of the file."""
    children: tuple[str, ...] = ()


def read_rows(path: Path, session_id: str) -> ComposerRows | None:
    """Return everything of the session; None if the database has no document of it."""
    return read(path, lambda db: _rows(db, session_id))


def read_graph(path: Path, session_id: str) -> Graph | None:
    """Return the model's own view; None if the session has none."""
    return read(path, lambda db: _graph(db, session_id))


def read_summary(path: Path, session_id: str) -> ComposerSummary | None:
    return read(path, lambda db: summary(db, session_id))


def read(path: Path, work: sqlite_snapshot.Query[T | None]) -> T | None:
    """Return what `work` does; None without a file, or without the table, as in early versions."""

    def checked(db: sqlite3.Connection) -> T | None:
        return work(db) if _has_table(db, "cursorDiskKV") else None

    if not path.is_file() and not path.is_symlink():
        return None
    return sqlite_snapshot.read(path, checked, forbidden=_LOGIN, follows_link=True)


def _has_table(db: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return db.execute(query, (name,)).fetchone() is not None


def _value(db: sqlite3.Connection, key: str) -> bytes | None:
    row = db.execute(
        "SELECT value FROM cursorDiskKV WHERE key = ?", (as_parameter(key),)
    ).fetchone()
    return row[0] if row and isinstance(row[0], bytes) else None


def _bubble_range(session_id: str) -> tuple[str, str]:
    return f"bubbleId:{session_id}:", f"bubbleId:{session_id};"  # `;` is the character after `:`


def _rows(db: sqlite3.Connection, session_id: str) -> ComposerRows | None:
    composer = _document(db, session_id)
    if composer is None:
        return None
    start, end = _bubble_range(session_id)
    query = "SELECT key, value, rowid FROM cursorDiskKV WHERE key >= ? AND key < ?"
    rows = db.execute(query, (as_parameter(start), as_parameter(end))).fetchall()
    prefix_length = len(start.encode("utf-8", "surrogatepass"))
    bubbles = {
        key[prefix_length:].decode("utf-8", "replace"): value if isinstance(value, bytes) else None
        for key, value, _ in sorted(rows, key=itemgetter(2))
        if isinstance(key, bytes)
    }
    header = None
    if _has_table(db, "composerHeaders"):
        query = "SELECT value FROM composerHeaders WHERE composerId = ?"
        row = db.execute(query, (as_parameter(session_id),)).fetchone()
        header = row[0] if row and isinstance(row[0], bytes) else None
    return ComposerRows(composer, bubbles, header, unknown.in_database(db, session_id))


def _graph(db: sqlite3.Connection, session_id: str) -> Graph | None:
    composer = as_dict(_value(db, PREFIX + session_id))
    root = inline_root(get_str(composer, "conversationState"))
    return load(root, lambda blob_ids: _blobs(db, blob_ids)) if root else None


def _blobs(db: sqlite3.Connection, blob_ids: Iterable[str]) -> Blobs:
    values = ((blob_id, _value(db, f"agentKv:blob:{blob_id}")) for blob_id in blob_ids)
    return {blob_id: _unhexed(value) for blob_id, value in values if value is not None}


def _unhexed(value: bytes) -> bytes:
    """Decode a protobuf message, which is stored as hex text; JSON is stored as it is."""
    if value[:1] in (b"{", b"["):
        return value
    try:
        return bytes.fromhex(value.decode("ascii"))
    except ValueError:
        return value


def _document(db: sqlite3.Connection, session_id: str) -> bytes | None:
    """Return the session's document, or an empty one where only its bubbles are left."""
    damage: sqlite3.DatabaseError | None = None
    try:
        composer = _value(db, PREFIX + session_id)
        if composer is not None and decode_dict(composer) is not None:
            return composer
    except sqlite3.DatabaseError as error:
        damage = error
    query = "SELECT 1 FROM cursorDiskKV WHERE key >= ? AND key < ? LIMIT 1"
    has_bubbles = db.execute(query, tuple(map(as_parameter, _bubble_range(session_id)))).fetchone()
    if damage and not (has_bubbles and sqlite_snapshot.is_damage(damage)):
        raise damage
    return b"{}" if has_bubbles else None


def summary(db: sqlite3.Connection, session_id: str) -> ComposerSummary | None:
    composer = _document(db, session_id)
    if composer is None:
        return None
    document = as_dict(composer)
    last_headers = get_list(document, "fullConversationHeadersOnly")[-1:]
    bubble_count, mark = _mark(db, session_id, composer, last_headers)
    for child_id, child in _descendants(db, session_id, document):
        mark += _mark(db, child_id, child, [])[1]
    has_bubbles = bubble_count or document.get("conversation") or document.get("conversationMap")
    has_graph = len(get_str(document, "conversationState") or "") > 1
    return ComposerSummary(
        session_id=session_id,
        mark=hashlib.sha256(mark.encode()).hexdigest()[:32],
        changed_at=changed_at(document),
        is_empty=not has_bubbles and not has_graph,
        children=child_ids(document),
    )


def _descendants(
    db: sqlite3.Connection, session_id: str, document: Json
) -> Iterator[tuple[str, bytes]]:
    """Yield the documents of all sessions that this one started, directly or not, each once."""
    pending, seen = list(child_ids(document)), {session_id}
    while pending and len(seen) <= _MAX_CHILDREN:
        child_id = pending.pop(0)
        if child_id not in seen:
            seen.add(child_id)
            composer = _value(db, PREFIX + child_id) or b""
            yield child_id, composer
            pending += child_ids(as_dict(composer))


def _mark(
    db: sqlite3.Connection, session_id: str, composer: bytes, last_headers: Iterable[object]
) -> tuple[int, str]:
    """Return the number of bubbles, and a text that changes with every bubble.

    Cursor replaces a row by a new one, so the rowids change, and no value has to be read. The last
    bubble is read, in case a version updates a growing answer in place.
    """
    start, end = _bubble_range(session_id)
    query = "SELECT count(*), max(rowid), total(rowid) FROM cursorDiskKV WHERE key >= ? AND key < ?"
    rowids = db.execute(query, (as_parameter(start), as_parameter(end))).fetchone()
    content = hashlib.sha256(composer)
    for header in last_headers:
        content.update(_value(db, start + str(get_str(as_dict(header), "bubbleId"))) or b"")
    return int(rowids[0]), f"{rowids}{content.hexdigest()}"


def parent_id(document: Json) -> str | None:
    return get_str(document, "subagentInfo", "parentComposerId")


def child_ids(document: Json) -> tuple[str, ...]:
    ids = (*get_strs(document, "subagentComposerIds"), *get_strs(document, "subComposerIds"))
    own_id = get_str(document, "composerId")
    return tuple(dict.fromkeys(child_id for child_id in ids if child_id != own_id))[:_MAX_CHILDREN]


def changed_at(document: Json) -> int:
    """Return when anything was said last; a checkpoint may be later than the last update."""
    names = ("conversationCheckpointLastUpdatedAt", "lastUpdatedAt", "createdAt")
    return max(timestamps.parse(document.get(name)) or 0 for name in names)
