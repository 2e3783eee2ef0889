"""What this package holds for the user: settings with the key, sessions, queue. And nobody else's.

A folder that bears our name is ours whole. In one that the user named there may be anything, so
there only what we are known to make goes.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths

PATIENCE = 10.0
_PAUSE = 0.1
_MADE = {
    "config.toml": "settings and key",
    ".config.toml.*": "settings that something ended in the middle of writing",
    "store.db*": "sessions in the embedded store",
    "ledger.db*": "what was confirmed",
    "spool": "the queue",
    "locks": "locks",
    "notes": "what only hooks reported, such as tokens",
    "excluded": "what you keep private",
    "backups": "agents' files as they were",
    "retired": "other programs' hooks as they were",
    "keepsakes": "sessions that their agent may delete",
    "hooks*.log": "the log",
}


@dataclass(frozen=True, slots=True)
class Held:
    """One file or folder of ours, and in words what is in it."""

    path: Path
    what: str


def places(environ: Mapping[str, str]) -> list[Path]:
    find = environ.get
    found = (paths.config(find), paths.data(find), paths.state(find))
    return [Path(folder) for folder in dict.fromkeys(found)]


def held(environ: Mapping[str, str]) -> list[Held]:
    return [one for folder in places(environ) for one in _held(folder)]


def roots(environ: Mapping[str, str]) -> list[Path]:
    """All of it in as few paths as can be named."""
    found: list[Path] = []
    for folder in filter(Path.is_dir, places(environ)):
        found += [folder] if _is_ours_whole(folder) else [one.path for one in _held(folder)]
    return found


def delete(environ: Mapping[str, str]) -> None:
    """Once no worker is at it. Raises OpenSyncError if one does not end, or if anything stays."""
    with _between_workers(Path(paths.spool(environ.get))):
        for folder in places(environ):
            _delete(folder)
    left = roots(environ)
    if left:
        raise OpenSyncError(
            f"{left[0]}: could not be deleted, or not all of it.",
            f"see who owns what is in it, then: rm -r {shlex.join(map(str, left))}",
        )


def _held(folder: Path) -> Iterator[Held]:
    for pattern, what in _MADE.items():
        for path in sorted(folder.glob(pattern)):
            yield Held(path, what)


def _is_ours_whole(folder: Path) -> bool:
    return folder.name == paths.NAME and not folder.is_symlink()


def _delete(folder: Path) -> None:
    if _is_ours_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for one in _held(folder):
        if one.path.is_dir() and not one.path.is_symlink():
            shutil.rmtree(one.path)
        else:
            one.path.unlink()
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def _between_workers(spool: Path) -> Iterator[None]:
    """What a worker is at would otherwise come back behind us."""
    lock = spool / "worker.lock"
    if sys.platform == "win32" or not lock.exists():
        yield
        return
    import fcntl  # noqa: PLC0415 - not on Windows

    with lock.open("rb+") as file:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise _busy(lock) from None
                time.sleep(_PAUSE)
        yield


def _busy(lock: Path) -> OpenSyncError:
    return OpenSyncError(
        f"{lock.parent}: sessions are being delivered at this moment. They are still there.",
        "run the same command again in a minute",
    )
