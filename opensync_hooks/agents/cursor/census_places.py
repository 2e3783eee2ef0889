"""Finds the files that may hold a session of Cursor, for the census, without the reader."""

from __future__ import annotations

import glob
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from opensync_hooks.agents.safe_open import files_within
from opensync_hooks.dataclass import dataclass

_DATABASE = "globalStorage/state.vscdb"
_APPLICATION_DATA = {
    "win32": ("APPDATA", "AppData/Roaming"),
    "darwin": ("", "Library/Application Support"),
}
_CHANNELS = ("Cursor", "Cursor Nightly")
_FOLDER = "agent-transcripts"
_LAYOUTS = ("{0}/{0}.jsonl", "{0}.jsonl", "{0}/{0}.txt", "{0}.txt", "*/subagents/{0}.*")


@dataclass(frozen=True, slots=True)
class Places:
    """The databases of one user's Cursor, and its folders of projects and of chats."""

    databases: tuple[Path, ...]
    projects: tuple[Path, ...]
    chats: tuple[Path, ...]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], home: str) -> Places:
        names = ("CURSOR_CONFIG_DIR", "XDG_CONFIG_HOME")
        config, xdg = ([Path(environ[name])] if environ.get(name) else [] for name in names)
        roots = [*config, *(path / "cursor" for path in xdg), Path(home, ".cursor")]
        data = environ.get("CURSOR_DATA_DIR")
        projects = [root / "projects" for root in ([Path(data)] if data else []) + roots]
        if environ.get("CURSOR_PROJECTS_DIR"):
            projects = [Path(environ["CURSOR_PROJECTS_DIR"])]
        chats = [root / name for root in roots for name in ("chats", "acp-sessions")]
        databases = [path for path in _databases(environ, home) if path.is_file()]
        return cls(tuple(databases), tuple(projects), tuple(chats))

    def contain(self, path: Path) -> bool:
        """Whether a file is one of Cursor's own, and not a copy that somebody made."""
        is_window = "workspaceStorage" in path.parts
        roots = [folder.resolve() for folder in (*self.projects, *self.chats)]
        is_below = any(path.resolve().is_relative_to(root) for root in roots)
        return path in self.databases or is_window or is_below

    def chats_of(self, session_id: str, cwd: str | None) -> list[Path]:
        """Return the session's chats: first those of a folder that hooks named, then newer ones."""
        if not _is_name(session_id):
            return []
        name = f"{glob.escape(session_id)}/store.db"
        roots = [(root, pattern + name) for root in self.chats for pattern in ("", "*/")]
        files = [file for root, pattern in roots for file in files_within(root, root, pattern)]
        return sorted(files, key=lambda file: (_started_in(file) != cwd, -file.stat().st_mtime_ns))

    def transcripts_of(self, session_id: str, cwd: str | None) -> list[Path]:
        """Return the session's transcripts, one of each project, in the same order."""
        name = glob.escape(file_name(session_id))
        slug = re.sub("[^A-Za-z0-9]+", "-", cwd or "").strip("-")
        files = []
        for root, folder in self._transcript_folders() if _is_name(name) else ():
            patterns = (layout.format(name) for layout in _LAYOUTS)
            groups = (files_within(root, folder, pattern) for pattern in patterns)
            files += next(filter(None, groups), [])[:1]
        return sorted(files, key=lambda file: (slug not in file.parts, -file.stat().st_mtime_ns))

    def subagents_of(self, session_id: str) -> list[str]:
        """Return the file names of the session's subagents that have a transcript."""
        if not _is_name(session_id):
            return []
        pattern = f"{glob.escape(file_name(session_id))}/subagents/*.*"
        roots = self._transcript_folders()
        groups = (files_within(root, folder, pattern) for root, folder in roots)
        return [file.stem for files in groups for file in files]

    def _transcript_folders(self) -> Iterator[tuple[Path, Path]]:
        for root in self.projects:
            yield root, root / _FOLDER  # outside of any project
            yield from ((root, folder) for folder in sorted(root.glob(f"*/{_FOLDER}")))


def _is_name(text: str) -> bool:
    """Whether a text can be the name of a file or folder."""
    return bool(text.strip(".")) and not set(text) & set("/\\\0")


def file_name(session_id: str) -> str:
    """Return the file name that Cursor makes of an id."""
    return quote(session_id, safe="!'()*-._~", errors="replace").replace("%", "_")[:200]


def _started_in(chat: Path) -> object:
    """Return the folder in which a chat was started; None if it is not known."""
    try:
        return json.loads(chat.with_name("meta.json").read_bytes()).get("cwd")
    except (OSError, ValueError, AttributeError):
        return None


def _databases(environ: Mapping[str, str], home: str) -> list[Path]:
    if environ.get("CURSOR_CODE_REMOTE") == "true":
        return []  # the editor, and with it the database, runs on another machine
    if environ.get("CURSOR_STATE_DB"):
        return [Path(environ["CURSOR_STATE_DB"])]
    if environ.get("CURSOR_IDE_DIR"):
        folder = Path(environ["CURSOR_IDE_DIR"])
        return [folder / "state.vscdb", folder / _DATABASE, folder / "User" / _DATABASE]
    variable, default = _APPLICATION_DATA.get(sys.platform, ("XDG_CONFIG_HOME", ".config"))
    base = Path(environ.get(variable) or Path(home, default))
    return [base / channel / "User" / _DATABASE for channel in _CHANNELS]
