"""Sessions as one JSON file each, as `opencode export` prints them and OpenSync's docs name them.

    ~/.opencode/sessions/<session>.json     {info, messages: [{info, parts}]}

No version of OpenCode writes this folder by itself; it is read where the user has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

from opensync_hooks.agents.json_access import get_dict, get_dicts, get_int, get_str
from opensync_hooks.agents.opencode.json_file import read_object
from opensync_hooks.agents.opencode.layouts import (
    UNREADABLE_MESSAGE,
    SessionHeader,
    SessionStamp,
    StoredMessage,
    StoredSession,
    TailState,
    fingerprint,
)
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Json

_NS_PER_MS = 1_000_000


class ExportFolder:
    def __init__(self, folder: Path) -> None:
        self.path = folder

    def stamps(self, exclude: Container[str]) -> list[SessionStamp]:
        stamps = (stamp_of(path) for path in sorted(self.path.glob("*.json")))
        return [stamp for stamp in stamps if stamp and stamp.session_id not in exclude]

    def family(self, session_id: str) -> list[SessionStamp]:
        """Look at the file named after the session first; a file may have any name."""
        path = self.path / f"{session_id}.json"
        stamp = stamp_of(path) if is_file(path) else None
        if stamp is None:
            matches = (match for match in self.stamps(()) if match.session_id == session_id)
            stamp = next(matches, None)
        return [stamp] if stamp and stamp.session_id == session_id else []

    def load(self, session_ids: list[str]) -> Iterator[StoredSession]:
        for session_id in session_ids:
            for stamp in self.family(session_id):
                yield load_file(stamp.path)

    def tail(self, session_id: str) -> TailState | None:
        """An export is written in one go, after the session has ended."""
        return TailState(is_final=True, changed_at=0) if self.family(session_id) else None


def stamp_of(path: Path) -> SessionStamp | None:
    """Return the stamp of the session in this file; None if it has none."""
    try:
        header = _header(path, read_object(path) or {})
        status = path.stat()
    except (SourceError, OSError):
        return None
    if header is None:
        return None
    return SessionStamp(
        session_id=header.id,
        parent_id=header.parent_id,
        path=path,
        changed_at=status.st_mtime_ns // _NS_PER_MS,
        fingerprint=fingerprint(status.st_mtime_ns, status.st_size),
    )


def load_file(path: Path) -> StoredSession:
    value = read_object(path) or {}
    header = _header(path, value)
    if header is None:
        raise SourceError(f"{path}: holds no session of OpenCode.", "Name another file.")
    messages: list[StoredMessage] = []
    skipped: Counter[str] = Counter()
    for index, message in enumerate(get_dicts(value, "messages")):
        info = get_dict(message, "info") or message
        if get_str(info, "role"):
            parts = tuple(get_dicts(message, "parts")) or tuple(_contents(message))
            message_id = get_str(info, "id") or f"message-{index}"
            time = {"created": get_int(info, "createdAt"), **get_dict(info, "time")}
            messages.append(StoredMessage(message_id, {**info, "time": time}, parts))
        else:
            skipped[UNREADABLE_MESSAGE] += 1
    return StoredSession(header, tuple(messages), skipped)


def _header(path: Path, value: Json) -> SessionHeader | None:
    if not isinstance(value.get("messages"), list):
        return None
    info = get_dict(value, "info") or value
    return SessionHeader.parse(get_str(info, "id") or path.stem, info)


def _contents(message: Json) -> Iterator[Json]:
    """Yield the parts of a message in the form that other tools write: a text, or a list."""
    text = get_str(message, "content") or get_str(message, "text")
    if text:
        yield {"type": "text", "text": text}
    yield from get_dicts(message, "content")
