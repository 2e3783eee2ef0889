"""Copies of users' files from before our first change, so that an uninstall can be exact.

Each file is copied once, under a name with its hash; a record beside the copy has the hashes of
what we wrote instead. A copy counts only while the user's file is byte for byte what we wrote.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from opensync_hooks.agents.settings_files.file_change import SideFile, read
from opensync_hooks.dataclass import dataclass
from opensync_hooks.hook import paths
from opensync_hooks.system.local_paths import without_links


@dataclass(frozen=True, slots=True)
class Backup:
    """A user's file before our first change: all of its `content`, None if there was no file."""

    path: Path
    record: Path
    content: bytes | None
    folder_made: bool
    """Whether the file's folder did not exist either."""
    written: tuple[str, ...] = ()
    """Hashes of what the file may hold now."""

    def side_files(self, after: bytes) -> tuple[SideFile, ...]:
        """Return what to keep once the file holds `after`.

        The previous hash is kept as well: if we are killed before the file is written, it still
        holds what that hash stands for.
        """
        record = {
            "path": str(self.path),
            "original": None if self.content is None else digest(self.content),
            "folder_made": self.folder_made,
            "written": [*self.written, digest(after)][-2:],
        }
        side_files = [SideFile(self.record, json.dumps(record, indent=2).encode())]
        if self.content is not None:
            copy_path = _copy_path(self.record, digest(self.content))
            side_files.insert(0, SideFile(copy_path, self.content))
        return tuple(side_files)

    def deletions(self) -> tuple[SideFile, ...]:
        """Return the same files to be deleted, the record before what it refers to."""
        return tuple(SideFile(kept.path, None) for kept in reversed(self.side_files(b"")))


def start(env: paths.Lookup, path: Path, content: bytes | None) -> Backup:
    """Return the backup of a file that has nothing of ours in it yet."""
    return Backup(path, record_path(env, path), content, folder_made=not path.parent.exists())


def find(env: paths.Lookup, path: Path, current: bytes | None) -> Backup | None:
    """Return the backup of a file that holds `current` now; None if others have changed it."""
    record_file = record_path(env, path)
    try:
        record: Any = json.loads(read(record_file) or b"null")
        if current is None or digest(current) not in record["written"]:
            return None
        content = None
        if record["original"] is not None:
            content = read(_copy_path(record_file, record["original"]))
            if content is None or digest(content) != record["original"]:
                return None
        written = tuple(map(str, record["written"]))
        return Backup(path, record_file, content, bool(record["folder_made"]), written)
    except (TypeError, KeyError, ValueError):  # there is no record, or it is not one of ours
        return None


def folder(env: paths.Lookup) -> Path:
    return Path(paths.state(env)) / "backups"


def record_path(env: paths.Lookup, path: Path) -> Path:
    """Return where the record of the file at `path` is kept, whether or not there is one.

    It is the same for each spelling of the folder, except that older versions took it as it was.
    """
    spellings = (path.absolute(), without_links(path.parent) / path.name)
    records = [
        folder(env) / f"{path.name}.{digest(os.fsencode(spelling))[:12]}.json"
        for spelling in spellings
    ]
    return next(filter(Path.exists, records), records[-1])


def _copy_path(record: Path, content_digest: str) -> Path:
    return record.with_name(f"{record.name.removesuffix('.json')}.{content_digest[:16]}")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def forget_all(env: paths.Lookup) -> None:
    """Delete every backup."""
    shutil.rmtree(folder(env), ignore_errors=True)
    with suppress(OSError):
        folder(env).parent.rmdir()  # only if it is empty
