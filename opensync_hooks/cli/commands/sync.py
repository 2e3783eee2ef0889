"""`sync`: delivers sessions now, and prints what became of each."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence

from opensync_hooks import config
from opensync_hooks.agents import registry
from opensync_hooks.cli.bulk import bulk_sync, outcome_text, thread_pool
from opensync_hooks.cli.bulk.bulk_sync import SelectedSession, Selection, SyncResult
from opensync_hooks.cli.bulk.outcome_text import Output
from opensync_hooks.cli.commands import dry_run
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.config import Config, Folders
from opensync_hooks.delivery import factory
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.hook import paths
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.queue import cooldown, environments
from opensync_hooks.queue.environments import Requests
from opensync_hooks.queue.spool import Spool
from opensync_hooks.queue.worker import Worker
from opensync_hooks.system.formatting import count, money
from opensync_hooks.system.moments import parse_moment
from opensync_hooks.system.terminal import INTERRUPTED, print_error, print_line

_WAIT_S = 600.0
_RETRY_INTERVAL_S = 5.0
_FOR_OTHERS = "for other destinations"
_NAMED = (
    SyncState.INCOMPLETE,
    SyncState.NOT_UNDERSTOOD,
    SyncState.QUARANTINED,
    SyncState.WAITING,
    SyncState.EXCLUDED,
    SyncState.DELETED,
    _FOR_OTHERS,
)
"""States that the last line names only if there are such sessions."""
_ROUNDING = 0.000_001


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s [options] [SESSION ...]"
    add = parser.add_argument
    add("sessions", nargs="*", metavar="SESSION", help="an id or a transcript's path")
    add("--agent", choices=registry.NAMES, metavar="AGENT", help=", ".join(registry.NAMES))
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--all", action="store_true", help="check sessions again after a changed setting"
    )
    again.add_argument("--force", action="store_true", help="send again what was confirmed")
    since = "changed in the last 30m, 12h, 7d, 4w, or since a date"
    add("--since", type=_since, metavar="7d", help=since)
    add("--limit", type=_limit, metavar="N", help="only the N newest sessions")
    jobs = f"N sessions at once, at most {thread_pool.MAX_JOBS}; {thread_pool.JOBS} by default"
    add("--jobs", type=_jobs, metavar="N", help=jobs)
    add("--dry-run", action="store_true", help="only show what would be sent")
    add("--wait", action="store_true", help="keep trying for up to ten minutes")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one JSON object per line")
    output.add_argument("-v", "--verbose", action="store_true", help="print every session")
    output.add_argument("-q", "--quiet", action="store_true", help="print only errors")


def _limit(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a number of sessions: {text!r}")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= thread_pool.MAX_JOBS:
        raise argparse.ArgumentTypeError(f"from 1 to {thread_pool.MAX_JOBS}, not {text!r}")
    return int(text)


def _since(text: str) -> int:
    """Parse a time span that ends now, or a local date, as ms since 1970."""
    moment = parse_moment(text)
    if moment is None:
        message = f"neither a span such as 7d nor a date such as 2026-01-31: {text!r}"
        raise argparse.ArgumentTypeError(message)
    return moment


def _sync(arguments: argparse.Namespace) -> int:
    selection = Selection(
        sessions=tuple(arguments.sessions),
        agent=arguments.agent,
        recheck=arguments.all,
        force=arguments.force,
        limit=arguments.limit,
        since=arguments.since,
    )
    if arguments.dry_run:
        return dry_run.show(selection, config.load(), as_json=arguments.json)
    output = Output.JSON if arguments.json else Output.BRIEF
    if arguments.quiet or arguments.verbose:
        output = Output.QUIET if arguments.quiet else Output.VERBOSE
    code = sync(selection, arguments.jobs, wait=arguments.wait, output=output)
    return code if code == INTERRUPTED else max(code, _sync_destinations(output))


def _sync_destinations(output: Output) -> int:
    """Deliver what waits for the other destinations in config.toml; returns an exit code."""
    settings, codes = config.load(), [0]
    for destination in settings.destinations if not settings.destination_name else ():
        os.environ[paths.DESTINATION] = destination.name
        folders = Folders.from_environ(os.environ)
        if destination.name and folders.spool.is_dir() and Spool(folders.spool).waiting():
            run = _SyncRun(Selection(), [], 1, output)
            try:
                codes.append(run.deliver_queue(config.load()))
            except OpenSyncError as error:
                codes.append(print_error(error))
    os.environ.pop(paths.DESTINATION, None)
    return max(codes)


def sync(
    selection: Selection,
    jobs: int | None = None,
    *,
    wait: bool = False,
    output: Output = Output.BRIEF,
) -> int:
    """Deliver sessions, `jobs` at a time, and print what became of them; returns an exit code."""
    settings = config.load()
    jobs = jobs or (thread_pool.JOBS if settings.url else 1)  # a file has only one writer at a time
    spool = Spool(settings.folders.spool)
    with Ledger(settings.folders.ledger) as ledger, factory.open_syncer(settings, ledger) as syncer:
        requests = Requests.load(settings, ledger)
        sessions, left_out = selection.find_own(requests)
        run = _SyncRun(selection, sessions, jobs, output)
        if left_out and output in (Output.BRIEF, Output.VERBOSE):
            print(f"{count(left_out, 'session')} left to the environment of their hooks.")
        deadline = time.monotonic() + (_WAIT_S if wait else 0)
        while True:
            try:
                with cooldown.manual_attempt(ledger, settings, spool):
                    return run.attempt(syncer, spool)
            except UnreachableError as error:
                if time.monotonic() >= deadline:
                    return _give_up(selection, sessions, spool, error)
                time.sleep(_RETRY_INTERVAL_S)
            except KeyboardInterrupt:
                print(f"\n{run.interruption()}", file=sys.stderr)
                return INTERRUPTED


def _give_up(
    selection: Selection,
    sessions: Sequence[SelectedSession],
    spool: Spool,
    error: UnreachableError,
) -> int:
    print_error(error)
    if not selection.sessions:
        text = "Nothing is lost: `opensync-hooks sync` sends the rest later."
    elif bulk_sync.enqueue(sessions, spool):
        text = "Queued: the next hook or `opensync-hooks sync` delivers it."
    else:
        text = "Not queued, as no hook looks outside the agent's folder: run this again later."
    print(text, file=sys.stderr)
    return error.exit_code


class _SyncRun:
    """Delivers a selection, with a new attempt after each failure, and counts the results."""

    def __init__(
        self, selection: Selection, sessions: list[SelectedSession], jobs: int, output: Output
    ) -> None:
        self._selection = selection
        self._sessions = sessions
        self._jobs = jobs
        self._output = output
        self._is_detailed = output is Output.VERBOSE or bool(selection.sessions)
        self._from_queue = 0
        self._masked = 0
        self._counts = Counter[str]()
        self._cost_changes: list[float] = []
        self._has_failed = False

    def attempt(self, syncer: Syncer, spool: Spool) -> int:
        """Deliver all sessions; returns an exit code. Raises what stops all sessions alike."""
        self._counts.clear()
        self._cost_changes.clear()
        self._has_failed = False
        destination = syncer.destination.name
        environments.record_events(spool)  # only hooks report which sessions are private
        if not self._selection.sessions:
            self.deliver_queue(syncer.config)
        progress = Progress(len(self._sessions))
        try:
            for selected, result in bulk_sync.sync_sessions(
                self._selection, self._sessions, syncer, self._jobs
            ):
                source, located = selected
                progress.clear()
                if isinstance(result, SyncOutcome) and result.belongs_to:
                    bulk_sync.hand_over(selected, result.belongs_to, syncer)
                self._report(source.agent, located.session_id, result, destination)
                progress.step()
        finally:  # an error is printed on a line of its own
            progress.clear()
        if not self._selection.sessions and self._output in (Output.BRIEF, Output.VERBOSE):
            print(self._total(destination))
        return 1 if self._has_failed else 0

    def deliver_queue(self, settings: Config) -> int:
        """Deliver what is in the queue; returns an exit code. Raises what stopped it."""
        worker = Worker(settings.folders, at_once=True)
        for _, outcome in worker.run():
            self._from_queue += 1
            self._print("", "", outcome, settings.destination)
        if worker.error:
            raise worker.error
        return 1 if self._has_failed else 0

    def _report(self, agent: str, session_id: str, result: SyncResult, destination: str) -> None:
        """Count the result, and print it if it is news."""
        if isinstance(result, SyncState):
            self._counts[result] += 1
            self._has_failed |= result.is_deficient
            return
        state = result.state if isinstance(result, SyncOutcome) else "failed"
        is_others = isinstance(result, SyncOutcome) and result.belongs_to is not None
        self._counts[_FOR_OTHERS if is_others else state] += 1
        if isinstance(result, SyncOutcome) and abs(result.cost_change) > _ROUNDING:
            self._cost_changes.append(result.cost_change)
        if state not in (SyncState.EXCLUDED, SyncState.FORGOTTEN) or self._selection.sessions:
            self._print(agent, session_id, result, destination)

    def _print(
        self, agent: str, session_id: str, result: SyncOutcome | OpenSyncError, destination: str
    ) -> None:
        """Print one result, and note whether it is a failure."""
        if isinstance(result, SyncOutcome):
            self._masked += sum(result.redacted.values())
        self._has_failed |= (
            isinstance(result, OpenSyncError) or result.state.is_deficient or bool(result.unclear)
        )
        if self._output is Output.JSON:
            row = {"agent": agent, "session": session_id} | outcome_text.as_json(result)
            print(json.dumps(row), flush=True)
        elif isinstance(result, OpenSyncError):
            print_error(result)
        elif self._output is not Output.QUIET and (
            self._is_detailed or not outcome_text.is_plain(result)
        ):
            print_line(outcome_text.describe(result, destination))

    def _total(self, destination: str) -> str:
        synced = count(self._counts[SyncState.SYNCED], "session")
        up_to_date = f"{self._counts[SyncState.UP_TO_DATE]} up to date"
        facts = [f"{synced} synced to {destination}", up_to_date]
        facts += [f"{self._from_queue} from the queue"] if self._from_queue else []
        facts += [f"{self._counts[state]} {state}" for state in _NAMED if self._counts[state]]
        facts += [f"{count(self._masked, 'secret')} masked"] if self._masked else []
        if self._cost_changes:
            repriced = count(len(self._cost_changes), "session")
            change = sum(self._cost_changes)
            sign = "+" if change >= 0 else "-"
            facts.append(f"{repriced} at other prices ({sign}{money(abs(change))})")
        return ", ".join(facts) + "."

    def interruption(self) -> str:
        done = sum(self._counts.values())
        left = max(0, len(self._sessions) - done)
        return (
            f"Interrupted: {count(done, 'session')} done, {left} left. "
            "Run the same command again to continue."
        )


SYNC = Command(
    "sync",
    "deliver sessions now: everything new, or the ones that you name",
    _sync,
    "opensync-hooks sync --since 7d --jobs 4",
    _add_arguments,
)
