"""Counts the copies of a session in Cursor's databases, without the reader.

    state.vscdb                      the editor's rows composerData:<id> and bubbleId:<id>:<bubble>
      agentKv:blob:<sha256>          the model's own view, from the root in `conversationState`
    workspaceStorage/*/state.vscdb   sessions of 2024, in ItemTable
    chats/*/<id>/store.db            the model's view, in the command line

A root is a protobuf message: field 1 lists the messages, field 13 archives of summarized ones.
"""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.census import as_dict, dicts_in
from opensync_hooks.agents.cursor.census_steps import StepCount
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json

_MESSAGES, _ARCHIVES = 1, 13
_TOOLS_CAPABILITY = 15
_SIZES = {1: 8, 5: 4}
"""Of protobuf's wire types of fixed size."""
_CHATS_KEY = "workbench.panel.aichat.view.aichat.chatdata"

GetBlob = Callable[[str], bytes | None]


@dataclass(slots=True)
class SessionCopy:
    """One copy of a session, counted."""

    steps: StepCount = field(default_factory=StepCount)
    may_lack_beginning: bool = False
    """Whether a compaction may have left the beginning to the transcript alone."""
    children: tuple[str, ...] = ()
    version: str | None = None


def count_editor(db: sqlite3.Connection, session_id: str) -> list[SessionCopy]:
    """Count the session as the window shows it, then as the model sees it."""
    if not _has_table(db, "cursorDiskKV"):
        return []
    start, end = f"bubbleId:{session_id}:", f"bubbleId:{session_id};"
    bounds = (sqlite_snapshot.as_parameter(start), sqlite_snapshot.as_parameter(end))
    query = "SELECT key, value FROM cursorDiskKV WHERE key >= ? AND key < ?"
    pairs = ((_text(key)[len(start) :], _decode(value)) for key, value in db.execute(query, bounds))
    bubbles = {name: bubble for name, bubble in pairs if bubble}
    raw = _value(db, "cursorDiskKV", f"composerData:{session_id}")
    document = _decode(raw) or {}
    copies = [_composer(document, bubbles)] if document or bubbles else []
    root = _base64(document.get("conversationState"))
    if root:
        copies.append(_graph(root, lambda name: _value(db, "cursorDiskKV", f"agentKv:blob:{name}")))
    return copies


def count_window(db: sqlite3.Connection, session_id: str) -> list[SessionCopy]:
    """Count a session in the database of a window, whose ItemTable holds no login."""
    copies = []
    if _has_table(db, "ItemTable"):
        composers = _decode(_value(db, "ItemTable", "composer.composerData"))
        for composer in dicts_in(composers, "allComposers"):
            if composer.get("composerId") == session_id and "conversation" in composer:
                copies += [_composer(composer, {})]
        for tab in dicts_in(_decode(_value(db, "ItemTable", _CHATS_KEY)), "tabs"):
            if tab.get("tabId") == session_id:
                copies.append(SessionCopy())
                for bubble in dicts_in(tab, "bubbles"):
                    text = bubble.get("text") or bubble.get("rawText")
                    kind = 1 if bubble.get("type") == "user" else 2
                    copies[-1].steps.add_bubble({"type": kind, "text": text}, {})
    return copies


def count_chat(db: sqlite3.Connection) -> list[SessionCopy]:
    """Count a chat of the command line; its root is named in a row of `meta`, in hex."""
    if not (_has_table(db, "blobs") and _has_table(db, "meta")):
        return []
    meta = _decode(_unhexed(_value(db, "meta", "0") or b"")) or {}
    root = _value(db, "blobs", str(meta.get("latestRootBlobId")), "id", "data")
    return [_graph(root, lambda name: _value(db, "blobs", name, "id", "data"))] if root else []


def _composer(document: Json, rows: Mapping[str, Json]) -> SessionCopy:
    """Count a session's document: its bubbles are rows, or in the oldest versions inside."""
    bubbles = {**as_dict(document.get("conversationMap")), **rows}
    for index, bubble in enumerate(dicts_in(document, "conversation")):
        bubbles[str(bubble.get("bubbleId") or index)] = bubble
    headers = dicts_in(document, "fullConversationHeadersOnly")
    listed = dict.fromkeys(str(header.get("bubbleId")) for header in headers) or bubbles
    tools: Json = {}
    for capability in dicts_in(document, "capabilities"):
        if capability.get("type") == _TOOLS_CAPABILITY:
            tools = _decode(as_dict(capability.get("data")).get("bubbleDataMap")) or {}
    version = document.get("_v")
    copy = SessionCopy(
        children=(
            *_strings(document, "subagentComposerIds"),
            *_strings(document, "subComposerIds"),
        ),
        version=f"composer {version}" if version else None,
    )
    copy.steps.tally.recognized += bool(document)
    for name in dict.fromkeys((*listed, *bubbles)):
        row = _decode(bubbles.get(name))
        tool = as_dict(as_dict(row).get("toolFormerData")) or _decode(tools.get(name)) or {}
        copy.steps.add_bubble(row, tool, is_listed=name in listed)
    return copy


def _graph(root: bytes, get_blob: GetBlob) -> SessionCopy:
    """Count the messages below a root; those that were summarized come first."""
    copy = SessionCopy(may_lack_beginning=True)
    archives = [get_blob(name.hex()) for name in _protobuf_field(root, _ARCHIVES)]
    seen: set[bytes] = set()
    for part in (*archives, root):
        names = list(_protobuf_field(_unhexed(part or b""), _MESSAGES))
        for name in names:
            if name not in seen:
                copy.steps.add_message(_decode(_unhexed(get_blob(name.hex()) or b"")))
        seen.update(names)
    return copy


def _protobuf_field(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the values of a field that holds bytes, up to where the message is damaged."""
    offset = 0
    while offset < len(message):
        key, offset = _varint(message, offset)
        size = _SIZES.get(key & 7, 0)
        if key & 7 in (0, 2):
            value, offset = _varint(message, offset)
            size = value if key & 7 == 2 else 0
        if key >> 3 == number and key & 7 == 2:
            yield message[offset : offset + size]
        offset += size


def _varint(message: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while offset < len(message):
        value |= (message[offset] & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if message[offset - 1] < 0x80:
            break
    return value, offset


def _has_table(db: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return db.execute(query, (name,)).fetchone() is not None


def _value(
    db: sqlite3.Connection, table: str, key: str, column: str = "key", content: str = "value"
) -> bytes | None:
    query = f"SELECT {content} FROM {table} WHERE {column} = ?"  # noqa: S608 - names of our own
    row = db.execute(query, (sqlite_snapshot.as_parameter(key),)).fetchone()
    return row[0] if row and isinstance(row[0], bytes) else None


def _unhexed(value: bytes) -> bytes:
    """Decode what is stored as hex: protobuf in the editor's database, and the row of `meta`."""
    try:
        return bytes.fromhex(value.decode("ascii"))
    except ValueError:
        return value


def _base64(state: object) -> bytes:
    try:
        return base64.b64decode(state[1:] + "==") if isinstance(state, str) else b""
    except binascii.Error:
        return b""


def _decode(raw: Any) -> Json | None:
    """Return an object, or the one that a text or bytes encode; None if there is none."""
    if isinstance(raw, bytes | str):
        try:
            raw = json.loads(_text(raw))
        except (ValueError, RecursionError):
            return None
    return raw if isinstance(raw, dict) else None


def _text(raw: object) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


def _strings(value: Json, key: str) -> list[str]:
    elements = value.get(key)
    return (
        [text for text in elements if isinstance(text, str)] if isinstance(elements, list) else []
    )
