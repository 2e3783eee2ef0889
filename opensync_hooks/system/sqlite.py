"""One SQLite file of our own: private to the user, one layout, whole transactions.

Knows nothing of what lies in it. Every error of SQLite leaves here as one of ours, with what to do.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from opensync_hooks.errors import DiskError, OpenSyncError, UnusableFileError
from opensync_hooks.system.files import private_folder

PATIENCE_S = 10.0


class DamagedError(UnusableFileError):
    """What lies in the file is no database, or no longer one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file holds, so that it is never taken for another one."""

    application: int
    """Stands in the file's header."""
    version: int
    statements: tuple[str, ...]
    """Each of them makes what is missing, and leaves what an older version has made."""
    settings: tuple[str, ...]
    """Of each connection."""


# One statement: read one by one, they could come from before and after another process's set-up.
_HEADER = """SELECT (SELECT application_id FROM pragma_application_id),
    (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)"""
_PASSING = {
    sqlite3.SQLITE_BUSY: ("another process is writing to it", "It is tried again later."),
    sqlite3.SQLITE_LOCKED: ("another process is writing to it", "It is tried again later."),
    sqlite3.SQLITE_PROTOCOL: ("another process is opening it", "It is tried again later."),
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space; it is tried again later."),
    sqlite3.SQLITE_IOERR: ("the disk does not answer", "Check the disk and the space left on it."),
    sqlite3.SQLITE_NOMEM: ("there is not enough memory", "It is tried again later."),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "Check who may write this file and folder."),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "Check who may write this file and folder."),
    sqlite3.SQLITE_PERM: ("it cannot be opened", "Check who may write this file and folder."),
}
_DAMAGED = "{}: is damaged or no SQLite file."
AWAY = "Move it away; without a login, `opensync-hooks sync --force` then fills a new one."
_NO_DATABASE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_creating = threading.Lock()


class Database:
    """An open file, for any number of threads; other processes may have it open as well."""

    def __init__(self, path: Path, layout: Layout, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._foreseen():
            private_folder(path.parent)
            _make_private(path)
            self._db = _connected(path, layout, patience_s)
            self.place = place(path)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """All statements inside see the same moment."""
        with self._transaction("BEGIN") as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; on the disk when it is over."""
        with self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    def shed(self) -> None:
        """Move what the write-ahead log still holds of deleted text out of it, if nobody reads."""
        with self._lock, suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._foreseen():
            self._check_place()
            self._db.execute(begin)
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back by itself on a full disk
                    self._db.execute("ROLLBACK")
                raise

    def _check_place(self) -> None:
        """SQLite goes on writing to a file that was deleted: acknowledged, and lost."""
        if place(self.path) != self.place:
            raise DiskError(
                f"{self.path}: was moved or deleted since it was opened.",
                "Start the command again.",
            )

    @contextmanager
    def _foreseen(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _ours(self.path, error) from error
        except OSError as error:
            raise DiskError(
                f"{self.path}: {error.strerror or error}.",
                "Check who may write this file and folder.",
            ) from error


def _ours(path: Path, error: sqlite3.Error) -> OpenSyncError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _PASSING:
        what, cure = _PASSING[code]
        return DiskError(f"{path}: {what}.", cure)
    if code in _NO_DATABASE:
        return DamagedError(_DAMAGED.format(path), AWAY)
    return UnusableFileError(f"{path}: {error}.", AWAY)


def place(path: Path) -> tuple[int, int] | None:
    """Tells one file from the next one at the same path; None where none can be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_private(path: Path) -> None:
    """The file, made where it is missing, 0600; SQLite gives its side files the same mode.

    A file that is there is never opened and closed here: closing it would drop the locks that
    another connection of this process holds on it, and SQLite would delete a log still in use.
    """
    with _creating:
        with suppress(FileExistsError):
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
            fd = os.open(path, flags, 0o600)
            try:
                if hasattr(os, "fchmod"):
                    os.fchmod(fd, 0o600)
            finally:
                os.close(fd)
        for suffix in ("-wal", "-shm", "-journal"):  # SQLite would write where a link leads
            _check_plain(Path(f"{path}{suffix}"))
        mode = _check_plain(path)
        if stat.S_IMODE(mode) & 0o077 and os.name == "posix":
            path.chmod(0o600)


def _check_plain(path: Path) -> int:
    """The file's mode; 0600 for one that is not there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return 0o600
    if not stat.S_ISREG(mode):
        raise UnusableFileError(
            f"{path}: is not a regular file.", "Move it away; links are not followed."
        )
    return mode


def _connected(path: Path, layout: Layout, patience_s: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        _is_laid_out(db, path, layout)
        _log_ahead(db, time.monotonic() + patience_s)
        for setting in layout.settings:
            db.execute(setting)
        _lay_out(db, path, layout)
    except UnicodeDecodeError:  # in what SQLite says of a schema that it cannot read
        db.close()
        raise DamagedError(_DAMAGED.format(path), AWAY) from None
    except BaseException:
        db.close()
        raise
    return db


def _is_laid_out(db: sqlite3.Connection, path: Path, layout: Layout) -> bool:
    """Whether the whole schema is there, which an older version left without the newest tables.

    Raises, before anything is written, for any other database.
    """
    application, version, tables = db.execute(_HEADER).fetchone()
    if application == layout.application and version > layout.version:
        raise UnusableFileError(
            f"{path}: was written by a newer opensync-hooks.", "Update opensync-hooks."
        )
    if (application, version) == (layout.application, layout.version):
        return True
    if application == layout.application and version:
        return False
    if application or version or tables:
        raise UnusableFileError(f"{path}: is another program's database.", AWAY)
    return False


def _log_ahead(db: sqlite3.Connection, deadline: float) -> None:
    """SQLite does not wait for its turn when several processes switch a new file to WAL at once."""
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _lay_out(db: sqlite3.Connection, path: Path, layout: Layout) -> None:
    if _is_laid_out(db, path, layout):
        return
    db.execute("BEGIN IMMEDIATE")
    if not _is_laid_out(db, path, layout):  # another process may have been first
        for statement in layout.statements:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {layout.application}")
        db.execute(f"PRAGMA user_version = {layout.version}")
    db.execute("COMMIT")
