"""`push`: sends to OpenSync what only the embedded store has."""

from __future__ import annotations

import argparse
import sys

from opensync_hooks import config
from opensync_hooks.cli.bulk.bulk_sync import open_syncer
from opensync_hooks.cli.bulk.thread_pool import JOBS, run_parallel
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.config import Config
from opensync_hooks.delivery import stored_sessions
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import (
    BusyError,
    OpenSyncError,
    RejectedError,
    ServerFailureError,
    SourceError,
    UsageError,
    as_opensync_error,
)
from opensync_hooks.ledger import accounts, readonly
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.system.formatting import count
from opensync_hooks.system.terminal import INTERRUPTED, print_error, print_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only name what would be sent")


def _push(arguments: argparse.Namespace) -> int:
    return push(config.load(), is_dry_run=arguments.dry_run)


def push(settings: Config, *, is_dry_run: bool = False) -> int:
    """Send every session that only the store has, and print what became of it."""
    if settings.url is None:
        raise UsageError(
            "push: there is no login, so nothing but the store.", "opensync-hooks login"
        )
    with Store(settings.folders.store) as store:
        session_ids = missing_ids(settings, store)
        if is_dry_run:
            for session_id in session_ids:
                print_line(session_id)
            print(f"{count(len(session_ids), 'session')} to send to {settings.url}.")
            return 0
        return _send(settings, store, session_ids)


def missing_ids(settings: Config, store: Store) -> list[str]:
    """Return the sessions that only the store has, without contacting the destination."""
    with readonly.copied(settings.folders.ledger) as ledger:
        return stored_sessions.missing_ids(store, ledger, accounts.expected(ledger, settings))


def offer(settings: Config) -> None:
    """After a login: say what only the store has, and send it if the user at a terminal agrees."""
    if not settings.folders.store.exists():
        return
    with Store(settings.folders.store) as store:
        number = len(missing_ids(settings, store))
    if not number:
        return
    print(f"The embedded store has {count(number, 'session')} that the account does not have.")
    if not sys.stdin.isatty():
        print("`opensync-hooks push` sends them.")
    elif input("Send them now? [y/N] ").strip().lower() in ("y", "yes"):
        push(settings)


def _send(settings: Config, store: Store, session_ids: list[str]) -> int:
    def send(syncer: Syncer, session_id: str) -> tuple[str, SyncOutcome | OpenSyncError]:
        selected = stored_sessions.locate(store, session_id)
        if selected is None:
            return session_id, SourceError(f"{session_id}: another program stored it; left out.")
        try:
            return session_id, syncer.sync(*selected)
        except (SourceError, RejectedError, BusyError, ServerFailureError) as error:
            return session_id, error
        except OpenSyncError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one session must not stop the others
            return session_id, as_opensync_error(error)

    sent = failed = done = 0
    progress = Progress(len(session_ids))
    try:
        for _, result in run_parallel(session_ids, JOBS, lambda: open_syncer(settings), send):
            progress.clear()
            done += 1
            if isinstance(result, OpenSyncError):
                print_error(result)
                failed += 1
            elif result.withheld:
                print_line(f"{result.session_id}: not sent: {result.withheld}")
            else:
                sent += result.state is SyncState.SYNCED
                failed += result.state is not SyncState.SYNCED
                print_line(f"{result.session_id}: {count(result.sent, 'message')} sent")
            progress.step()
    except KeyboardInterrupt:
        left = len(session_ids) - done
        print(f"\nInterrupted: {done} done, {left} left. `push` continues.", file=sys.stderr)
        return INTERRUPTED
    finally:
        progress.clear()
    print(f"{count(sent, 'session')} sent to {settings.url}; the store keeps them.")
    return 1 if failed else 0


PUSH = Command(
    "push",
    "send to OpenSync what only the embedded store has",
    _push,
    "opensync-hooks push --dry-run",
    _add_arguments,
)
