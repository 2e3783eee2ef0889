"""Where transcripts lie: `<projects>/<project>/agent-transcripts/`, in four layouts.

    <id>/<id>.jsonl    <id>.jsonl    <id>/<id>.txt    <id>.txt      <parent>/subagents/<id>.jsonl

The file is truncated and written again at each update, so what is read may be half of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from opensync_hooks.agents.cursor import projects, transcript_parser
from opensync_hooks.agents.cursor.conversation import Conversation
from opensync_hooks.agents.safe_open import is_within, open_regular, within
from opensync_hooks.errors import SourceError

ORIGIN = "transcript"
_FOLDER = "agent-transcripts"
_LONGEST_NAME = 200
_LARGEST = 512 << 20
_TRIES = 5
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class File:
    """One transcript; `parent` is the file name of the session that it is a subagent of."""

    path: Path
    parent: str | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def project(self) -> str:
        """The name of the project's folder."""
        place = next(one for one in self.path.parents if one.name == _FOLDER)
        return place.parent.name


def file_name(session_id: str) -> str:
    """How Cursor makes a file's name of an id, which may hold line ends, slashes, anything."""
    name = quote(session_id, safe="!'()*-._~", errors="replace").replace("%", "_")
    return name[:_LONGEST_NAME]


def files(roots: Iterable[Path], session_id: str) -> list[File]:
    """Every transcript of the session, in each folder the one that Cursor itself would take."""
    name = file_name(session_id)
    if name.strip(".") == "":
        return []
    found = (_in_folder(folder, name) for folder in _folders(roots))
    return [one for one in found if one]


def all_files(roots: Iterable[Path]) -> Iterator[File]:
    """One file for each session and subagent there is, by name."""
    for folder in _folders(roots):
        seen: set[tuple[str, str | None]] = set()
        for pattern in ("*/*.jsonl", "*.jsonl", "*/*.txt", "*.txt", "*/subagents/*.*"):
            for path in sorted(folder.glob(pattern)):
                found = _file(folder, path)
                if found and (found.name, found.parent) not in seen and path.is_file():
                    seen.add((found.name, found.parent))
                    yield found


def of_path(path: Path) -> File | None:
    """The transcript at a path, wherever it lies; None for a file of another kind."""
    if path.suffix not in (".jsonl", ".txt"):
        return None
    folder = next((one for one in path.parents if one.name == _FOLDER), None)
    return _file(folder, path) if folder else None


def _file(folder: Path, path: Path) -> File | None:
    below = path.relative_to(folder).parts
    if not is_within(folder, path.parent):
        return None
    if len(below) == 1 or (len(below) == 2 and below[0] == path.stem):
        return File(path)
    if len(below) == 3 and below[1] == "subagents":
        return File(path, below[0])
    return None


def _folders(roots: Iterable[Path]) -> Iterator[Path]:
    for root in roots:
        try:
            found = sorted(path for path in root.glob(f"*/{_FOLDER}") if path.is_dir())
        except OSError:
            continue
        yield from within(root, found)


def _in_folder(folder: Path, name: str) -> File | None:
    for below in (f"{name}/{name}.jsonl", f"{name}.jsonl", f"{name}/{name}.txt", f"{name}.txt"):
        found = _file(folder, folder / below) if (folder / below).is_file() else None
        if found:
            return found
    for suffix in (".jsonl", ".txt"):
        path = next(folder.glob(f"*/subagents/{_literal(name)}{suffix}"), None)
        if path:
            return _file(folder, path)
    return None


def _literal(name: str) -> str:
    return name.replace("*", "[*]")  # the one letter of a file name that a pattern would heed


def below(roots: Iterable[Path], session_id: str) -> list[File]:
    """The session's subagents, also where its own transcript is gone; each once."""
    found: dict[str, File] = {}
    for folder in _folders(roots):
        paths = (folder / file_name(session_id) / "subagents").glob("*.*")
        for path in sorted(paths, key=lambda path: (path.suffix, path.name)):
            file = of_path(path)
            if file:
                found.setdefault(file.name, file)
    return list(found.values())


def load(file: File) -> transcript_parser.Read:
    """The transcript; where it was being written, a moment later. Raises SourceError."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S)
        before, content, after = _content(file.path)
        found = transcript_parser.read(content, file.path.suffix)
        if before == after and not found.is_torn:
            break
    return found


def _content(path: Path) -> tuple[object, bytes, object]:
    with open_regular(path) as file:
        before = _stamp(file.fileno())
        content = file.read(_LARGEST + 1)
        after = _stamp(file.fileno())
    if len(content) > _LARGEST:
        raise SourceError(f"{path}: larger than {_LARGEST >> 20} MB.")
    return before, content, after


def _stamp(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_size, status.st_mtime_ns


def conversation(file: File, session_id: str, folders: Iterable[str] = ()) -> Conversation:
    """The session as its transcript tells it. `folders` are those that its project may be."""
    found = load(file)
    matching = (path for path in folders if projects.slug(path) == file.project)
    return Conversation(
        session_id=session_id,
        origin=ORIGIN,
        steps=found.steps,
        project_path=next(matching, None),
        parent_id=file.parent,
        is_settled=found.is_settled,
        skipped=found.skipped,
    )
