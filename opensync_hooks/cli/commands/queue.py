"""`queue`: what waits and what was set aside; tried again, or dropped."""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from opensync_hooks import config
from opensync_hooks.agents import registry
from opensync_hooks.cli.bulk import bulk_sync
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.delivery import factory
from opensync_hooks.errors import OpenSyncError, UsageError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue import cooldown
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.drain import Drain, Result, drain_now
from opensync_hooks.queue.report import QueueItem, QueueReport
from opensync_hooks.queue.shift import note
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.formatting import ago, count
from opensync_hooks.system.log import Log
from opensync_hooks.system.terminal import print_error, print_line

_AT_WORK = "A worker is at it already: `opensync-hooks queue list` shows what is left."


def _arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(required=True, metavar="list|retry|drop")
    listing = what.add_parser("list", help="show what waits, and what was set aside, and why")
    listing.add_argument("--json", action="store_true", help="for machines")
    listing.set_defaults(queue=_list)
    retrying = what.add_parser("retry", help="try it now")
    retrying.set_defaults(queue=_retry)
    dropping = what.add_parser("drop", help="forget it; the agent's own files stay")
    dropping.add_argument("--yes", action="store_true", help="do not ask")
    dropping.set_defaults(queue=_drop)
    for one in (retrying, dropping):
        which = one.add_mutually_exclusive_group(required=True)
        which.add_argument("session", nargs="?", metavar="SESSION")
        which.add_argument("--all", action="store_true", help="everything in the queue")


def _queue(arguments: argparse.Namespace) -> int:
    loaded = config.load()
    with Ledger(loaded.folders.ledger) as ledger:
        code: int = arguments.queue(arguments, loaded, ledger)
        return code


def _opened(loaded: config.Config, ledger: Ledger) -> QueueReport:
    spool = Spool(loaded.folders.spool)
    return QueueReport(spool, ledger, SessionBackups.from_config(loaded), loaded.destination)


def _list(arguments: argparse.Namespace, loaded: config.Config, ledger: Ledger) -> int:
    items = _opened(loaded, ledger).items()
    resting = cooldown.CooldownRecord.from_config(ledger, loaded).active()
    if arguments.json:
        at_rest = cooldown.as_json(resting) if resting else None
        listed = [item.as_json() for item in items]
        print(json.dumps({"rest": at_rest, "items": listed}, indent=2))
        return 0
    if resting:
        print_line(f"Not asked now: {cooldown.describe(resting)}")
    for item in items:
        print_line(in_words(item))
    if not items:
        print("Nothing waits, and nothing was set aside.")
    return 0


def in_words(item: QueueItem) -> str:
    """One line: what it is, what becomes of it, why."""
    name = f"{item.agent} {item.session_id}" if item.agent else str(item.job)
    what = f"{name} message {item.message}" if item.message is not None else name
    facts: list[str] = [item.state]
    if item.tries:
        facts.append(f"tried {item.tries} times" if item.tries > 1 else "tried once")
    if item.since:
        facts.append(f"asked for {ago(item.since)}")
    return f"{what}: {', '.join(facts)}" + (f". {item.reason}" if item.reason else "")


def _chosen(arguments: argparse.Namespace, queue: QueueReport) -> list[QueueItem]:
    items = queue.items()
    if arguments.all:
        return items
    found = [item for item in items if item.session_id.partition("#")[0] == arguments.session]
    if not found:
        raise UsageError(
            f"{arguments.session}: not in the queue.", "`opensync-hooks queue list` shows what is."
        )
    return found


def _retry(arguments: argparse.Namespace, loaded: config.Config, ledger: Ledger) -> int:
    queue = _opened(loaded, ledger)
    chosen = _chosen(arguments, queue)
    queue.retry(chosen)
    for item in chosen:
        if item.message is not None:
            _ask_for(item, queue.spool)
    with _trying(queue, loaded, ledger) as drain:
        if drain is None:
            print(_AT_WORK, file=sys.stderr)
            return 0
        names = {item.session_id.partition("#")[0] for item in chosen}
        tried = drain.run(only=None if arguments.all else names)
        log = Log(loaded.folders.state)
        failed = []
        for job, result in tried:
            note(log, job, result)
            failed.append(_has_failed(job.trigger.session_id, result))
    print(f"{len(failed)} tried, {sum(failed)} failed.")
    return 1 if any(failed) else 0


def _has_failed(session_id: str, result: Result) -> bool:
    """Say what came of a session."""
    if isinstance(result, OpenSyncError):
        print_error(result)
        return True
    left = result.quarantined + result.unclear
    why = f", {left} not ({result.reason})" if left else ""
    print_line(
        f"{session_id}: {count(result.sent, 'message')} sent, {result.unchanged} unchanged{why}"
    )
    return bool(left)


def _ask_for(item: QueueItem, spool: Spool) -> None:
    """The message comes with its session, if that is still there."""
    found = registry.find(item.session_id.partition("#")[0], item.agent)
    if found is None or not bulk_sync.queue([found], spool):
        print_line(f"{item.session_id}: not found by itself: `opensync-hooks sync --all` finds it.")


@contextmanager
def _trying(queue: QueueReport, loaded: config.Config, ledger: Ledger) -> Iterator[Drain | None]:
    spool = queue.spool
    with cooldown.manual_attempt(ledger, loaded, spool), factory.syncer(loaded, ledger) as syncer:
        with spool.single_worker() as is_alone:
            yield Drain(spool, syncer, at_once=True) if is_alone else None
        if spool.has_events():  # hooks that came meanwhile have started no worker
            deque(drain_now(spool, syncer), maxlen=0)


def _drop(arguments: argparse.Namespace, loaded: config.Config, ledger: Ledger) -> int:
    queue = _opened(loaded, ledger)
    chosen = _chosen(arguments, queue)
    for item in chosen:
        print_line(in_words(item))
    if chosen and not arguments.yes and not _agreed(len(chosen)):
        print("Nothing was dropped.")
        return 1
    queue.drop(chosen)
    Log(loaded.folders.state).write("dropped", items=len(chosen))
    print(f"{len(chosen)} dropped. The sessions stay with their agents; `sync` would find them.")
    return 0


def _agreed(number: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("queue drop: nobody is there to be asked.", "Say --yes.")
    return input(f"Forget {number}? [y/N] ").strip().lower() in ("y", "yes")


QUEUE = Command(
    "queue",
    "show what waits or was set aside, try it again, or drop it",
    _queue,
    _arguments,
    example="opensync-hooks queue retry --all",
)
