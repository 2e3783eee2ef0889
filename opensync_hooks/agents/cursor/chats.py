"""The command line's chats: a database for each, `<root>/[<folder>/]<session id>/store.db`.

    blobs(id, data)       content-addressed, see `graph`
    meta(key, value)      under '0', in hex: JSON with the id of the root and the chat's name

`meta.json` beside the database says when and in which folder the chat was started.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor import graph, projects, timestamps, unknown
from opensync_hooks.agents.cursor.conversation import Conversation, model_name
from opensync_hooks.agents.cursor.graph import Graph
from opensync_hooks.agents.cursor.turns import Blobs
from opensync_hooks.agents.json_access import as_dict, get_str
from opensync_hooks.agents.safe_open import open_regular, within
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Json, Skipped

DATABASE_NAME = "store.db"
_SESSION_ID = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,200}")
_MAX_META_BYTES = 1 << 20


def find_databases(roots: Iterable[Path], session_id: str | None = None) -> Iterator[Path]:
    """Yield the databases of all sessions, or of one: two if it was resumed from another folder.

    The folder of a database is named after its session.
    """
    paths = (folder / DATABASE_NAME for folder in _find_folders(roots, session_id))
    return (path for path in paths if path.is_file() and _SESSION_ID.fullmatch(path.parent.name))


def _find_folders(roots: Iterable[Path], session_id: str | None) -> Iterator[Path]:
    if session_id is not None and not _SESSION_ID.fullmatch(session_id):
        return  # the command line chooses its ids, and none of them looks like this
    name = session_id or "*"
    for root in roots:
        try:
            matches = [path for glob in (name, f"*/{name}") for path in sorted(root.glob(glob))]
        except OSError:
            continue
        yield from within(root, (path for path in matches if path.is_dir()))


def read_notes(roots: Iterable[Path], session_id: str) -> Conversation | None:
    """Return what `meta.json` says of a session, whose database may be missing."""
    notes = (_notes_beside(path / DATABASE_NAME) for path in _find_folders(roots, session_id))
    note = next(filter(None, notes), None)
    if note is None:
        return None
    return Conversation(
        session_id,
        graph.ORIGIN,
        project_path=get_str(note, "cwd"),
        created_at=timestamps.parse(note.get("createdAtMs")),
        updated_at=timestamps.parse(note.get("updatedAtMs")),
    )


def read_conversation(path: Path, session_id: str) -> Conversation:
    """Return the chat in this database. Raises SourceError."""
    meta, blob_graph, unknown_rows = sqlite_snapshot.read(path, lambda db: _load(db, session_id))
    notes = _notes_beside(path)
    conversation = graph.to_conversation(session_id, blob_graph or Graph(()))
    uris = map(projects.uri_path, blob_graph.folders if blob_graph else ())
    folders = tuple(filter(None, uris))
    return replace(
        conversation,
        name=get_str(meta, "name"),
        project_path=get_str(notes, "cwd") or next(iter(folders), None),
        folders=folders,
        model=model_name(get_str(meta, "lastUsedModel")),
        created_at=timestamps.parse(meta.get("createdAt"))
        or timestamps.parse(notes.get("createdAtMs"))
        or conversation.created_at,
        updated_at=timestamps.parse(notes.get("updatedAtMs")),
        parent_id=get_str(meta, "subagentInfo", "parentComposerId"),
        is_settled=conversation.is_settled and blob_graph is not None,
        skipped=Counter(conversation.skipped) + unknown_rows,
    )


def read_cwd(path: Path) -> str | None:
    """Return the folder in which the chat in this database was started."""
    return get_str(_notes_beside(path), "cwd")


def _notes_beside(path: Path) -> Json:
    try:
        with open_regular(path.with_name("meta.json")) as file:
            return as_dict(file.read(_MAX_META_BYTES))
    except (SourceError, OSError):
        return {}


def _load(db: sqlite3.Connection, session_id: str) -> tuple[Json, Graph | None, Counter[Skipped]]:
    query = "SELECT count(*) FROM sqlite_master WHERE name IN ('blobs', 'meta')"
    if db.execute(query).fetchone()[0] < 2:  # the chat is just being created
        return {}, None, Counter()
    row = db.execute("SELECT value FROM meta WHERE key = '0'").fetchone()
    meta = _decode_meta(row[0] if row else None)
    root_id = get_str(meta, "latestRootBlobId") or ""
    root = _blobs(db, [root_id]).get(root_id)
    blob_graph = graph.load(root, lambda blob_ids: _blobs(db, blob_ids)) if root else None
    return meta, blob_graph, unknown.in_database(db, session_id)


def _decode_meta(raw: object) -> Json:
    """Decode the meta row; it also holds a key, so only named fields of it may be used."""
    if not isinstance(raw, bytes):
        return {}
    try:
        return as_dict(bytes.fromhex(raw.decode("ascii")))
    except ValueError:
        return as_dict(raw)


def _blobs(db: sqlite3.Connection, blob_ids: Iterable[str]) -> Blobs:
    query = "SELECT data FROM blobs WHERE id = ?"
    blobs = {}
    for blob_id in blob_ids:
        row = db.execute(query, (sqlite_snapshot.as_parameter(blob_id),)).fetchone()
        if row and isinstance(row[0], bytes):
            blobs[blob_id] = row[0]
    return blobs
