"""`export`: writes stored sessions as files, complete and in order."""

import argparse
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import UsageError
from opensync_hooks.model import Json
from opensync_hooks.server.exports import FORMATS
from opensync_hooks.system.files import atomic_write, session_file_stem
from opensync_hooks.system.formatting import count

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME_LENGTH = 100


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("session", nargs="?", metavar="SESSION", help="an id")
    add("--all", metavar="DIR", help="every session, as a file of its own in this folder")
    add("--format", choices=tuple(FORMATS), default="md", help="default: md")
    add("--output", metavar="FILE", help="instead of printing the session")


def _export(arguments: argparse.Namespace) -> int:
    if (arguments.session is None) is (arguments.all is None):
        raise UsageError("export: needs either a session or --all DIR.")
    _, write = FORMATS[arguments.format]
    with Store(Folders.from_environ(os.environ).store) as store:
        if arguments.all is not None:
            return _export_all(store, Path(arguments.all), arguments.format)
        session = store.session_summary(arguments.session)
        if session is None:
            raise UsageError(
                f"{arguments.session}: not in the embedded store.",
                "`opensync-hooks search WORDS` shows the ids of stored sessions.",
            )
        pieces = write(session, store.messages(session["id"]))
        if arguments.output:
            atomic_write(Path(arguments.output), _encoded(pieces))
        else:
            for piece in pieces:
                sys.stdout.write(piece)
    return 0


def _export_all(store: Store, folder: Path, form: str) -> int:
    """Write what is missing or has changed since: a file bears the time of its session's row."""
    session_ids = store.session_ids()
    progress, written = Progress(len(session_ids)), 0
    for session_id in session_ids:
        session = store.session_summary(session_id)
        progress.step()
        if session is None:  # deleted meanwhile
            continue
        path, changed_ns = folder / f"{_stem(session_id)}.{form}", _changed_ns(session)
        if path.exists() and path.stat().st_mtime_ns == changed_ns:
            continue
        content = _encoded(FORMATS[form][1](session, store.messages(session["id"])))
        atomic_write(path, content, durable=False)
        os.utime(path, ns=(changed_ns, changed_ns))
        written += 1
    progress.clear()
    unchanged = len(session_ids) - written
    print(f"{count(written, 'session')} written to {folder}, {unchanged} unchanged.")
    return 0


def _stem(session_id: str) -> str:
    """Return a name that no id can lead out of the folder with, and that no two ids share."""
    is_plain = not _UNSAFE.search(session_id) and 0 < len(session_id) <= _MAX_NAME_LENGTH
    if is_plain and session_id == session_id.lower():
        return session_id
    digest = session_file_stem("", session_id)
    return _UNSAFE.sub("-", session_id)[:_MAX_NAME_LENGTH] + digest[:9]


def _changed_ns(session: Json) -> int:
    return max(0, min(int(session["updatedAt"]), 2**42)) * 1_000_000


def _encoded(pieces: Iterable[str]) -> bytes:
    return "".join(pieces).encode(errors="replace")


EXPORT = Command(
    "export",
    "write stored sessions as Markdown, HTML or JSON lines",
    _export,
    "opensync-hooks export --all sessions/ --format md",
    _add_arguments,
)
