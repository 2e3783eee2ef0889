"""One run at a time for each session: two would send what the other is about to confirm."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from opensync_hooks.errors import BusyError
from opensync_hooks.system.file_lock import file_lock, is_acquired
from opensync_hooks.system.files import ensure_private_folder, session_file_stem

if TYPE_CHECKING:
    from filelock import FileLock

_POLL_S = 0.05


@contextmanager
def session_lock(folder: Path, agent: str, session_id: str, timeout: float) -> Iterator[None]:
    """Hold the session's lock in this folder. Raises BusyError after `timeout` seconds.

    The file goes with the lock, or a file for each session would stay for good. Files are locked
    and deleted under one more lock: else a run could lock a file that has just been deleted, while
    another one locks its successor.
    """
    path = ensure_private_folder(folder) / f"{session_file_stem(agent, session_id)}.lock"
    lock, files = file_lock(path), file_lock(folder / "files.lock")
    deadline = time.monotonic() + timeout
    while not _is_acquired(lock, files):
        if time.monotonic() >= deadline:
            raise BusyError(
                f"{session_id}: another run has been syncing the session for {timeout:.0f} s.",
                "The next hook delivers it, or `opensync-hooks sync`.",
            )
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        with files:
            lock.release()
            with suppress(OSError):
                path.unlink()


def _is_acquired(lock: FileLock, files: FileLock) -> bool:
    with files:
        return is_acquired(lock)
