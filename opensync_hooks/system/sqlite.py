"""A SQLite file of our own: private to the user, with one schema, changed in whole transactions.

Every error of SQLite leaves this module as one of ours, with a next step.
"""

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import DiskError, OpenSyncError, UnusableFileError
from opensync_hooks.system.files import ensure_private_folder

LOCK_TIMEOUT_S = 10.0
MOVE_AWAY = "Move it away; without a login, `opensync-hooks sync --force` then fills a new one."


class DamagedError(UnusableFileError):
    """The file is not a SQLite database, or no longer one."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a file, version by version, and its mark among other programs' databases."""

    application_id: int
    """Stored in the file's header."""
    migrations: tuple[tuple[str, ...], ...]
    """The n-th has the statements that make version n of version n - 1.

    A new file runs through all of them, so that it cannot differ from a migrated one. Those that
    were released never change.
    """
    pragmas: tuple[str, ...]
    """Run on every connection."""

    @property
    def version(self) -> int:
        return len(self.migrations)


# One statement: two could see the file before and after another process sets it up.
_HEADER = """SELECT (SELECT application_id FROM pragma_application_id),
    (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)"""
_RETRIED = "It is tried again later."
_CHECK_RIGHTS = "Check who may write to this file and its folder."
_TEMPORARY = {
    sqlite3.SQLITE_BUSY: ("another process is writing to it", _RETRIED),
    sqlite3.SQLITE_LOCKED: ("another process is writing to it", _RETRIED),
    sqlite3.SQLITE_PROTOCOL: ("another process is opening it", _RETRIED),
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space; it is tried again later."),
    sqlite3.SQLITE_IOERR: ("the disk does not respond", "Check the disk and its free space."),
    sqlite3.SQLITE_NOMEM: ("not enough memory", _RETRIED),
    sqlite3.SQLITE_READONLY: ("cannot be written", _CHECK_RIGHTS),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", _CHECK_RIGHTS),
    sqlite3.SQLITE_PERM: ("cannot be opened", _CHECK_RIGHTS),
}
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_creating = threading.Lock()


class SqliteFile:
    """An open file, for any number of threads; other processes may have it open too."""

    def __init__(self, path: Path, schema: Schema, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self.path = path
        self.before_commit: Callable[[sqlite3.Connection], None] | None = None
        """Completes each transaction that writes, in the same transaction."""
        self._lock = threading.RLock()
        with self._own_errors():
            ensure_private_folder(path.parent)
            _make_private(path)
            self._db = _connect(path, schema, lock_timeout_s)
            self.file_id = file_id(path)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def rows(self, query: str, values: Sequence[object]) -> list[Any]:
        """Return the rows of one query, which sees one state without a transaction of its own."""
        with self._lock, self._own_errors():
            self._check_place()
            return self._db.execute(query, values).fetchall()

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Open a transaction whose statements all see the same state."""
        return self._transaction("BEGIN", None)

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Open a transaction that is committed as a whole, or not at all.

        Inside another one of the same thread, it is part of that one.
        """
        return self._transaction("BEGIN IMMEDIATE", self.before_commit)

    def truncate_wal(self) -> None:
        """Empty the write-ahead log, which still holds deleted text, unless it is being read."""
        with self._lock, suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def vacuum(self, min_free_bytes: int) -> None:
        """Shrink the file by its free pages, if these are as many bytes and a tenth of it."""
        with self._lock, self._own_errors():
            free, pages, page_size = (
                self._db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count", "page_size")
            )
            if free * page_size >= min_free_bytes and free * 10 >= pages:
                self._db.execute("VACUUM")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _transaction(
        self, begin: str, before_commit: Callable[[sqlite3.Connection], None] | None
    ) -> Iterator[sqlite3.Connection]:
        with self._lock, self._own_errors():
            if self._db.in_transaction:  # begun by this thread, which holds the lock
                yield self._db
                return
            self._check_place()
            self._db.execute(begin)
            try:
                yield self._db
                if before_commit:
                    before_commit(self._db)
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # on a full disk SQLite has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise

    def _check_place(self) -> None:
        """SQLite goes on writing to a deleted file: acknowledged, and lost."""
        if file_id(self.path) != self.file_id:
            raise DiskError(
                f"{self.path}: was moved or deleted since it was opened.",
                "Start the command again.",
            )

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _own_error(self.path, error) from error
        except OSError as error:
            reason = error.strerror or error
            raise DiskError(f"{self.path}: {reason}.", _CHECK_RIGHTS) from error


def file_id(path: Path) -> tuple[int, int] | None:
    """Return device and inode, which differ for a new file at the same path; None if missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _own_error(path: Path, error: sqlite3.Error) -> OpenSyncError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _TEMPORARY:
        reason, hint = _TEMPORARY[code]
        return DiskError(f"{path}: {reason}.", hint)
    if code in _DAMAGED:
        return _damaged(path)
    return UnusableFileError(f"{path}: {error}.", MOVE_AWAY)


def _damaged(path: Path) -> DamagedError:
    return DamagedError(f"{path}: damaged, or not a SQLite file.", MOVE_AWAY)


def _make_private(path: Path) -> None:
    """Create the file with mode 0600 if it is missing; SQLite gives its side files the same mode.

    An existing file is never opened and closed here: closing it would drop the locks that another
    connection of this process holds on it, and SQLite would delete a log that is still in use.
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
        for suffix in ("-wal", "-shm", "-journal"):  # SQLite would write where a link points
            _check_regular(Path(f"{path}{suffix}"))
        mode = _check_regular(path)
        if stat.S_IMODE(mode) & 0o077 and os.name == "posix":
            path.chmod(0o600)


def _check_regular(path: Path) -> int:
    """Return the file's mode, or 0600 if it is missing. Raises UnusableFileError for a link."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return 0o600
    if not stat.S_ISREG(mode):
        raise UnusableFileError(
            f"{path}: not a regular file.", "Move it away; links are not followed."
        )
    return mode


def _connect(path: Path, schema: Schema, lock_timeout_s: float) -> sqlite3.Connection:
    db = sqlite3.connect(
        path, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False
    )
    try:
        db.row_factory = sqlite3.Row
        _file_version(db, path, schema)  # refuses a foreign file before anything is written
        _enable_wal(db, time.monotonic() + lock_timeout_s)
        for pragma in schema.pragmas:
            db.execute(pragma)
        _migrate(db, path, schema)
    except UnicodeDecodeError:  # from SQLite's message about a schema that it cannot read
        db.close()
        raise _damaged(path) from None
    except BaseException:
        db.close()
        raise
    return db


def _file_version(db: sqlite3.Connection, path: Path, schema: Schema) -> int:
    """Return which version the file has; 0 for a new one.

    Raises UnusableFileError, before anything is written, for any other database.
    """
    application_id, version, tables = db.execute(_HEADER).fetchone()
    is_ours = application_id == schema.application_id
    if is_ours and version > schema.version:
        raise UnusableFileError(
            f"{path}: was written by a newer opensync-hooks (version {version} of the file;"
            f" this program knows {schema.version}).",
            "Update opensync-hooks.",
        )
    if not (is_ours and version) and (application_id or version or tables):
        raise UnusableFileError(f"{path}: is another program's database.", MOVE_AWAY)
    return int(version)


def _enable_wal(db: sqlite3.Connection, deadline: float) -> None:
    """Retry, as SQLite does not wait when several processes switch a new file to WAL at once."""
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _migrate(db: sqlite3.Connection, path: Path, schema: Schema) -> None:
    """Run what is missing in one transaction: a kill leaves the old version or the new one."""
    if _file_version(db, path, schema) == schema.version:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have been faster.
        for statements in schema.migrations[_file_version(db, path, schema) :]:
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {schema.application_id}")
        db.execute(f"PRAGMA user_version = {schema.version}")
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
