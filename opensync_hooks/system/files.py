"""Our own files: private to the user, each either the old one or the new one, never half of it.

No link is followed, to read or to write: whoever plants one would have us read or change a file of
the user's that is none of ours. On Windows the profile folder's own permissions stand for modes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from opensync_hooks.errors import NotConfiguredError

_ROOT = 0
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def stem(agent: str, session_id: str) -> str:
    """The name, but for its ending, of a file about one session. An id never becomes a path."""
    plain = session_id.encode("utf-8", "surrogatepass")
    return f"{agent}-{hashlib.sha256(plain).hexdigest()[:32]}"


def private_folder(path: Path) -> Path:
    """The folder, made 0700 with its parents where it is missing; the user's own, or an error.

    Raises NotConfiguredError for one that another user owns, who could put any file in its place.
    """
    _make(path)
    if os.name == "posix":
        _check_owner(path, {os.geteuid()})
        _check_owner(path.parent, {os.geteuid(), _ROOT})
        _close_to_others(path)
    return path


def open_plain(path: Path) -> BinaryIO:
    """The file at `path`, to read. Raises OSError for a link, a pipe, a device, or nothing there.

    A planted link would have a foreign file read, and a pipe would hang the reader for ever.
    """
    if not hasattr(os, "O_NOFOLLOW") and path.is_symlink():
        raise OSError(errno.ELOOP, _LINK, str(path))
    try:
        fd = os.open(path, os.O_RDONLY | _PLAIN)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, _LINK, str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(fd, "rb")


_LINK = "a link, and links are not followed"


def read_whole(path: Path) -> bytes:
    """All of a file of ours. Raises OSError, as `open_plain` does."""
    with open_plain(path) as file:
        return file.read()


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace the file at `path`, 0600. `durable` also survives a power cut, at a disk's pace."""
    _make(path.parent)
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
        settle(path.parent)


def _make(path: Path) -> None:
    if path.is_dir():
        return
    for folder in (*reversed(path.parents), path):  # mkdir's own `parents` heeds no mode
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            # With a folder that a power cut takes away goes all that was made durable in it.
            with suppress(OSError):  # one that may not be read
                settle(folder.parent)


def _check_owner(folder: Path, allowed: set[int]) -> None:
    owner = folder.stat().st_uid
    if owner not in allowed:
        raise NotConfiguredError(
            f"{folder.absolute()}: belongs to another user (uid {owner}).",
            "Run this as that user, or set OPENSYNC_HOOKS_HOME to a folder of your own.",
        )


def _close_to_others(folder: Path) -> None:
    """Who may write into a folder may swap the files in it, whatever their own modes are."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o022:
        folder.chmod(mode & ~0o022)


def settle(folder: Path) -> None:
    """Names that came into the folder, or left it, survive a power cut from now on."""
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
