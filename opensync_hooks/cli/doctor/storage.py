"""Checks of our own folders and files: private, undamaged, with space on the disk."""

import os
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Folders
from opensync_hooks.system.formatting import size

_WARN_BELOW = 1 << 30
_FAIL_BELOW = 100 << 20
_ENVIRONMENT = "env"
"""Prefix of the folders that pip fills, with its own modes and nothing private."""
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
        tops = [path for path in readable if not any(up in readable for up in path.parents)]
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


def database(name: str, path: Path, cure: str) -> Iterator[Finding]:
    """Have SQLite check one of our files, read-only."""
    if not path.exists():
        yield ok(name, "none yet")
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            problems = [str(row[0]) for row in db.execute("PRAGMA integrity_check(3)")]
            orphans = db.execute("PRAGMA foreign_key_check").fetchmany(1)
            problems += [f"{row[0]}: a row without its {row[2]}" for row in orphans]
    except sqlite3.Error as error:
        problems = [str(error)]
    if problems == ["ok"]:
        yield ok(name, f"undamaged, {size(path.stat().st_size)}")
    else:
        yield failed(name, f"{path}: damaged ({problems[0].splitlines()[0]}).", cure)
