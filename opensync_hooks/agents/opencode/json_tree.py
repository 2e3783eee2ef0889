"""OpenCode 1.0 and 1.1: a tree of JSON files, copied into SQLite by 1.2 and left behind.

storage/session/<project>/<session>.json
storage/message/<session>/<message>.json
storage/part/<message>/<part>.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.layouts import (
    Entry,
    Head,
    Mark,
    Pulse,
    Record,
    by_parent,
    digest,
    offspring,
)
from opensync_hooks.agents.opencode.values import load, number, text
from opensync_hooks.agents.safe_open import files_within

_NS_IN_MS = 1_000_000


class Tree:
    """The tree of 1.x, and base of the older ones, which only lie elsewhere."""

    def __init__(self, data: Path) -> None:
        self.path = data

    def _files(self, session_id: str = "*") -> list[Path]:
        return files_within(self.path, self.path, f"storage/session/*/{session_id}.json")

    def _messages(self, file: Path) -> list[Path]:
        return files_within(self.path, self.path / "storage" / "message" / file.stem, "*.json")

    def _parts(self, message: Path) -> list[Path]:
        return files_within(self.path, self.path / "storage" / "part" / message.stem, "*.json")

    def _entry(self, message: Path, value: Value) -> Entry:
        return Entry(message.stem, value)

    def marks(self, hidden: Container[str]) -> list[Mark]:
        return [self._mark(file) for file in self._files() if file.stem not in hidden]

    def family(self, session_id: str) -> list[Mark]:
        """Children begin after their parent, and ids fall with time: only lower ones are read."""
        found: list[Mark] = []
        for file in self._files(session_id)[:1]:
            younger = (one for one in file.parent.glob("*.json") if one.name < file.name)
            root = self._mark(file)
            kin = [(text(load(one), "parentID"), one) for one in younger]
            found = offspring(root, by_parent(self._mark(one) for parent, one in kin if parent))
        return found

    def records(self, session_ids: list[str]) -> Iterator[Record]:
        for session_id in session_ids:
            for file in self._files(session_id)[:1]:
                skipped: Counter[str] = Counter()
                head = Head.of_info(session_id, load(file) or {})
                yield Record(head, self._entries(file, skipped), skipped)

    def pulse(self, session_id: str) -> Pulse | None:
        for file in self._files(session_id)[:1]:
            for message in self._messages(file)[-1:]:
                at = max(_stamp(one)[0] for one in (message, *self._parts(message)))
                info = self._entry(message, load(message) or {}).info
                return Pulse.of_info(info, at // _NS_IN_MS)
        return None

    def _mark(self, file: Path) -> Mark:
        messages = self._messages(file)
        parts = (part for message in messages for part in self._parts(message))
        stamps = [_stamp(one) for one in (file, *messages, *parts)]
        return Mark(
            session_id=file.stem,
            parent_id=text(load(file), "parentID"),
            path=file,
            changed_at=max(stamps)[0] // _NS_IN_MS,
            digest=digest(len(stamps), max(stamps), sum(size for _, size in stamps)),
        )

    def _entries(self, file: Path, skipped: Counter[str]) -> Iterator[Entry]:
        found: list[tuple[int, Path, Value]] = []
        for message in self._messages(file):
            value = load(message)
            if value is None:
                skipped["unreadable message"] += 1
            else:
                info = self._entry(message, value).info
                found.append((number(info, "time", "created") or 0, message, value))
        for _, message, value in sorted(found, key=lambda one: one[:2]):
            entry = self._entry(message, value)
            parts = tuple(self._values(message, skipped))
            yield Entry(entry.id, entry.info, entry.parts + parts)

    def _values(self, message: Path, skipped: Counter[str]) -> Iterator[Value]:
        for file in self._parts(message):
            value = load(file)
            if value is None:
                skipped["unreadable part"] += 1
            else:
                yield value


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was written, in ns, and its size; a file that is gone by now has neither."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
