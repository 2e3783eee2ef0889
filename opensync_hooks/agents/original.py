"""What a user's file was before we first changed it, so that taking ours away can be exact.

Believed only as long as the file is still byte for byte what we wrote.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opensync_hooks import folders
from opensync_hooks.agents.change import Note, read


def folder(env: folders.Lookup) -> Path:
    return Path(folders.state(env)) / "backups"


@dataclass(frozen=True, slots=True)
class Original:
    """`content` is the whole file, None if there was none; it means nothing unless `known`."""

    record: Path
    known: bool = False
    content: bytes | None = None

    def note(self, written: bytes) -> Note:
        """The record to keep once the file holds `written`."""
        if not self.known:
            return Note(self.record, None)
        original = None if self.content is None else base64.b64encode(self.content).decode()
        record = {"written": _digest(written), "original": original}
        return Note(self.record, json.dumps(record).encode())

    def started_with(self, content: bytes | None) -> Original:
        return replace(self, known=True, content=content)

    def forgotten(self) -> Note:
        return Note(self.record, None)


def of(env: folders.Lookup, path: Path, now: bytes | None) -> Original:
    """What the file at `path`, which holds `now`, was before us; not known if others wrote it."""
    name = _digest(os.fsencode(path.absolute()))
    record = folder(env) / f"{name}.json"
    try:
        noted: Any = json.loads(read(record) or b"null")
        if now is None or noted["written"] != _digest(now):
            return Original(record)
        content = noted["original"]
        return Original(record, True, None if content is None else base64.b64decode(content))
    except (TypeError, KeyError, ValueError):  # no record, or not one of ours
        return Original(record)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def forget_all(env: folders.Lookup) -> None:
    shutil.rmtree(folder(env), ignore_errors=True)
    with suppress(OSError):
        folder(env).parent.rmdir()  # unless something is in it
