"""`sync`: sessions delivered now, with what came of each."""

from __future__ import annotations

import argparse
import sys
import time

from opensync_hooks import backfill, config, drain, house, rest
from opensync_hooks.commands.command import Command
from opensync_hooks.commands.terminal import complain, say
from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.ledger import Ledger
from opensync_hooks.sources import registry
from opensync_hooks.spool import Spool
from opensync_hooks.sync import Outcome, Syncer

_PATIENCE = 600.0
_PAUSE = 5.0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sessions", nargs="*", metavar="SESSION", help="an id or a transcript's path"
    )
    parser.add_argument("--agent", choices=registry.NAMES)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--new", action="store_true", help="what changed since it was synced (default)"
    )
    which.add_argument("--all", action="store_true", help="look through every session again")
    which.add_argument("--force", action="store_true", help="send again what was confirmed, too")
    parser.add_argument("--limit", type=_count, metavar="N", help="only the N newest sessions")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    parser.add_argument("--wait", action="store_true", help="keep trying, for ten minutes at most")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a number of sessions: {text!r}")
    return int(text)


def _sync(arguments: argparse.Namespace) -> int:
    wish = backfill.Wish(
        sessions=tuple(arguments.sessions),
        agent=arguments.agent,
        everything=arguments.all,
        force=arguments.force,
        limit=arguments.limit,
    )
    loaded = config.load()
    found = backfill.select(wish)
    if arguments.dry_run:
        for line in backfill.describe(found, loaded):
            say(line)
        return 0
    with Ledger(loaded.folders.ledger) as ledger, house.syncer(loaded, ledger) as syncer:
        end = time.monotonic() + (_PATIENCE if arguments.wait else 0)
        while True:
            try:
                with rest.by_hand(ledger, loaded, Spool(loaded.folders.spool)):
                    return _run(wish, found, syncer)
            except UnreachableError as error:
                if time.monotonic() < end:
                    time.sleep(_PAUSE)
                    continue
                return _leave_for_later(wish, found, loaded, error)


def _leave_for_later(
    wish: backfill.Wish, found: list[backfill.Found], loaded: config.Config, error: UnreachableError
) -> int:
    complain(error)
    if wish.sessions:
        if backfill.queue(found, Spool(loaded.folders.spool)):
            print("Queued: the next hook or `opensync-hooks sync` delivers it.", file=sys.stderr)
        else:
            print("Outside the agent's folder no hook finds it: run this again.", file=sys.stderr)
    else:
        print("What is left stays on the disk: `opensync-hooks sync` goes on.", file=sys.stderr)
    return error.exit_code


def _run(wish: backfill.Wish, found: list[backfill.Found], syncer: Syncer) -> int:
    spool = Spool(syncer.config.folders.spool)
    where = syncer.destination.name
    failed = staying = 0
    drain.reduce_now(spool)
    if not wish.sessions:
        failed += sum(_report("", result, where) for result in drain.drain_now(spool, syncer))
    progress = backfill.Progress(len(found))
    current = done = 0
    for count, (located, result) in enumerate(backfill.run(wish, found, syncer), 1):
        progress.clear()
        if result is None:
            current += 1
        elif isinstance(result, Outcome) and result.excluded and not wish.sessions:
            staying += 1
        elif _report(located.session_id, result, where):
            failed += 1
        else:
            done += 1
        progress.show(count)
    progress.clear()
    if not wish.sessions:
        excluded = f", {staying} stay here as you asked" if staying else ""
        print(f"{done} sessions synced to {where}, {current} were up to date{excluded}.")
    return 1 if failed else 0


def _report(session_id: str, result: Outcome | OpenSyncError, where: str) -> bool:
    """Say in one line what came of a session; whether it failed."""
    if isinstance(result, OpenSyncError):
        complain(result)
        return True
    if result.excluded:
        say(f"{session_id or result.session_id}: stays here, {result.excluded}")
        return False
    subagents, masked = result.sessions - 1, sum(result.masked.values())
    said = [
        f"{result.sent} messages sent to {where}",
        f"{result.unchanged} unchanged",
        *([f"{subagents} subagents"] if subagents > 0 else []),
        *([f"{masked} secret{'' if masked == 1 else 's'} masked"] if masked else []),
        *([f"{result.parked} set aside ({result.reason})"] if result.parked else []),
    ]
    say(f"{session_id or result.session_id}: {', '.join(said)}  {result.title or ''}".rstrip())
    return bool(result.parked)


SYNC = Command("sync", "deliver sessions now; new ones, if none is named", _sync, _arguments)
