"""`queue`: lists what is waiting or quarantined, tries it again, or drops it."""

import argparse
import json
import sys

from opensync_hooks import config
from opensync_hooks.agents import registry
from opensync_hooks.cli.bulk import bulk_sync
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Config
from opensync_hooks.errors import OpenSyncError, UsageError
from opensync_hooks.ledger import accounts
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue import cooldown
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.drain import Result
from opensync_hooks.queue.report import QueueItem, QueueReport
from opensync_hooks.queue.spool import Spool
from opensync_hooks.queue.worker import Worker
from opensync_hooks.system.formatting import ago, count
from opensync_hooks.system.log import Log
from opensync_hooks.system.terminal import confirm, print_error, print_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_list, json=False)
    actions = parser.add_subparsers(metavar="list|retry|drop")
    list_ = actions.add_parser("list", help="show what is waiting or quarantined, and why")
    list_.add_argument("--json", action="store_true", help="print JSON")
    list_.set_defaults(action=_list)
    retry = actions.add_parser("retry", help="try now")
    retry.set_defaults(action=_retry)
    drop = actions.add_parser("drop", help="forget it; the agent keeps its files")
    drop.add_argument("--yes", action="store_true", help="do not ask")
    drop.set_defaults(action=_drop)
    for action in (retry, drop):
        selection = action.add_mutually_exclusive_group(required=True)
        selection.add_argument("session", nargs="?", metavar="SESSION")
        selection.add_argument("--all", action="store_true", help="everything in the queue")


def _queue(arguments: argparse.Namespace) -> int:
    settings = config.load()
    with Ledger(settings.folders.ledger) as ledger:
        spool, backups = Spool(settings.folders.spool), SessionBackups.from_config(settings)
        queue = QueueReport(spool, ledger, backups, accounts.expected(ledger, settings))
        return int(arguments.action(arguments, settings, queue))


def _list(arguments: argparse.Namespace, settings: Config, queue: QueueReport) -> int:
    items = queue.items()
    active = cooldown.CooldownRecord.from_config(queue.ledger, settings).active()
    if arguments.json:
        rest = active.as_json() if active else None
        rows = [item.as_json() for item in items]
        print(json.dumps({"rest": rest, "items": rows}, indent=2))
        return 0
    if active:
        print_line(f"Cooldown: {active.describe()}")
    for item in items:
        print_line(_describe(item))
    if not items:
        print("Nothing is waiting or quarantined.")
    return 0


def _describe(item: QueueItem) -> str:
    name = f"{item.agent} {item.session_id}" if item.agent else str(item.job)
    if item.message is not None:
        name += f" message {item.message}"
    facts: list[str] = [item.state]
    if item.tries:
        facts.append(f"tried {item.tries} times" if item.tries > 1 else "tried once")
    if item.since:
        facts.append(f"queued {ago(item.since)}")
    return f"{name}: {', '.join(facts)}" + (f". {item.reason}" if item.reason else "")


def _select(arguments: argparse.Namespace, queue: QueueReport) -> list[QueueItem]:
    items = queue.items()
    if arguments.all:
        return items
    selected = [item for item in items if _session_id(item) == arguments.session]
    if not selected:
        raise UsageError(
            f"{arguments.session}: not in the queue.", "See `opensync-hooks queue list`."
        )
    return selected


def _session_id(item: QueueItem) -> str:
    """Return the agent's own id, also for a message in a later part of a long session."""
    return item.session_id.partition("#")[0]


def _retry(arguments: argparse.Namespace, settings: Config, queue: QueueReport) -> int:
    items, spool = _select(arguments, queue), queue.spool
    queue.retry(items)
    for item in items:
        if item.message is not None:
            _enqueue_session(item, spool)
    sessions = None if arguments.all else {_session_id(item) for item in items}
    worker, failures = Worker(settings.folders, at_once=True, sessions=sessions), []
    with cooldown.manual_attempt(queue.ledger, settings, spool):
        for job, result in worker.run():
            if sessions is None or job.trigger.session_id in sessions:
                failures.append(_report(job.trigger.session_id, result))
        if worker.error:
            raise worker.error
    if worker.is_locked_out and not failures:
        hint = "`opensync-hooks queue list` shows what is left."
        print(f"A worker is already running: {hint}", file=sys.stderr)
        return 0
    print(f"{len(failures)} tried, {sum(failures)} failed.")
    return 1 if any(failures) else 0


def _report(session_id: str, result: Result) -> bool:
    """Print what became of a session; returns whether it failed."""
    if isinstance(result, OpenSyncError):
        print_error(result)
        return True
    failed = result.quarantined + result.unclear
    rest = f", {failed} failed ({result.reason})" if failed else ""
    sent = count(result.sent, "message")
    print_line(f"{session_id}: {sent} sent, {result.unchanged} unchanged{rest}")
    return bool(failed)


def _enqueue_session(item: QueueItem, spool: Spool) -> None:
    """Queue the session of a message, as messages are delivered with their session."""
    session = registry.find(_session_id(item), item.agent)
    if session is None or not bulk_sync.enqueue([session], spool):
        print_line(f"{item.session_id}: not in its usual folder; try `opensync-hooks sync --all`.")


def _drop(arguments: argparse.Namespace, settings: Config, queue: QueueReport) -> int:
    items = _select(arguments, queue)
    for item in items:
        print_line(_describe(item))
    if items and not arguments.yes:
        if not sys.stdin.isatty():
            raise UsageError("queue drop: no terminal to ask on.", "Pass --yes.")
        if not confirm(f"Drop {len(items)}?"):
            print("Nothing was dropped.")
            return 1
    queue.drop(items)
    Log(settings.folders.state).write("dropped", items=len(items))
    print(f"{len(items)} dropped. Your agents still have the sessions.")
    return 0


QUEUE = Command(
    "queue",
    "show what is waiting or quarantined, try it again, or drop it",
    _queue,
    "opensync-hooks queue retry --all",
    _add_arguments,
)
