"""What a user's file was before we first changed it, so that taking ours away can be exact.

Each file is kept once, as it is, in a file named after its hash; a record beside it says what we
wrote instead. It is believed only while the user's file is still byte for byte what we wrote.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opensync_hooks.agents.settings_files.file_change import Note, read
from opensync_hooks.hook import paths


def folder(env: paths.Lookup) -> Path:
    return Path(paths.state(env)) / "backups"


@dataclass(frozen=True, slots=True)
class Original:
    """`content` is the whole file, None if there was none; it means nothing unless `known`."""

    path: Path
    place: Path
    """Where its record lies, but for the name's ending."""
    known: bool = False
    content: bytes | None = None
    folder_made: bool = False
    """Whether the file's folder was not there either."""
    written: tuple[str, ...] = ()

    @property
    def record(self) -> Path:
        return self.place.with_name(self.place.name + ".json")

    @property
    def backup(self) -> Path:
        return _backup(self.place, digest(self.content or b""))

    def notes(self, written: bytes) -> tuple[Note, ...]:
        """What to keep once the file holds `written`: nothing new if others have changed it.

        The hash before stays as well: killed before the file is written, it still holds that.
        """
        if not self.known:
            return ()
        record = {
            "path": str(self.path),
            "original": None if self.content is None else digest(self.content),
            "folder_made": self.folder_made,
            "written": [*self.written, digest(written)][-2:],
        }
        kept = Note(self.record, json.dumps(record, indent=2).encode())
        return (kept,) if self.content is None else (Note(self.backup, self.content), kept)

    def started_with(self, content: bytes | None) -> Original:
        made = not self.path.parent.exists()
        return replace(self, known=True, content=content, folder_made=made, written=())

    def forgotten(self) -> tuple[Note, ...]:
        kept = (self.record,) if self.content is None else (self.record, self.backup)
        return tuple(Note(path, None) for path in kept)


def of(env: paths.Lookup, path: Path, now: bytes | None) -> Original:
    """What the file at `path`, which holds `now`, was before us; not known if others wrote it."""
    name = f"{path.name}.{digest(os.fsencode(path.absolute()))[:12]}"
    unknown = Original(path, folder(env) / name)
    try:
        noted: Any = json.loads(read(unknown.record) or b"null")
        if now is None or digest(now) not in noted["written"]:
            return unknown
        written = tuple(map(str, noted["written"]))
        made = bool(noted["folder_made"])
        found = replace(unknown, known=True, folder_made=made, written=written)
        return found if noted["original"] is None else _with_content(found, noted["original"])
    except (TypeError, KeyError, ValueError):  # no record, or not one of ours
        return unknown


def _with_content(found: Original, hashed: str) -> Original:
    content = read(_backup(found.place, hashed))
    if content is None or digest(content) != hashed:
        return Original(found.path, found.place)
    return replace(found, content=content)


def _backup(place: Path, hashed: str) -> Path:
    return place.with_name(f"{place.name}.{hashed[:16]}")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def forget_all(env: paths.Lookup) -> None:
    shutil.rmtree(folder(env), ignore_errors=True)
    with suppress(OSError):
        folder(env).parent.rmdir()  # unless something is in it
