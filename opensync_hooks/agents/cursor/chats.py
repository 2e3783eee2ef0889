"""The command line's chats: a database for each, `<root>/[<folder>/]<session id>/store.db`.

blobs(id, data)       content-addressed, see `graph`
meta(key, value)      under '0', in hex: JSON with the id of the root and the chat's name
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor import graph, projects, timestamps
from opensync_hooks.agents.cursor.conversation import Conversation, known_model
from opensync_hooks.agents.cursor.graph import Blobs, Graph
from opensync_hooks.agents.json_access import Value, part, record, string
from opensync_hooks.agents.safe_open import open_regular, within
from opensync_hooks.errors import SourceError

_A_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,200}")
_NAME = "store.db"


@dataclass(frozen=True, slots=True)
class _Store:
    meta: Value
    graph: Graph | None


def files(roots: Iterable[Path], session_id: str) -> list[Path]:
    """Every database of this session: it has two where it was resumed from another folder."""
    if not _A_NAME.fullmatch(session_id):
        return []  # the command line names its sessions itself, and never so
    found = (one / _NAME for one in _folders(roots, session_id))
    return [path for path in found if path.is_file()]


def all_files(roots: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Every session there is, with its database."""
    for folder in _folders(roots, "*"):
        path = folder / _NAME
        if path.is_file():
            yield path.parent.name, path


def _folders(roots: Iterable[Path], name: str) -> Iterator[Path]:
    """The folders of sessions of this name, two of them where one was resumed elsewhere."""
    for root in roots:
        try:
            found = [path for pattern in (name, f"*/{name}") for path in sorted(root.glob(pattern))]
        except OSError:
            continue
        yield from within(root, (path for path in found if path.is_dir()))


def conversation(path: Path, session_id: str) -> Conversation:
    """The chat in this database. Raises SourceError."""
    found = sqlite_snapshot.read(path, _load)
    meta, beside = found.meta, _beside(path)
    told = graph.conversation(session_id, found.graph or Graph(()))
    uris = found.graph.folders if found.graph else ()
    folder = next(filter(None, map(projects.path_of, uris)), None)
    return replace(
        told,
        name=string(meta, "name"),
        project_path=string(beside, "cwd") or folder,
        model=known_model(string(meta, "lastUsedModel")),
        created_at=timestamps.moment(meta.get("createdAt"))
        or timestamps.moment(beside.get("createdAtMs"))
        or told.created_at,
        updated_at=timestamps.moment(beside.get("updatedAtMs")),
        parent_id=string(part(meta, "subagentInfo"), "parentComposerId"),
        is_settled=told.is_settled and found.graph is not None,
    )


def cwd(path: Path) -> str | None:
    """The folder that the chat in this database was started in, as it is noted beside it."""
    return string(_beside(path), "cwd")


def _beside(path: Path) -> Value:
    try:
        with open_regular(path.with_name("meta.json")) as file:
            return record(file.read(1 << 20))
    except (SourceError, OSError):
        return {}


def _load(db: sqlite3.Connection) -> _Store:
    query = "SELECT count(*) FROM sqlite_master WHERE name IN ('blobs', 'meta')"
    if db.execute(query).fetchone()[0] < 2:  # just being made
        return _Store({}, None)
    row = db.execute("SELECT value FROM meta WHERE key = '0'").fetchone()
    meta = _meta(row[0] if row else None)
    root_id = string(meta, "latestRootBlobId") or ""
    root = _blobs(db, [root_id]).get(root_id)
    return _Store(meta, graph.load(root, lambda wanted: _blobs(db, wanted)) if root else None)


def _meta(raw: object) -> Value:
    """The named fields are read; a key to blobs lies among the others."""
    if not isinstance(raw, bytes):
        return {}
    try:
        return record(bytes.fromhex(raw.decode("ascii")))
    except ValueError:
        return record(raw)


def _blobs(db: sqlite3.Connection, wanted: Iterable[str]) -> Blobs:
    found = {}
    for name in wanted:
        row = db.execute(
            "SELECT data FROM blobs WHERE id = ?", (sqlite_snapshot.bound(name),)
        ).fetchone()
        if row and isinstance(row[0], bytes):
            found[name] = row[0]
    return found
