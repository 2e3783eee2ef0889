"""`sync`: sessions delivered now, with what came of each."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from datetime import datetime

from opensync_hooks import config
from opensync_hooks.agents import registry
from opensync_hooks.cli.bulk import bulk_sync, thread_pool
from opensync_hooks.cli.bulk.bulk_sync import Found, Wish
from opensync_hooks.cli.commands import dry_run
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.delivery import factory
from opensync_hooks.delivery.session_sync import Syncer, SyncOutcome
from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue import cooldown, drain
from opensync_hooks.queue.events import record_and_parse
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.formatting import count
from opensync_hooks.system.terminal import INTERRUPTED, print_error, print_line

_PATIENCE = 600.0
_PAUSE = 5.0
_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("sessions", nargs="*", metavar="SESSION", help="an id or a transcript's path")
    add("--agent", choices=registry.NAMES)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--new", action="store_true", help="what changed since (default)")
    which.add_argument("--all", action="store_true", help="look through every session again")
    which.add_argument("--force", action="store_true", help="send again what was confirmed, too")
    since = "changed in the last 30m, 12h, 7d, 4w, or since a date"
    add("--since", type=_since, metavar="7d", help=since)
    add("--limit", type=_count, metavar="N", help="only the N newest sessions")
    add(
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help=f"N sessions at once, up to {thread_pool.MAX_JOBS}",
    )
    add("--dry-run", action="store_true", help="only say what would leave")
    add("--wait", action="store_true", help="keep trying, for ten minutes at most")
    add("--json", action="store_true", help="one object a line, for machines")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a number of sessions: {text!r}")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= thread_pool.MAX_JOBS:
        raise argparse.ArgumentTypeError(f"from 1 to {thread_pool.MAX_JOBS}, not {text!r}")
    return int(text)


def _since(text: str) -> int:
    """A span that ends now, or a day of this place's calendar; as ms since 1970."""
    span = _SPAN.fullmatch(text)
    if span:
        return int((time.time() - int(span[1]) * _SECONDS[span[2]]) * 1000)
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        what = f"neither a span such as 7d nor a date such as 2026-01-31: {text!r}"
        raise argparse.ArgumentTypeError(what) from None


def _sync(arguments: argparse.Namespace) -> int:
    wish = Wish(
        sessions=tuple(arguments.sessions),
        agent=arguments.agent,
        everything=arguments.all,
        force=arguments.force,
        limit=arguments.limit,
        since=arguments.since,
    )
    if arguments.dry_run:
        loaded = config.load()
        return dry_run.rehearse(wish, bulk_sync.select(wish), loaded, as_json=arguments.json)
    return sync(wish, arguments.jobs, wait=arguments.wait, as_json=arguments.json)


def sync(wish: Wish, jobs: int = 1, *, wait: bool = False, as_json: bool = False) -> int:
    """Deliver sessions, `jobs` at a time, and print what became of each; returns an exit code."""
    loaded = config.load()
    found = bulk_sync.select(wish)
    run = _Run(wish, found, jobs, as_json=as_json)
    with Ledger(loaded.folders.ledger) as ledger, factory.syncer(loaded, ledger) as syncer:
        end = time.monotonic() + (_PATIENCE if wait else 0)
        while True:
            try:
                with cooldown.manual_attempt(ledger, loaded, Spool(loaded.folders.spool)):
                    return run.go(syncer)
            except UnreachableError as error:
                if time.monotonic() < end:
                    time.sleep(_PAUSE)
                    continue
                return _leave_for_later(wish, found, loaded, error)
            except KeyboardInterrupt:
                print(f"\n{run.interrupted()}", file=sys.stderr)
                return INTERRUPTED


def _leave_for_later(
    wish: Wish, found: list[Found], loaded: config.Config, error: UnreachableError
) -> int:
    print_error(error)
    if wish.sessions:
        if bulk_sync.queue(found, Spool(loaded.folders.spool)):
            print("Queued: the next hook or `opensync-hooks sync` delivers it.", file=sys.stderr)
        else:
            print("Outside the agent's folder no hook finds it: run this again.", file=sys.stderr)
    else:
        print("What is left stays on the disk: `opensync-hooks sync` goes on.", file=sys.stderr)
    return error.exit_code


class _Run:
    """One wish on its way, also when it has to be begun again."""

    def __init__(self, wish: Wish, found: list[Found], jobs: int, *, as_json: bool) -> None:
        self.wish = wish
        self.found = found
        self.jobs = jobs
        self.as_json = as_json
        self.counts = Counter[str]()

    def go(self, syncer: Syncer) -> int:
        self.counts.clear()
        where, spool = syncer.destination.name, Spool(syncer.config.folders.spool)
        spool.peek(record_and_parse)  # hooks alone know which sessions are private
        if not self.wish.sessions:
            for waited in drain.drain_now(spool, syncer):
                self.counts["failed"] += self._say("", "", waited, where)
        progress = Progress(len(self.found))
        try:
            for (source, located), result in bulk_sync.run(
                self.wish, self.found, syncer, self.jobs
            ):
                progress.clear()
                self.counts[self._state(source.agent, located.session_id, result, where)] += 1
                progress.step()
        finally:  # what stopped it is said on a line of its own
            progress.clear()
        if not self.wish.sessions and not self.as_json:
            print(self._total(where))
        return 1 if self.counts["failed"] else 0

    def _state(self, agent: str, session_id: str, result: bulk_sync.Result, where: str) -> str:
        if result is None:
            return "current"
        if isinstance(result, SyncOutcome) and result.excluded and not self.wish.sessions:
            return "excluded"
        if self._say(agent, session_id, result, where):
            return "failed"
        return "done" if isinstance(result, SyncOutcome) and result.sessions else "empty"

    def _say(
        self, agent: str, session_id: str, result: SyncOutcome | OpenSyncError, where: str
    ) -> bool:
        if not self.as_json:
            return report(session_id, result, where)
        told = _as_json(result)
        print(json.dumps({"agent": agent, "session": session_id} | told), flush=True)
        return told["state"] == "failed"

    def _total(self, where: str) -> str:
        done, current, excluded = (self.counts[one] for one in ("done", "current", "excluded"))
        stay = f", {excluded} {'stays' if excluded == 1 else 'stay'} here as you asked"
        up_to_date = f"{current} {'was' if current == 1 else 'were'} up to date"
        return f"{count(done, 'session')} synced to {where}, {up_to_date}{stay * bool(excluded)}."

    def interrupted(self) -> str:
        through = sum(self.counts.values())
        left = count(max(0, len(self.found) - through), "session")
        return (
            f"Interrupted: {through} through, {left} left, nothing half done. "
            "The same command goes on from here."
        )


def report(session_id: str, result: SyncOutcome | OpenSyncError, where: str) -> bool:
    """Say in one line what came of a session; whether it failed."""
    if isinstance(result, OpenSyncError):
        print_error(result)
        return True
    if result.excluded:
        print_line(f"{session_id or result.session_id}: stays here, {result.excluded}")
        return False
    subagents, masked = result.sessions - 1, sum(result.redacted.values())
    said = [
        f"{count(result.sent, 'message')} sent to {where}",
        f"{result.unchanged} unchanged",
        *([count(subagents, "subagent")] if subagents > 0 else []),
        *([f"{count(masked, 'secret')} masked"] if masked else []),
        *([f"{result.quarantined} set aside ({result.reason})"] if result.quarantined else []),
        *([f"{result.unclear} have to wait ({result.reason})"] if result.unclear else []),
    ]
    print_line(
        f"{session_id or result.session_id}: {', '.join(said)}  {result.title or ''}".rstrip()
    )
    return bool(result.quarantined or result.unclear)


def _as_json(result: SyncOutcome | OpenSyncError) -> dict[str, object]:
    if isinstance(result, OpenSyncError):
        return {"state": "failed", "error": str(result), "hint": result.hint}
    state = "synced" if result.sessions else "empty"
    if result.quarantined or result.unclear:
        state = "failed"
    return {
        "session": result.session_id,
        "state": "excluded" if result.excluded else state,
        "sent": result.sent,
        "unchanged": result.unchanged,
        "set_aside": result.quarantined,
        "waiting": result.unclear,
        "sessions": result.sessions,
        "masked": dict(result.redacted),
        "reason": result.excluded or result.reason,
    }


SYNC = Command(
    "sync",
    "deliver sessions now; new ones, if none is named",
    _sync,
    _arguments,
    "opensync-hooks sync --since 7d --jobs 4",
)
