"""Reads one state of an SQLite database that another program owns and may be writing to.

    a -wal beside it         open in some program, or left by a crash: mode=ro, which reads the -wal
    rollback journal         mode=ro
    WAL format, no -wal      closed: immutable=1, as mode=ro would leave a -wal and a -shm behind;
                             valid only if no program has opened it by the end of the read

Never writes, copies, checkpoints or cleans up. The transaction ends before the result is used: in
rollback mode, a reader blocks every commit of the owner.
"""

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import DamagedSourceError, SourceError

_NO_LINK = "Name the database itself, not a link, in the variable that says where it is."
LOCK_TIMEOUT_S = 3.0
"""For an owner that locks readers out. The worker has other sessions to sync meanwhile."""
_ATTEMPTS = 3
_WAL_FORMAT = b"\x02\x02"
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
# POSIX drops all locks of a process on a file when it closes any descriptor of it, and a thread
# that looks at the header closes one: what another thread reads could change under its hands.
_FILE_LOCKS = tuple(threading.RLock() for _ in range(64))

T = TypeVar("T")
Query = Callable[[sqlite3.Connection], T]


@dataclass(frozen=True, slots=True)
class _FileState:
    """Changes when another program opens the file for writing, or has written to it."""

    is_closed: bool
    version: tuple[int, int, int]


def read(
    path: Path,
    query: Query[T],
    *,
    forbidden: frozenset[str] = frozenset(),
    follows_link: bool = False,
) -> T:
    """Return what `query` makes of one state of the database; text arrives as undecoded bytes.

    Tables in `forbidden` cannot be read at all. `follows_link`: the path may be a link to a file of
    the same user. Raises SourceError, also if there is no file, and DamagedSourceError.
    """
    if follows_link and path.is_symlink():
        path = _linked_file(path)
    with _FILE_LOCKS[hash(os.path.realpath(path)) % len(_FILE_LOCKS)]:
        return _read(path, query, forbidden)


def is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _linked_file(path: Path) -> Path:
    target = Path(os.path.realpath(path))  # `resolve` raises another error for a loop
    try:
        owner = target.stat().st_uid
    except OSError as error:
        reason = f"{path}: a link to {target}, which cannot be read ({error.strerror})."
        raise SourceError(reason, "Connect the disk that it leads to.") from error
    if hasattr(os, "getuid") and owner != os.getuid():
        raise SourceError(f"{path}: a link to a file of another user.", _NO_LINK)
    return target


def _read(path: Path, query: Query[T], forbidden: frozenset[str]) -> T:
    for _ in range(_ATTEMPTS):
        _refuse_special_files(path)
        state = _file_state(path)
        try:
            result = _run(path, query, forbidden, immutable=state.is_closed)
        except (sqlite3.Error, UnicodeError) as error:  # SQLite quotes bytes that are not UTF-8
            if state.is_closed and _file_state(path) != state:
                continue
            raise _source_error(path, error) from error
        if not state.is_closed or _file_state(path) == state:
            return result
    raise SourceError(
        f"{path}: another program keeps opening it.", "It is read again by the next hook."
    )


def as_parameter(text: str) -> str | bytes:
    """Return the text as a value for a query.

    Half of a surrogate pair cannot be bound as text; as bytes, it equals nothing in the database.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _refuse_special_files(path: Path) -> None:
    """SQLite follows links, and would wait for a pipe forever."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        file = Path(f"{path}{suffix}")
        try:
            mode = file.lstat().st_mode
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise SourceError(f"{file}: {error}.") from error
        if not stat.S_ISREG(mode):
            raise SourceError(
                f"{file}: a link, or not a regular file.",
                _NO_LINK,
            )


def _file_state(path: Path) -> _FileState:
    try:
        with path.open("rb") as file:
            header = file.read(20)
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}.") from error
    is_closed = header[18:20] == _WAL_FORMAT and not Path(f"{path}-wal").exists()
    return _FileState(is_closed, (status.st_ino, status.st_size, status.st_mtime_ns))


def _run(path: Path, query: Query[T], forbidden: frozenset[str], *, immutable: bool) -> T:
    mode = "mode=ro&immutable=1" if immutable else "mode=ro"
    uri = f"{path.absolute().as_uri()}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    with closing(connection):
        connection.text_factory = bytes
        if forbidden:
            connection.set_authorizer(partial(_authorize, forbidden))
        connection.execute("BEGIN")
        try:
            return query(connection)
        finally:
            connection.rollback()


def _authorize(forbidden: frozenset[str], action: int, table: str | None, *_: Any) -> int:
    is_denied = action == sqlite3.SQLITE_READ and table in forbidden
    return sqlite3.SQLITE_DENY if is_denied else sqlite3.SQLITE_OK


def _source_error(path: Path, error: Exception) -> SourceError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SourceError(
            f"{path}: locked by the program that owns it.", "It is read again later."
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return SourceError(
            f"{path}: cannot be opened without creating files beside it ({error}).",
            "Start the program that owns it once, or copy it with its -wal elsewhere.",
        )
    if code in _DAMAGED:
        return DamagedSourceError(
            f"{path}: not readable as a database ({error}).",
            "Close the program that owns it, and restore the file from a backup or with "
            "`sqlite3 FILE .recover`. Everything else is synced meanwhile.",
        )
    return SourceError(f"{path}: not readable as a database ({error}).", "It is read again later.")
