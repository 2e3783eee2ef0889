"""Locks between processes, on files that only the user can open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock


def file_lock(path: Path) -> FileLock:
    """Return the lock of this file, not yet acquired."""
    from filelock import FileLock  # noqa: PLC0415 - takes 15 ms, which readers need not pay

    return FileLock(path, mode=0o600)


def is_acquired(lock: FileLock, timeout: float = 0) -> bool:
    """Try to acquire the lock for `timeout` seconds, and return whether that succeeded."""
    from filelock import Timeout  # noqa: PLC0415

    try:
        lock.acquire(timeout=timeout, poll_interval=0.005)
    except Timeout:
        return False
    return True
