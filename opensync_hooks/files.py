"""Our own files: private to the user, each either the old one or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def private_folder(path: Path) -> Path:
    """The folder, made 0700 with its parents where it is missing."""
    if not path.is_dir():
        for folder in (*reversed(path.parents), path):  # mkdir's own `parents` heeds no mode
            folder.mkdir(mode=0o700, exist_ok=True)
    return path


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace the file at `path`, 0600. `durable` also survives a power cut, at a disk's pace."""
    private_folder(path.parent)
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            if os.name == "posix":
                os.fchmod(file.fileno(), 0o600)  # a umask may have taken away even our own rights
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        _settle(path.parent)


def _settle(folder: Path) -> None:
    """A renamed file is there after a power cut only once its folder is written too."""
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
