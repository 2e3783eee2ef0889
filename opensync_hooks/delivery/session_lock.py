"""One run at a time for each session: two would send what the other is about to confirm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from opensync_hooks.errors import BusyError
from opensync_hooks.system.files import ensure_private_folder, session_file_stem


@contextmanager
def session_lock(folder: Path, agent: str, session_id: str, timeout: float) -> Iterator[None]:
    """Hold the session's lock in this folder. Raises BusyError after `timeout` seconds."""
    path = ensure_private_folder(folder) / f"{session_file_stem(agent, session_id)}.lock"
    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise BusyError(
            f"{session_id}: another run has been syncing the session for {timeout:.0f} s.",
            "The next hook delivers it, or `opensync-hooks sync`.",
        ) from None
    try:
        yield
    finally:
        lock.release()
