"""OpenCode 1.0 and 1.1: a tree of JSON files, which 1.2 copied into SQLite and left behind.

storage/session/<project>/<session>.json
storage/message/<session>/<message>.json
storage/part/<message>/<part>.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

from opensync_hooks.agents.json_access import get_int, get_str
from opensync_hooks.agents.opencode.json_file import read_object
from opensync_hooks.agents.opencode.layouts import (
    UNREADABLE_MESSAGE,
    UNREADABLE_PART,
    SessionHeader,
    SessionStamp,
    StoredMessage,
    StoredSession,
    TailState,
    children_by_parent,
    fingerprint,
    with_descendants,
)
from opensync_hooks.agents.safe_open import files_within
from opensync_hooks.model import Json

_NS_PER_MS = 1_000_000


class JsonTree:
    """The tree of 1.x, and the base of the older one, which has its files elsewhere."""

    def __init__(self, data: Path) -> None:
        self.path = data

    def _session_files(self, session_id: str = "*") -> list[Path]:
        return files_within(self.path, self.path, f"storage/session/*/{session_id}.json")

    def _message_files(self, session_file: Path) -> list[Path]:
        folder = self.path / "storage" / "message" / session_file.stem
        return files_within(self.path, folder, "*.json")

    def _part_files(self, message_file: Path) -> list[Path]:
        folder = self.path / "storage" / "part" / message_file.stem
        return files_within(self.path, folder, "*.json")

    def _message(self, message_id: str, value: Json) -> StoredMessage:
        """Return a message file as a message, with the parts that are in the file itself."""
        return StoredMessage(message_id, value)

    def stamps(self, exclude: Container[str]) -> list[SessionStamp]:
        return [self._stamp(path) for path in self._session_files() if path.stem not in exclude]

    def family(self, session_id: str) -> list[SessionStamp]:
        for path in self._session_files(session_id)[:1]:
            # A child begins after its parent, and ids fall with time: only lower ones are read.
            lower = (sibling for sibling in path.parent.glob("*.json") if sibling.name < path.name)
            children = [sibling for sibling in lower if get_str(read_object(sibling), "parentID")]
            return with_descendants(
                self._stamp(path), children_by_parent(self._stamp(child) for child in children)
            )
        return []

    def load(self, session_ids: list[str]) -> Iterator[StoredSession]:
        for session_id in session_ids:
            for path in self._session_files(session_id)[:1]:
                skipped: Counter[str] = Counter()
                header = SessionHeader.parse(session_id, read_object(path) or {})
                yield StoredSession(header, tuple(self._messages(path, skipped)), skipped)

    def tail(self, session_id: str) -> TailState | None:
        for session_file in self._session_files(session_id)[:1]:
            for path in self._message_files(session_file)[-1:]:
                info = self._message(path.stem, read_object(path) or {}).info
                written_at = max(
                    _mtime_and_size(file)[0] for file in (path, *self._part_files(path))
                )
                return TailState.of_message(info, written_at // _NS_PER_MS)
        return None

    def _stamp(self, session_file: Path) -> SessionStamp:
        messages = self._message_files(session_file)
        parts = (part for message in messages for part in self._part_files(message))
        states = [_mtime_and_size(path) for path in (session_file, *messages, *parts)]
        return SessionStamp(
            session_id=session_file.stem,
            parent_id=get_str(read_object(session_file), "parentID"),
            path=session_file,
            changed_at=max(states)[0] // _NS_PER_MS,
            fingerprint=fingerprint(len(states), max(states), sum(size for _, size in states)),
        )

    def _messages(self, session_file: Path, skipped: Counter[str]) -> list[StoredMessage]:
        """Return the messages by time: a clock that was set back gives later ones lower ids."""
        messages: list[StoredMessage] = []
        for path in self._message_files(session_file):
            value = read_object(path)
            if value is None:
                skipped[UNREADABLE_MESSAGE] += 1
                continue
            message = self._message(path.stem, value)
            parts = (*message.parts, *self._parts(path, skipped))
            messages.append(StoredMessage(message.id, message.info, parts))
        return sorted(messages, key=lambda message: get_int(message.info, "time", "created") or 0)

    def _parts(self, message_file: Path, skipped: Counter[str]) -> Iterator[Json]:
        for path in self._part_files(message_file):
            value = read_object(path)
            if value is None:
                skipped[UNREADABLE_PART] += 1
            else:
                yield value


def _mtime_and_size(path: Path) -> tuple[int, int]:
    """Return the file's mtime in ns and its size, both 0 if it no longer exists."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
