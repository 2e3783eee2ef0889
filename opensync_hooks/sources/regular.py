"""Opening what an agent left behind: a plain file, and nothing that only looks like one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from opensync_hooks.errors import SourceError

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> BinaryIO:
    """The file at `path`; SourceError for a link, a pipe, a device, or nothing there.

    A planted link would upload a foreign file, and a pipe would hang the worker for ever.
    """
    try:
        fd = os.open(path, os.O_RDONLY | _NO_LINKS)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SourceError(f"{path}: not a regular file.")
    return os.fdopen(fd, "rb")
