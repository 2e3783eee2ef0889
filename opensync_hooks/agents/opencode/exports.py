"""Sessions as one JSON file each, as `opencode export` prints them and OpenSync's docs name them.

    ~/.opencode/sessions/<session>.json     {info, messages: [{info, parts}]}

No version of OpenCode writes this folder by itself; it is read where the user has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

from opensync_hooks.agents.json_access import get_dict, get_dicts, get_int, get_str
from opensync_hooks.agents.opencode.json_file import NS_PER_MS, mtime_and_size, read_object
from opensync_hooks.agents.opencode.layouts import (
    UNREADABLE_MESSAGE,
    ContentState,
    SessionHeader,
    SessionStamp,
    StoredMessage,
    StoredSession,
    TailState,
    fingerprint,
)
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Json, Skipped


class ExportFolder:
    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.label = f"{folder} (exports)"

    def session_ids(self) -> list[str]:
        return list(self._files())

    def family_ids(self, session_id: str) -> list[str]:
        return [session_id] if self._file(session_id) else []

    def stamps(self, session_ids: Collection[str]) -> list[SessionStamp]:
        stamps = map(stamp_of, self._files_of(session_ids).values())
        return [stamp for stamp in stamps if stamp]

    def contents(self, session_ids: Collection[str]) -> dict[str, ContentState]:
        return {
            session_id: _content(load_file(path))
            for session_id, path in self._files_of(session_ids).items()
        }

    def load(self, session_ids: Collection[str]) -> dict[str, Callable[[], StoredSession]]:
        return {
            session_id: partial(load_file, path)
            for session_id, path in self._files_of(session_ids).items()
        }

    def tail(self, session_id: str) -> TailState | None:
        """An export is written in one go, after the session has ended."""
        return TailState(is_final=True, changed_at=0) if self._file(session_id) else None

    def _files(self) -> dict[str, Path]:
        stamps = (stamp_of(path) for path in sorted(self.path.glob("*.json"), reverse=True))
        return {stamp.session_id: stamp.path for stamp in stamps if stamp}

    def _file(self, session_id: str) -> Path | None:
        """Look at the file named after the session first; a file may have any name."""
        path = self.path / f"{session_id}.json"
        stamp = stamp_of(path) if is_file(path) else None
        is_right = stamp is not None and stamp.session_id == session_id
        return path if is_right else self._files().get(session_id)

    def _files_of(self, session_ids: Collection[str]) -> dict[str, Path]:
        files: Mapping[str, Path | None] = (
            self._files()
            if len(session_ids) > 1
            else {name: self._file(name) for name in session_ids}
        )
        return {name: path for name in session_ids if (path := files.get(name))}


def _content(session: StoredSession) -> ContentState:
    parts = [part for message in session.messages for part in message.parts]
    return ContentState.judge((*(message.info for message in session.messages), *parts), parts)


def stamp_of(path: Path) -> SessionStamp | None:
    """Return the stamp of the session in this file; None if it has none."""
    try:
        header = _header(path, read_object(path) or {})
    except (SourceError, OSError):
        return None
    if header is None:
        return None
    written_at, size = mtime_and_size(path)
    return SessionStamp(
        session_id=header.id,
        parent_id=header.parent_id,
        path=path,
        changed_at=written_at // NS_PER_MS,
        fingerprint=fingerprint(written_at, size),
    )


def load_file(path: Path) -> StoredSession:
    value = read_object(path) or {}
    header = _header(path, value)
    if header is None:
        raise SourceError(f"{path}: holds no session of OpenCode.", "Name another file.")
    messages: list[StoredMessage] = []
    skipped: Counter[Skipped] = Counter()
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
