"""`forget`: removes one session from everything that we keep; `prune` removes all old ones."""

import argparse
import sys

from opensync_hooks import config
from opensync_hooks.cli import removal
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.destinations.store.upkeep import RemovableSession
from opensync_hooks.errors import UsageError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.server.html import day
from opensync_hooks.system.formatting import count, size
from opensync_hooks.system.moments import parse_moment
from opensync_hooks.system.terminal import confirm, print_line


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _add_forget_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION", help="the session's id")
    _add_options(parser)


def _forget(arguments: argparse.Namespace) -> int:
    settings, session_id = config.load(), arguments.session
    with Store(settings.folders.store) as store, Ledger(settings.folders.ledger) as ledger:
        removed = removal.plan(session_id, store, ledger)
        if not (removed.stored or removed.records or removed.agents):
            hint = "`opensync-hooks search WORDS` shows the ids of stored sessions."
            raise UsageError(f"{session_id}: no such session is known.", hint)
        _show(list(removed.stored))
        if not removed.stored:
            print_line(f"{session_id}: not in the embedded store.")
        if not _is_agreed("forget", arguments, f"Forget {session_id}?"):
            return 0 if arguments.dry_run else 1
        removal.forget(session_id, removed, store, ledger, settings)
    print_line(
        f"Forgotten. Your agent keeps its own files; `opensync-hooks sync --force {session_id}`"
        " brings the session back."
    )
    for url in removed.remote_urls:
        print_line(
            f"{url.partition('#')[0]} still has it: OpenSync has no route to delete a session."
            " Open it in the dashboard there, and delete it on its page."
        )
    return 0


def _add_prune_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than", required=True, metavar="90d", help="last message before 90d, 12w, or a date"
    )
    _add_options(parser)


def _prune(arguments: argparse.Namespace) -> int:
    moment = parse_moment(arguments.older_than)
    if moment is None:
        raise UsageError(
            "--older-than: neither a span such as 90d nor a date such as 2026-01-31:"
            f" {arguments.older_than!r}."
        )
    settings = config.load()
    with Store(settings.folders.store) as store, Ledger(settings.folders.ledger) as ledger:
        sessions, before = store.spoken_before(moment), store.size()
        _show(sessions)
        if not sessions:
            print("No session is that old.")
            return 0
        if not _is_agreed("prune", arguments, f"Delete {count(len(sessions), 'session')}?"):
            return 0 if arguments.dry_run else 1
        removal.prune(sessions, store, ledger)
        print(f"{len(sessions)} deleted; the store has {size(store.size())} of {size(before)}.")
    return 0


def _show(sessions: list[RemovableSession]) -> None:
    for session in sessions:
        kind = "subagent " if session.parent_id else ""
        title = " ".join(str(session.title or "Untitled").split())
        facts = f"{count(session.messages, 'message')}, last {day(session.last_message_at)}"
        print_line(f"{kind}{session.session_id}  {title} ({facts})")


def _is_agreed(command: str, arguments: argparse.Namespace, question: str) -> bool:
    """Whether the user agrees; says so if nothing is removed."""
    if arguments.dry_run:
        print("Nothing was removed (--dry-run).")
        return False
    if not arguments.yes and not sys.stdin.isatty():
        raise UsageError(f"{command}: no terminal to ask on.", "Pass --yes.")
    is_agreed = bool(arguments.yes) or confirm(question)
    if not is_agreed:
        print("Nothing was removed.")
    return is_agreed


FORGET = Command(
    "forget",
    "remove a session from the store, the queue and what was confirmed",
    _forget,
    "opensync-hooks forget SESSION --dry-run",
    _add_forget_arguments,
)
PRUNE = Command(
    "prune",
    "delete old sessions from the embedded store",
    _prune,
    "opensync-hooks prune --older-than 90d --dry-run",
    _add_prune_arguments,
)
