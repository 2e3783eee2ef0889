"""OpenCode 1.0 and 1.1: a tree of JSON files, which 1.2 copied into SQLite and left behind.

storage/session/<project>/<session>.json
storage/message/<session>/<message>.json
storage/part/<message>/<part>.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from opensync_hooks.agents.json_access import get_str
from opensync_hooks.agents.opencode.json_file import NS_PER_MS, mtime_and_size, read_object
from opensync_hooks.agents.opencode.layouts import (
    UNREADABLE_MESSAGE,
    UNREADABLE_PART,
    UNREADABLE_SESSION,
    ContentState,
    SessionHeader,
    SessionStamp,
    StoredMessage,
    StoredSession,
    TailState,
    fingerprint,
)
from opensync_hooks.agents.safe_open import files_within, is_within
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Json, Skipped


class JsonTree:
    """The tree of 1.x, and the base of the older one, which has its files elsewhere."""

    folder = "storage"

    def __init__(self, data: Path) -> None:
        self.path = data
        self.label = f"{data / self.folder} (JSON files)"

    def _session_files(self, session_id: str = "*") -> list[Path]:
        return files_within(self.path, self.path, f"storage/session/*/{session_id}.json")

    def _message_folder(self, session_file: Path) -> Path:
        return self.path / "storage" / "message" / session_file.stem

    def _message_files(self, session_file: Path) -> list[Path]:
        return files_within(self.path, self._message_folder(session_file), "*.json")

    def _part_folder(self, message_file: Path) -> Path:
        return self.path / "storage" / "part" / message_file.stem

    def _part_files(self, message_file: Path) -> list[Path]:
        return files_within(self.path, self._part_folder(message_file), "*.json")

    def _refuse_links(self) -> None:
        """Raise SourceError for a tree behind a link, which may lead anywhere."""
        for name in ("session", "message", "part"):
            folder = self.path / "storage" / name
            if not is_within(self.path, folder):
                reason = f"{folder}: behind a link, which is not followed."
                raise SourceError(reason, "Move the folder itself to its place.")

    def _message(self, message_id: str, value: Json) -> StoredMessage:
        """Return a message file as a message, with the parts that are in the file itself."""
        return StoredMessage(message_id, value)

    def session_ids(self) -> list[str]:
        self._refuse_links()
        return [path.stem for path in self._session_files()]

    def family_ids(self, session_id: str) -> list[str]:
        self._refuse_links()
        for path in self._session_files(session_id)[:1]:
            # A child begins after its parent, and ids fall with time: only lower ones are read.
            lower = (sibling for sibling in path.parent.glob("*.json") if sibling.name < path.name)
            parents = {sibling.stem: get_str(_read(sibling), "parentID") for sibling in lower}
            family = [session_id]
            for parent_id in family:
                children = (name for name, parent in parents.items() if parent == parent_id)
                family += sorted(set(children) - set(family), reverse=True)
            return family
        return []

    def stamps(self, session_ids: Collection[str]) -> list[SessionStamp]:
        return [self._stamp(path) for path in self._files_of(session_ids)]

    def contents(self, session_ids: Collection[str]) -> dict[str, ContentState]:
        return {path.stem: self._content(path) for path in self._files_of(session_ids)}

    def load(self, session_ids: Collection[str]) -> dict[str, Callable[[], StoredSession]]:
        return {path.stem: partial(self._load, path) for path in self._files_of(session_ids)}

    def tail(self, session_id: str) -> TailState | None:
        for session_file in self._session_files(session_id)[:1]:
            for path in self._message_files(session_file)[-1:]:
                info = self._message(path.stem, _read(path) or {}).info
                written_at = max(
                    mtime_and_size(file)[0] for file in (path, *self._part_files(path))
                )
                return TailState.of_message(info or {}, written_at // NS_PER_MS)
        return None

    def _files_of(self, session_ids: Collection[str]) -> Iterator[Path]:
        for session_id in session_ids:
            yield from self._session_files(session_id)[:1]

    def _content(self, session_file: Path) -> ContentState:
        """Look at the newest messages, and for words from there backwards."""
        messages = [
            self._with_parts(path, _read(path) or {}, Counter())
            for path in self._message_files(session_file)[-2:]
        ]
        values = (value for message in messages for value in (message.info, *message.parts))
        return ContentState.judge(values, self._parts_backwards(session_file))

    def _parts_backwards(self, session_file: Path) -> Iterator[Json]:
        for path in reversed(self._message_files(session_file)):
            yield from self._with_parts(path, _read(path) or {}, Counter()).parts

    def _stamp(self, session_file: Path) -> SessionStamp:
        messages = self._message_files(session_file)
        parts = (part for message in messages for part in self._part_files(message))
        states = [mtime_and_size(path) for path in (session_file, *messages, *parts)]
        return SessionStamp(
            session_id=session_file.stem,
            parent_id=get_str(_read(session_file), "parentID"),
            path=session_file,
            changed_at=max(states)[0] // NS_PER_MS,
            fingerprint=fingerprint(len(states), max(states), sum(size for _, size in states)),
        )

    def _load(self, session_file: Path) -> StoredSession:
        """Read a session; one whose own file is damaged still has its messages."""
        skipped: Counter[Skipped] = Counter()
        info = _read(session_file)
        if info is None:
            skipped[UNREADABLE_SESSION] += 1
        header = SessionHeader.parse(session_file.stem, info or {})
        project = _read(self._project_file(session_file, info or {})) or {}
        worktree = get_str(project, "worktree")
        header = replace(header, worktree=None if worktree == "/" else worktree)
        return StoredSession(header, tuple(self._messages(session_file, skipped)), +skipped)

    def _project_file(self, session_file: Path, info: Json) -> Path:
        name = get_str(info, "projectID") or session_file.parent.name
        return self.path / "storage" / "project" / f"{Path(name).name}.json"

    def _messages(self, session_file: Path, skipped: Counter[Skipped]) -> list[StoredMessage]:
        """Return the messages by time: a clock that was set back gives later ones lower ids."""
        messages = [
            self._with_parts(path, _read(path), skipped)
            for path in self._message_files(session_file)
        ]
        skipped[UNREADABLE_MESSAGE] += self._is_linked(self._message_folder(session_file), messages)
        return sorted(messages, key=lambda message: message.created_at)

    def _with_parts(
        self, path: Path, value: Json | None, skipped: Counter[Skipped]
    ) -> StoredMessage:
        message = (
            StoredMessage(path.stem, None) if value is None else self._message(path.stem, value)
        )
        parts = [_read(file) for file in self._part_files(path)]
        intact = [part for part in parts if part is not None]
        torn = len(parts) - len(intact) + self._is_linked(self._part_folder(path), parts)
        skipped[UNREADABLE_PART] += torn
        return replace(message, parts=(*message.parts, *intact), is_torn=torn > 0)

    def _is_linked(self, folder: Path, files: Sequence[object]) -> bool:
        """Whether nothing was found in a folder because it is behind a link."""
        return not files and not is_within(self.path, folder)


def _read(path: Path) -> Json | None:
    """Return the object in a file; None for a damaged file, or a link: it affects only itself."""
    try:
        return read_object(path)
    except (SourceError, OSError):
        return None
