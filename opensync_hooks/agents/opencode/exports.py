"""Sessions as a JSON file each: what `opencode export` prints, and what OpenSync's pages speak of.

    ~/.opencode/sessions/<session>.json     {info, messages: [{info, parts}]}

No version of OpenCode writes this folder by itself. Where it exists, it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.layouts import Entry, Head, Mark, Pulse, Record, digest
from opensync_hooks.agents.opencode.values import load, mapping, number, objects, text
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.errors import SourceError

_NS_IN_MS = 1_000_000


class Exports:
    def __init__(self, folder: Path) -> None:
        self.path = folder

    def marks(self, hidden: Container[str]) -> list[Mark]:
        found = (mark(file) for file in sorted(self.path.glob("*.json")))
        return [one for one in found if one and one.session_id not in hidden]

    def family(self, session_id: str) -> list[Mark]:
        """A file is named by its session, or by nothing in particular."""
        named = self.path / f"{session_id}.json"
        found = mark(named) if is_file(named) else None
        if found is None:
            found = next((one for one in self.marks(()) if one.session_id == session_id), None)
        return [found] if found and found.session_id == session_id else []

    def records(self, session_ids: list[str]) -> Iterator[Record]:
        for session_id in session_ids:
            for found in self.family(session_id):
                yield record(found.path)

    def pulse(self, session_id: str) -> Pulse | None:
        """Written at once, when the session had ended."""
        return next((Pulse(is_final=True, at=0) for _ in self.family(session_id)), None)


def mark(file: Path) -> Mark | None:
    """Of the session in this file; None where it holds none."""
    try:
        value = load(file)
        status = file.stat()
    except (SourceError, OSError):
        return None
    head = _head(file, value) if value else None
    if head is None:
        return None
    changed_at = status.st_mtime_ns
    mark = digest(changed_at, status.st_size)
    return Mark(head.id, head.parent_id, file, changed_at // _NS_IN_MS, mark)


def record(file: Path) -> Record:
    value = load(file)
    head = _head(file, value) if value else None
    if value is None or head is None:
        raise SourceError(f"{file}: holds no session of OpenCode.", "Name another file.")
    skipped: Counter[str] = Counter()
    return Record(head, _entries(value, skipped), skipped)


def _head(file: Path, value: Value) -> Head | None:
    if not isinstance(value.get("messages"), list):
        return None
    info = mapping(value, "info") or value
    return Head.of_info(text(info, "id") or file.stem, info)


def _entries(value: Value, skipped: Counter[str]) -> Iterator[Entry]:
    for place, item in enumerate(objects(value, "messages")):
        info = mapping(item, "info") or item
        parts = tuple(objects(item, "parts")) or tuple(_said(item))
        if not text(info, "role"):
            skipped["unreadable message"] += 1
        else:
            yield Entry(text(info, "id") or f"message-{place}", _timed(info), parts)


def _said(item: Value) -> Iterator[Value]:
    said = text(item, "content") or text(item, "text")
    if said:
        yield {"type": "text", "text": said}
    yield from objects(item, "content")


def _timed(info: Value) -> Value:
    created_at = number(info, "time", "created") or number(info, "createdAt")
    return {**info, "time": {"created": created_at, **mapping(info, "time")}}
