"""One state of an SQLite database that another program owns and may be writing to this moment.

    a -wal beside it         open somewhere, or left by a crash: mode=ro, the -wal is read as well
    rollback journal         mode=ro
    WAL format, no -wal      closed: immutable=1, as mode=ro would leave a -wal and a -shm behind;
                             believed only if nobody has opened it by the time all is read

Never writes, copies, checkpoints or cleans up. The transaction ends before anything else is done
with what was read: in rollback mode a reader holds every commit of the owner up.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from opensync_hooks.errors import SourceError

PATIENCE_S = 3.0
"""For an owner that lets nobody read; a hook's worker has other sessions to see to."""
_TRIES = 3
_WAL_FORMAT = b"\x02\x02"

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What changes when somebody else opens the file to write, or has written."""

    is_closed: bool
    mark: tuple[int, ...]


def read(path: Path, work: Work[T], *, forbidden: frozenset[str] = frozenset()) -> T:
    """What `work` makes of one state of the database; text comes as bytes, whatever they hold.

    Tables in `forbidden` cannot be read at all. Raises SourceError; for a file that is missing too.
    """
    for _ in range(_TRIES):
        _check_plain(path)
        before = _stamp(path)
        try:
            found = _run(path, work, forbidden, immutable=before.is_closed)
        except (sqlite3.Error, UnicodeError) as error:  # SQLite's own words may be no UTF-8
            if before.is_closed and _stamp(path) != before:
                continue
            raise _unreadable(path, error) from error
        if not before.is_closed or _stamp(path) == before:
            return found
    raise SourceError(f"{path}: somebody keeps opening it.", "It is read again by the next hook.")


def bound(text: str) -> str | bytes:
    """The text as a value of a query; with half a letter in it, which SQLite takes for no text,

    it is a value that equals none.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _check_plain(path: Path) -> None:
    """SQLite follows links, and would wait at a pipe for ever."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside = Path(f"{path}{suffix}")
        try:
            mode = beside.lstat().st_mode
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise SourceError(f"{beside}: {error}.") from error
        if not stat.S_ISREG(mode):
            raise SourceError(
                f"{beside}: a link, or no regular file.",
                "Name the database itself, not a link, in the variable that says where it is.",
            )


def _stamp(path: Path) -> _Stamp:
    try:
        with path.open("rb") as file:
            header = file.read(20)
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}.") from error
    is_closed = header[18:20] == _WAL_FORMAT and not Path(f"{path}-wal").exists()
    return _Stamp(is_closed, (status.st_ino, status.st_size, status.st_mtime_ns))


def _run(path: Path, work: Work[T], forbidden: frozenset[str], *, immutable: bool) -> T:
    how = "mode=ro&immutable=1" if immutable else "mode=ro"
    uri = f"{path.absolute().as_uri()}?{how}"
    with closing(
        sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, isolation_level=None)
    ) as connection:
        connection.text_factory = bytes
        if forbidden:
            connection.set_authorizer(_guard(forbidden))
        connection.execute("BEGIN")
        try:
            return work(connection)
        finally:
            connection.rollback()


def _guard(forbidden: frozenset[str]) -> Callable[..., int]:
    def allow(action: int, table: str | None, *_: Any) -> int:
        denied = action == sqlite3.SQLITE_READ and table in forbidden
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

    return allow


def _unreadable(path: Path, error: Exception) -> SourceError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SourceError(
            f"{path}: its owner is writing and lets nobody read.", "It is read again later."
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return SourceError(
            f"{path}: cannot be opened without writing beside it ({error}).",
            "Start the program that it belongs to once, or copy it with its -wal elsewhere.",
        )
    return SourceError(f"{path}: not readable as a database ({error}).", "It is read again later.")
