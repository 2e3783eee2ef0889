"""Our own folders and files: private, readable, whole, with room on the disk."""

from __future__ import annotations

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

_LITTLE = 1 << 30
_TOO_LITTLE = 100 << 20
_ENVIRONMENT = "env"
"""Made by pip, with the modes of pip, and nothing private in it."""

_BESIDE = ("-wal", "-shm")
"""SQLite's own, which take the mode of the file that they belong to."""


def permissions(folders: Folders) -> Iterator[Finding]:
    """Conversations and the key lie here: nobody else may read them."""
    if os.name != "posix":
        return
    open_to_all, foreign = [], []
    for path in _ours(folders):
        try:
            found = path.lstat()
        except FileNotFoundError:  # a worker is done with it in this moment
            continue
        if stat.S_ISLNK(found.st_mode):
            continue
        if found.st_uid != os.getuid():
            foreign.append(path)
        elif stat.S_IMODE(found.st_mode) & 0o077:
            open_to_all.append(path)
    if foreign:
        what = f"{foreign[0]}{_more(foreign)}: belongs to another user."
        cure = f"sudo chown -R {os.getuid()} {shlex.quote(str(foreign[0]))}"
        yield failed("permissions", what, cure)
    if open_to_all:
        what = f"{open_to_all[0]}{_more(open_to_all)}: other users can read it."
        yield failed("permissions", what, f"chmod -R go= {_quoted(open_to_all)}")
    if not foreign and not open_to_all:
        yield ok("permissions", "only you can read settings, queue and store")


def _ours(folders: Folders) -> Iterator[Path]:
    for root in dict.fromkeys((folders.config, folders.data, folders.state)):
        if not root.is_dir():
            continue
        yield root
        for place, names, files in root.walk() if hasattr(root, "walk") else _walk(root):
            names[:] = [name for name in names if not name.startswith(_ENVIRONMENT)]
            yield from (place / name for name in (*names, *files) if not name.endswith(_BESIDE))


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Path.walk, which 3.11 does not have."""
    for place, names, files in os.walk(root):
        yield Path(place), names, files


def _more(paths: list[Path]) -> str:
    return f" and {len(paths) - 1} more" if len(paths) > 1 else ""


def _quoted(paths: list[Path]) -> str:
    """The folders among them speak for what lies in them."""
    tops = [path for path in paths if not any(above in paths for above in path.parents)]
    return " ".join(shlex.quote(str(path)) for path in tops[:4])


def disk(folders: Folders) -> Iterator[Finding]:
    place = next(path for path in (folders.state, *folders.state.parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    what = f"{size(free)} free at {place}"
    if free >= _LITTLE:
        yield ok("disk", what)
    else:
        make = failed if free < _TOO_LITTLE else warning
        yield make("disk", f"only {what}.", "Make room: a full disk stops queue and store.")


def database(name: str, path: Path) -> Iterator[Finding]:
    """What SQLite itself finds wrong with one of our files; read only."""
    if not path.exists():
        yield ok(name, "none, so far")
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            said = [str(row[0]) for row in db.execute("PRAGMA integrity_check(3)")]
            said += [f"{row[0]}: a row without its {row[2]}" for row in _orphans(db)]
    except sqlite3.Error as error:
        said = [str(error)]
    if said == ["ok"]:
        yield ok(name, f"whole, {size(path.stat().st_size)}")
        return
    rest = "the next run begins a new one, and nothing arrives twice."
    if name != "ledger":  # which goes on saying that all of it has arrived
        rest = "without a login, `opensync-hooks sync --force` then fills a new one."
    cure = f"Move it away; {rest}"
    yield failed(name, f"{path}: damaged ({said[0].splitlines()[0]}).", cure)


def _orphans(db: sqlite3.Connection) -> list[tuple[str, int, str, int]]:
    return db.execute("PRAGMA foreign_key_check").fetchmany(1)
