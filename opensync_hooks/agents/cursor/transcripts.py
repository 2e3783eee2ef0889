"""Finds and reads transcripts, `<projects>/<project>/agent-transcripts/`, in any of five layouts.

    <id>/<id>.jsonl    <id>.jsonl    <id>/<id>.txt    <id>.txt    <parent>/subagents/<id>.jsonl

Without a project the folder is directly in `<projects>`. `.workspace-trusted` in a project's folder
names the project.

Cursor truncates the file and writes it anew at each update, so a read may return only half of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from opensync_hooks.agents.cursor import projects, transcript_parser
from opensync_hooks.agents.cursor.conversation import Conversation
from opensync_hooks.agents.cursor.transcript_parser import ParsedTranscript
from opensync_hooks.agents.json_access import as_dict, get_str
from opensync_hooks.agents.safe_open import is_within, open_regular, within
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import SourceError

ORIGIN = "transcript"
_FOLDER = "agent-transcripts"
_LAYOUTS = ("{0}/{0}.jsonl", "{0}.jsonl", "{0}/{0}.txt", "{0}.txt")
_SUFFIXES = (".jsonl", ".txt")
_MAX_NAME_LENGTH = 200
_MAX_BYTES = 512 << 20
_MAX_NOTE_BYTES = 1 << 20
_MAX_READS = 5
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """One transcript. `parent`: the file name of the session that started it as a subagent."""

    path: Path
    parent: str | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def folder(self) -> Path:
        """The project's `agent-transcripts`."""
        return next(folder for folder in self.path.parents if folder.name == _FOLDER)

    @property
    def project(self) -> str:
        """The name of the project's folder."""
        return self.folder.parent.name


def file_name(session_id: str) -> str:
    """Return the file name that Cursor makes of an id, which may hold any characters."""
    name = quote(session_id, safe="!'()*-._~", errors="replace").replace("%", "_")
    return name[:_MAX_NAME_LENGTH]


def find_files(roots: Iterable[Path], session_id: str) -> list[TranscriptFile]:
    """Return the session's transcripts: from each project the one that Cursor itself takes."""
    name = file_name(session_id)
    if not name.strip("."):
        return []
    files = (_find_in_folder(folder, name) for folder in _transcript_folders(roots))
    return [file for file in files if file]


def all_files(roots: Iterable[Path]) -> Iterator[TranscriptFile]:
    """Yield one file for each session and each subagent in each project.

    A file that no session's id leads to, because Cursor would name it otherwise, is left out.
    """
    for folder in _transcript_folders(roots):
        seen: set[tuple[str, str | None]] = set()
        for pattern in ("*/*.jsonl", "*.jsonl", "*/*.txt", "*.txt", "*/subagents/*.*"):
            for path in sorted(folder.glob(pattern)):
                file = _classify(folder, path)
                if not file or file_name(file.name) != file.name:
                    continue
                if (file.name, file.parent) not in seen and path.is_file():
                    seen.add((file.name, file.parent))
                    yield file


def from_path(path: Path) -> TranscriptFile | None:
    """Return the transcript at any path; None for a file of another kind."""
    folder = next((parent for parent in path.parents if parent.name == _FOLDER), None)
    return _classify(folder, path) if folder else None


def subagent_files(roots: Iterable[Path], session_id: str) -> list[TranscriptFile]:
    """Return the session's subagents, each once, even if its own transcript is gone."""
    files: dict[str, TranscriptFile] = {}
    for folder in _transcript_folders(roots):
        paths = (folder / file_name(session_id) / "subagents").glob("*.*")
        for path in sorted(paths, key=lambda path: (path.suffix, path.name)):
            file = from_path(path)
            if file:
                files.setdefault(file.name, file)
    return list(files.values())


def _transcript_folders(roots: Iterable[Path]) -> Iterator[Path]:
    for root in roots:
        try:
            paths = [root / _FOLDER, *sorted(root.glob(f"*/{_FOLDER}"))]
            folders = [path for path in paths if path.is_dir()]
        except OSError:
            continue
        yield from within(root, folders)


def _find_in_folder(folder: Path, name: str) -> TranscriptFile | None:
    for layout in _LAYOUTS:
        path = folder / layout.format(name)
        file = _classify(folder, path) if path.is_file() else None
        if file:
            return file
    escaped = name.replace("*", "[*]")  # the only character of a file name that glob interprets
    paths = sorted(folder.glob(f"*/subagents/{escaped}.*"))
    files = filter(None, (_classify(folder, path) for path in paths))
    return next((file for file in files if file.name == name), None)


def _classify(folder: Path, path: Path) -> TranscriptFile | None:
    """Return the transcript at a path below `folder`; None if no layout has a file there."""
    below = path.relative_to(folder).parts
    if path.suffix not in _SUFFIXES or not is_within(folder, path.parent):
        return None
    if len(below) == 1 or (len(below) == 2 and below[0] == path.stem):
        return TranscriptFile(path)
    if len(below) == 3 and below[1] == "subagents":
        return TranscriptFile(path, below[0])
    return None


def read_conversation(
    file: TranscriptFile, session_id: str, folders: Iterable[str] = ()
) -> Conversation:
    """Return the session in a transcript. `folders`: those that its project may be."""
    transcript, trusted = _read_stable(file.path), _trusted_folder(file.folder.parent)
    matches = (path for path in folders if projects.slug(path) == file.project)
    return Conversation(
        session_id=session_id,
        origin=ORIGIN,
        steps=transcript.steps,
        project_path=trusted or next(matches, None),
        parent_id=file.parent,
        is_settled=transcript.is_settled,
        skipped=transcript.skipped,
    )


def _trusted_folder(project: Path) -> str | None:
    """Return the folder for which the command line once asked whether the user trusts it."""
    try:
        with open_regular(project / ".workspace-trusted") as file:
            return projects.uri_path(get_str(as_dict(file.read(_MAX_NOTE_BYTES)), "workspacePath"))
    except (SourceError, OSError):
        return None


def _read_stable(path: Path) -> ParsedTranscript:
    """Read the transcript again, up to five times, while it is being written."""
    for attempt in range(_MAX_READS):
        if attempt:
            time.sleep(_PAUSE_S)
        with open_regular(path) as file:
            before = os.fstat(file.fileno())
            content = file.read(_MAX_BYTES + 1)
            after = os.fstat(file.fileno())
        if len(content) > _MAX_BYTES:
            raise SourceError(f"{path}: larger than {_MAX_BYTES >> 20} MB.")
        transcript = transcript_parser.parse(content, path.suffix)
        is_same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if is_same and not transcript.is_torn:
            break
    return transcript
