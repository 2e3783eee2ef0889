"""Counts a session of OpenCode wherever OpenCode may have it, without the reader.

SQLite: session_v2, session_message                   2.x
        session, message, part                        1.2 to 1.18; or session_message, for an API
storage/{session/<project>,message/<session>,part/<message>}/*.json          1.0, 1.1
project/<name>/storage/session/{info,message,part}/**/*.json                 0.x
{info, messages: [{info, parts}]} in one file         `opencode export`

Upgrades and other channels leave copies behind. The copy with the newest content counts, with what
others have after the last message in common; one that has lost its words, in half a migration,
counts only if there is no other.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from operator import methodcaller
from pathlib import Path

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.census import Census, Tally, as_dict, as_text, dicts_in
from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.agents.opencode.census_messages import MessageCount
from opensync_hooks.agents.safe_open import files_within, is_file, is_within, open_regular
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import SourceError
from opensync_hooks.model import HookFacts, Json

_MAX_FAMILY = 10_000


_Add = Callable[[MessageCount], None]


@dataclass(slots=True)
class _Copy:
    """One copy of a session."""

    parent_id: str = ""
    agent_version: str = ""
    output_has_reasoning: bool = False
    newest: int = 0
    """The latest time in its messages and parts."""
    children: list[str] = field(default_factory=list)
    messages: list[tuple[str, _Add, bool]] = field(default_factory=list)
    """The id of each message, how it is counted, and whether it has content."""

    def add(self, message_id: str, add: _Add, parts: Sequence[Json | None], *values: Json) -> None:
        """Take a message; its times are in `parts` and `values`."""
        times = (time for value in (*parts, *values) for time in _times(value))
        self.newest = max([self.newest, *times])
        self.messages.append((message_id, add, bool(parts)))

    def count(self) -> MessageCount:
        tally = Tally(recognized=1, agent_version=self.agent_version)
        counted = MessageCount(self.output_has_reasoning, tally)
        for _, add, _ in self.messages:
            add(counted)
        return counted

    def unite(self, other: _Copy) -> None:
        """Take content that only the other copy has, and what follows the last common message."""
        own = {message_id for message_id, _, _ in self.messages}
        shared = [index for index, message in enumerate(other.messages) if message[0] in own]
        if not shared:
            return
        fuller = {message[0]: message for message in other.messages if message[2]}
        self.messages = [
            message if message[2] else fuller.get(message[0], message) for message in self.messages
        ]
        self.messages += other.messages[shared[-1] + 1 :]


def _times(value: Json | None) -> Iterator[int]:
    times = as_dict(as_dict(value).get("time")).values()
    return (time for time in times if type(time) is int)


def take_census(
    session_id: str,
    path: Path,
    environ: Mapping[str, str],
    home: str,
    _hook_facts: HookFactsLookup = lambda _: HookFacts(),
    name: str = "opencode",
) -> Iterator[Census]:
    """Yield the census of a session, then those of its subagents. Raises SourceError.

    `name` is what the folder, the database and the variables of a fork are called.
    """
    data = Path(environ.get("XDG_DATA_HOME") or f"{home}/.local/share") / name
    databases = list(_databases(environ, data, name))
    family: dict[str, _Copy] = {}
    pending = [session_id]
    for member in pending:
        in_databases = (copy for file in databases for copy in _copies_in(file, member, path))
        copies = [*in_databases, *_tree_copies(data, member), *_exported_copies(path, member)]
        best = max(copies, key=lambda copy: (copy.count().has_words, copy.newest), default=None)
        # The newest copy of a child tells whether it still is one.
        if best and (member == session_id or best.parent_id in family):
            for copy in copies:
                if copy is not best:
                    best.unite(copy)
            family[member] = best
            children = {child for copy in copies for child in copy.children}
            fresh = sorted(children.difference(pending))
            pending += fresh[: _MAX_FAMILY - len(pending)]
    for member, copy in family.items():
        subagents = len(family) - 1 if member == session_id else 0
        yield copy.count().tally.census(member, subagents)


def _databases(environ: Mapping[str, str], data: Path, name: str) -> Iterator[Path]:
    custom = environ.get(f"{name.upper()}_DB")
    others = sorted({*data.glob(f"{name}-*.db"), *data.glob("opencode-*.db")})
    paths = [data / custom] if custom else [data / f"{name}.db", *others]
    disables_channels = environ.get(f"{name.upper()}_DISABLE_CHANNEL_DB", "").lower()
    if not custom and disables_channels in ("1", "true"):
        paths = paths[:1]
    return (path for path in paths if is_file(path))


def _copies_in(database: Path, session_id: str, located: Path) -> list[_Copy]:
    """Return the copies in a database; a broken one must not hide the session in another one."""
    try:
        return sqlite_snapshot.read(
            database,
            lambda db: list(_table_copies(db, session_id)),
            follows_link=True,
        )
    except SourceError:
        if database == located:
            raise
        return []


def _table_copies(db: sqlite3.Connection, session_id: str) -> Iterator[_Copy]:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    key = sqlite_snapshot.as_parameter(session_id)
    layouts = (
        ("session_v2", "session_message", _take_rows),
        ("session", "session_message", _take_rows),
        ("session", "message", _take_messages),
    )
    for table, content, take in layouts:
        if {table.encode(), content.encode()} <= tables:
            rows = db.execute(f"SELECT * FROM {table} WHERE id = ?", (key,))  # noqa: S608 - names of our own
            columns = [column[0] for column in rows.description]
            for row in (dict(zip(columns, row, strict=True)) for row in rows.fetchall()):
                parent_id = _decode_text(row.get("parent_id") or "")
                copy = _Copy(parent_id, _decode_text(row.get("version") or ""))
                if "parent_id" in row:
                    children = db.execute(f"SELECT id FROM {table} WHERE parent_id = ?", (key,))  # noqa: S608
                    copy.children = [_decode_text(child) for (child,) in children]
                take(db, key, copy)
                yield copy


def _take_rows(db: sqlite3.Connection, key: str | bytes, copy: _Copy) -> None:
    columns = [row[1] for row in db.execute("PRAGMA table_info(session_message)")]
    order = "seq" if b"seq" in columns else "time_created"  # 1.15 had no sequence yet
    query = f"SELECT id, type, data FROM session_message WHERE session_id = ? ORDER BY {order}"  # noqa: S608
    for message_id, kind, raw in db.execute(query, (key,)):
        row = _decode(raw)
        add = methodcaller("add_row", _decode_text(kind), row)
        copy.add(_decode_text(message_id), add, [row])


def _take_messages(db: sqlite3.Connection, key: str | bytes, copy: _Copy) -> None:
    parts: dict[object, list[Json | None]] = {}
    for message_id, raw in db.execute(
        "SELECT message_id, data FROM part WHERE session_id = ?", (key,)
    ):
        parts.setdefault(message_id, []).append(_decode(raw))
    query = "SELECT id, data FROM message WHERE session_id = ? ORDER BY time_created, id"
    for message_id, raw in db.execute(query, (key,)).fetchall():
        info = _decode(raw)
        own = parts.get(message_id, [])
        name = _decode_text(message_id)
        copy.add(name, methodcaller("add", name, info, own), own, info or {})


def _tree_copies(data: Path, session_id: str) -> Iterator[_Copy]:
    """Yield the copies in the JSON files of 1.x, then of 0.x."""
    name = f"{session_id}.json"
    for file in files_within(data, data, f"storage/session/*/{name}"):
        storage = file.parent.parent.parent
        yield _tree_copy(data, file, storage / "message", storage / "part")
    for file in files_within(data, data, f"project/*/storage/session/info/{name}"):
        storage = file.parent.parent
        yield _tree_copy(data, file, storage / "message", storage / "part" / session_id)


def _tree_copy(data: Path, session_file: Path, messages: Path, parts: Path) -> _Copy:
    siblings = ((path.stem, _load(path)) for path in sorted(session_file.parent.glob("*.json")))
    children = [
        name for name, info in siblings if as_dict(info).get("parentID") == session_file.stem
    ]
    session = as_dict(_load(session_file))
    parent_id, version = as_text(session.get("parentID")), as_text(session.get("version"))
    copy = _Copy(parent_id, version, output_has_reasoning=True, children=children)
    for message_id, value in _load_all(data, messages / session_file.stem):
        info, own = value, [part for _, part in _load_all(data, parts / message_id)]
        if info and "metadata" in info:  # the first versions had the parts inside
            own += dicts_in(info, "parts")
            metadata = as_dict(info["metadata"])
            info = {**as_dict(metadata.get("assistant")), **metadata, "role": info.get("role")}
        copy.add(message_id, methodcaller("add", message_id, info, own), own, info or {})
    return copy


def _load_all(data: Path, folder: Path) -> list[tuple[str, Json | None]]:
    """Return name and content of each file in a folder; a link to a folder is a damaged file."""
    if not is_within(data, folder):
        return [(folder.name, None)]
    return [(path.stem, _load(path)) for path in files_within(data, folder, "*.json")]


def _exported_copies(path: Path, session_id: str) -> Iterator[_Copy]:
    value = _load(path) if path.suffix == ".json" and is_file(path) else None
    info = as_dict(as_dict(value).get("info")) or as_dict(value)
    if info.get("id", session_id) != session_id or "messages" not in as_dict(value):
        return
    copy = _Copy(agent_version=as_text(info.get("version")))
    for index, message in enumerate(dicts_in(value, "messages")):
        own = as_dict(message.get("info")) or message
        content = message.get("content") or message.get("text")
        texts = [{"type": "text", "text": content}] if isinstance(content, str) else []
        parts = dicts_in(message, "parts") or dicts_in(message, "content") or texts
        name = str(own.get("id", index))
        copy.add(name, methodcaller("add", name, own, parts), parts, own)
    yield copy


def _load(path: Path) -> Json | None:
    with open_regular(path) as file:
        return _decode(file.read())


def _decode(raw: object) -> Json | None:
    try:
        value = json.loads(_decode_text(raw))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decode_text(raw: object) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
