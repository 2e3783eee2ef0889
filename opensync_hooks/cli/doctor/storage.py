"""Checks of our own folders and files: private, undamaged, with space on the disk."""

import os
import secrets
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Folders
from opensync_hooks.system.formatting import count, size

_WARN_BELOW = 1 << 30
_FAIL_BELOW = 100 << 20
_ENVIRONMENT = "env"
"""Prefix of the folders that pip fills, with its own modes and nothing private."""
_MAX_CHECKED_BYTES = 32 << 20
"""SQLite reads these in half a second; a store of 1 GB takes 11."""
_SAMPLED_ROWS = 200
_SQLITE_SUFFIXES = ("-wal", "-shm")
"""SQLite creates and deletes these at any time, with the mode of the database."""


def permissions(folders: Folders) -> Iterator[Finding]:
    """Check that nobody else can read the conversations and the key."""
    if os.name != "posix":
        return
    readable, foreign = [], []
    for path in _own_files(folders):
        try:
            status = path.lstat()
        except FileNotFoundError:  # a worker has just finished with it
            continue
        if stat.S_ISLNK(status.st_mode):
            continue
        if status.st_uid != os.getuid():
            foreign.append(path)
        elif stat.S_IMODE(status.st_mode) & 0o077:
            readable.append(path)
    if foreign:
        fact = f"{_first(foreign)}: belongs to another user."
        cure = f"sudo chown -R {os.getuid()} {shlex.quote(str(foreign[0]))}"
        yield failed("permissions", fact, cure)
    if readable:
        listed = set(readable)
        tops = [path for path in readable if listed.isdisjoint(path.parents)]
        quoted = " ".join(shlex.quote(str(path)) for path in tops[:4])
        fact = f"{_first(readable)}: other users can read it."
        yield failed("permissions", fact, f"chmod -R go= {quoted}")
    if not foreign and not readable:
        yield ok("permissions", "only you can read settings, queue and store")


def _own_files(folders: Folders) -> Iterator[Path]:
    for root in dict.fromkeys((folders.config, folders.data, folders.state)):
        if not root.is_dir():
            continue
        yield root
        for folder, names, files in os.walk(root):
            names[:] = [name for name in names if not name.startswith(_ENVIRONMENT)]
            for name in (*names, *files):
                if not name.endswith(_SQLITE_SUFFIXES):
                    yield Path(folder, name)


def _first(paths: list[Path]) -> str:
    return f"{paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def disk(folders: Folders) -> Iterator[Finding]:
    """Check the free space where the queue is."""
    folder = next(path for path in (folders.state, *folders.state.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    fact = f"{size(free)} free at {folder}"
    if free >= _WARN_BELOW:
        yield ok("disk", fact)
    else:
        finding = failed if free < _FAIL_BELOW else warning
        yield finding("disk", f"only {fact}.", "Free some space: queue and store need it.")


def database(name: str, path: Path, cure: str, *, is_full: bool = False) -> Iterator[Finding]:
    """Have SQLite check one of our files, read-only: a large one by a sample of its rows."""
    if not path.exists():
        yield ok(name, "none yet")
        return
    length = path.stat().st_size
    is_sample = length > _MAX_CHECKED_BYTES and not is_full
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            problems = _sample(db) if is_sample else _check_all(db)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        problems = [str(error)]
    if problems:
        yield failed(name, f"{path}: damaged ({problems[0].splitlines()[0]}).", cure)
    elif is_sample:
        rest = "a sample of its rows; `opensync-hooks doctor --full` reads all of it"
        yield ok(name, f"undamaged, {size(length)} ({rest})")
    else:
        yield ok(name, f"undamaged, {size(length)}")


def _check_all(db: sqlite3.Connection) -> list[str]:
    problems = [str(row[0]) for row in db.execute("PRAGMA integrity_check(3)")]
    orphans = db.execute("PRAGMA foreign_key_check").fetchmany(1)
    return [text for text in problems if text != "ok"] + [
        f"{row[0]}: a row without its {row[2]}" for row in orphans
    ]


def _sample(db: sqlite3.Connection) -> list[str]:
    """Read rows of each table, from its end, its beginning and at random; SQLite raises."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    for (table,) in db.execute(names).fetchall():
        quoted = '"' + table.replace('"', '""') + '"'
        db.execute(f"SELECT * FROM {quoted} LIMIT {_SAMPLED_ROWS}").fetchall()  # noqa: S608
        try:
            (last,) = db.execute(f"SELECT max(rowid) FROM {quoted}").fetchone()  # noqa: S608
        except sqlite3.OperationalError:  # a table without row numbers
            continue
        for _ in range(_SAMPLED_ROWS if isinstance(last, int) else 0):
            number = secrets.randbelow(max(1, last)) + 1
            query = f"SELECT * FROM {quoted} WHERE rowid >= ? LIMIT 1"  # noqa: S608
            db.execute(query, (number,)).fetchall()
    return []


def search_index(path: Path) -> Iterator[Finding]:
    """Have the index of the store checked, which reads all of it."""
    if not path.exists():
        return
    from opensync_hooks.destinations.store.store import Store  # noqa: PLC0415 - not for each run

    with Store(path) as store:
        problems = store.search_index.problems()
        if problems:
            store.search_index.rebuild()
            fact = f"damaged ({problems[0]}); it is made again by the next search."
            yield warning("search index", fact, "opensync-hooks search WORDS")
        else:
            yield ok("search index", "complete" if store.search_index.is_available else "none")


def sampled_sums(path: Path) -> Iterator[Finding]:
    """Have the numbers of `usage` and of the pages counted again for some sessions, read-only."""
    if not path.exists():
        return
    from opensync_hooks.destinations.store import sums_check  # noqa: PLC0415 - as below

    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            db.execute("BEGIN")
            wrong = sums_check.count_wrong_in_sample(db)
    except sqlite3.Error:  # damaged, which another check says, or a store of an earlier version
        return
    if wrong:
        fact = f"wrong for {count(wrong, 'session')} of a sample."
        yield warning("sums", fact, "opensync-hooks doctor --full")
    else:
        yield ok("sums", "as the rows of the store, in a sample of its sessions")


def sums(path: Path) -> Iterator[Finding]:
    """Have the same numbers counted for all sessions, and made again where they are wrong."""
    if not path.exists():
        return
    from opensync_hooks.destinations.store.store import Store  # noqa: PLC0415 - not for each run

    with Store(path) as store:
        wrong = store.wrong_sums()
        if wrong:
            store.rebuild_sums()
            fact = f"those of {wrong} sessions differed from their rows and have been rebuilt."
            yield warning("sums", fact, "opensync-hooks doctor --full")
        else:
            yield ok("sums", "as the rows of the store")
