"""One JSON file of OpenCode's, which OpenCode may be writing at this moment."""

from __future__ import annotations

import time
from pathlib import Path

from opensync_hooks.agents.json_access import decode_dict
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.model import Json

NS_PER_MS = 1_000_000
_MAX_SIZE = 256 << 20
_ATTEMPTS = 4
_PAUSE_S = 0.05
_FRESH_S = 10


def read_object(path: Path) -> Json | None:
    """Return the JSON object in a file, or None. Raises SourceError if there is no regular file.

    OpenCode writes its files in place, so one that was written just now is read again.
    """
    for _ in range(_ATTEMPTS):
        with open_regular(path) as file:
            value = decode_dict(file.read(_MAX_SIZE))
        if value is not None or time.time() - path.stat().st_mtime > _FRESH_S:
            return value
        time.sleep(_PAUSE_S)
    return None


def mtime_and_size(path: Path) -> tuple[int, int]:
    """Return the file's mtime in ns and its size, both 0 if it no longer exists."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
