"""Our own files: readable by the user alone, and replaced atomically.

Links are not followed, neither to read nor to write: a planted link would make us read or change
some other file of the user's. On Windows the profile folder's own permissions replace modes.
"""

import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from opensync_hooks.errors import NotConfiguredError, OpenSyncError
from opensync_hooks.system import windows

_ROOT = 0
_SAFE_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_IS_LINK = "a link, and links are not followed"


def session_file_stem(agent: str, session_id: str) -> str:
    """Return the name, without suffix, of a file about one session. It is hashed, never a path."""
    raw_id = session_id.encode("utf-8", "surrogatepass")
    return f"{agent}-{hashlib.sha256(raw_id).hexdigest()[:32]}"


def ensure_private_folder(path: Path) -> Path:
    """Create the folder and its missing parents with mode 0700; returns `path`.

    Raises NotConfiguredError if it is another user's, who could replace any file in it.
    """
    _make_folders(path)
    if os.name == "posix":
        user = os.geteuid()
        _check_owner(path, {user})
        _check_owner(path.parent, {user, _ROOT})
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o022:  # whoever can write to a folder can swap the files in it
            path.chmod(mode & ~0o022)
    return path


def open_regular_file(path: Path) -> BinaryIO:
    """Open a file for reading. Raises OSError also for a link, a pipe or a device.

    A planted link would have a foreign file read; a pipe would block the reader forever.
    """
    if not hasattr(os, "O_NOFOLLOW") and path.is_symlink():
        raise OSError(errno.ELOOP, _IS_LINK, str(path))
    try:
        fd = os.open(path, os.O_RDONLY | _SAFE_FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, _IS_LINK, str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(fd, "rb")


def read_file(path: Path) -> bytes:
    """Return the content of a regular file. Raises OSError as `open_regular_file` does."""
    with open_regular_file(path) as file:
        return file.read()


def atomic_write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace the file with one of mode 0600: readers see the old or the new content, no mixture.

    `durable` waits for the disk, so that the file survives a power cut.
    """
    _make_folders(path.parent)
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            if os.name == "posix":
                os.fchmod(file.fileno(), 0o600)  # a umask may have removed even our own rights
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        windows.retrying(lambda: Path(temporary).replace(path))
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make files that were created, renamed or deleted in the folder survive a power cut."""
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def remove_tree(path: Path) -> bool:
    """Remove a folder; returns whether it is gone. On Windows, what runs from it goes later."""
    if not windows.IS_WINDOWS:
        shutil.rmtree(path)
        return True
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        windows.remove_later([path])
    return not path.exists()


@contextmanager
def process_lock(path: Path, refusal: OpenSyncError, timeout_s: float = 0.0) -> Iterator[None]:
    """Lock a file or folder until the block or the process ends. Raises `refusal` if it is taken.

    For code that has to run without `filelock`, whose locks it respects.
    """
    deadline = time.monotonic() + timeout_s
    fd = _open_lock(path)
    try:
        while True:
            try:
                _lock(fd)
                break
            except (BlockingIOError, PermissionError):
                if time.monotonic() >= deadline:
                    raise refusal from None
                time.sleep(0.1)
        yield
    finally:
        os.close(fd)


def _open_lock(path: Path) -> int:
    if not path.is_dir():
        return os.open(path, os.O_RDWR)
    if windows.IS_WINDOWS:  # where nobody can open a folder; the file goes when it is closed
        temporary = getattr(os, "O_TEMPORARY", 0)
        return os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | temporary, 0o600)
    return os.open(path, os.O_RDONLY)


def _lock(fd: int) -> None:
    """Lock an open file. Raises BlockingIOError, or PermissionError on Windows, if it is taken."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - only on Windows

        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415 - not on Windows

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _make_folders(path: Path) -> None:
    if path.is_dir():
        return
    for folder in (*reversed(path.parents), path):  # `mkdir(parents=True)` ignores the mode
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            # A power cut that removes this folder would remove every durable file in it.
            with suppress(OSError):  # the parent may not be readable
                sync_folder(folder.parent)


def _check_owner(folder: Path, allowed: set[int]) -> None:
    owner = folder.stat().st_uid
    if owner not in allowed:
        raise NotConfiguredError(
            f"{folder.absolute()}: belongs to another user (uid {owner}).",
            "Run this as that user, or set OPENSYNC_HOOKS_HOME to a folder of your own.",
        )
