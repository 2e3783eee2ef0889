"""`slim`: shortens the search texts of old sessions, so that OpenSync can list the account."""

from __future__ import annotations

import argparse
import sys

from opensync_hooks import config
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.delivery import factory, search_text
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.errors import UsageError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.summary import stored_sessions
from opensync_hooks.system.formatting import count
from opensync_hooks.system.terminal import INTERRUPTED

_KEEP = 200


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    keep = f"leave the N newest sessions as they are; {_KEEP} by default"
    parser.add_argument("--keep", type=int, default=_KEEP, metavar="N", help=keep)
    parser.add_argument("--dry-run", action="store_true", help="only count them")


def _slim(arguments: argparse.Namespace) -> int:
    settings = config.load()
    if settings.url is None:
        raise UsageError("slim: the embedded store needs none.", "It is for OpenSync.")
    if arguments.keep < 0:
        raise UsageError("slim: --keep takes a number of sessions.", "")
    with Ledger(settings.folders.ledger) as ledger, factory.open_syncer(settings, ledger) as syncer:
        records = [
            (SessionRecord(ledger, syncer.account(), agent, session_id), is_slim)
            for agent, session_id, is_slim in stored_sessions(ledger, syncer.account())
        ]
        boundary = max(0, len(records) - arguments.keep)
        due = [record for record, is_slim in records[:boundary] if not is_slim]
        if arguments.dry_run or not due:
            print(f"{count(len(due), 'session')} to slim, {len(records) - boundary} kept.")
            return 0
        return _run(syncer, due, search_text.bytes_per_session(len(records)))


def _run(syncer: Syncer, due: list[SessionRecord], max_bytes: int) -> int:
    destination, done = syncer.destination, 0
    progress = Progress(len(due))
    try:
        search_text.finish(due[0], destination)
        for record in due:
            done += search_text.slim(record, destination, max_bytes)
            progress.step()
    except KeyboardInterrupt:
        progress.clear()
        search_text.finish(due[0], destination)
        print(f"\nInterrupted: {count(done, 'session')} done. `slim` continues.", file=sys.stderr)
        return INTERRUPTED
    finally:
        progress.clear()
    print(f"{count(done, 'session')} slimmed; `opensync-hooks sync --force SESSION` undoes it.")
    print("OpenSync lists them first for now, as it sorts by the last change.")
    return 0


SLIM = Command(
    "slim",
    "shorten old sessions' search texts, so that OpenSync can list the account",
    _slim,
    "opensync-hooks slim --keep 500",
    _add_arguments,
)
