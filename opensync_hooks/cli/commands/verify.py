"""`verify`: reads sessions back from the destination and compares them with the agents' files."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from opensync_hooks import config
from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.bulk.bulk_sync import SelectedSession, Selection
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.cli.verify import census_check
from opensync_hooks.cli.verify.verifier import Verdict, Verifier
from opensync_hooks.delivery import factory
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.errors import (
    BusyError,
    OpenSyncError,
    RejectedError,
    SourceError,
    as_opensync_error,
)
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue import environments
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.formatting import count
from opensync_hooks.system.terminal import print_error, print_line

_NEWEST = 20
_MAX_SHOWN = 20
"""Differences of one session; the others are counted."""

_VerifyResult = Verdict | OpenSyncError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("sessions", nargs="*", metavar="SESSION", help="an id or a transcript's path")
    add("--all", action="store_true", help=f"all sessions, not only the {_NEWEST} newest")
    add("--agent", choices=registry.NAMES)
    add("--repair", action="store_true", help="send again exactly what differs")
    add("--json", action="store_true", help="print JSON")


def _verify(arguments: argparse.Namespace) -> int:
    limit = None if arguments.all else _NEWEST
    sessions = Selection(tuple(arguments.sessions), arguments.agent, limit=limit).find()
    settings = config.load()
    # A repair must not send private sessions.
    environments.record_events(Spool(settings.folders.spool))
    with (
        Ledger(settings.folders.ledger) as ledger,
        factory.open_destination(settings) as destination,
    ):
        syncer = Syncer(settings, destination, ledger)
        report = _Report(
            destination.name, as_json=arguments.json, is_detailed=bool(arguments.sessions)
        )
        verifier = Verifier(syncer, destination)
        for agent, session_id, result, repaired in _results(sessions, verifier, arguments):
            report.add(agent, session_id, result, repaired=repaired)
    report.finish(repairs=arguments.repair)
    return 1 if report.counts["different"] or report.counts["unknown"] else 0


def _results(
    sessions: Sequence[SelectedSession], verifier: Verifier, arguments: argparse.Namespace
) -> Iterator[tuple[str, str, _VerifyResult, bool]]:
    """Yield agent, session id, result, and whether the session had to be repaired."""
    progress = Progress(len(sessions))
    try:
        for source, located in sessions:
            result, repaired = _result(source, located, verifier, repairs=arguments.repair)
            progress.clear()
            yield source.agent, located.session_id, result, repaired
            progress.step()
    finally:
        progress.clear()


def _result(
    source: Source, located: Located, verifier: Verifier, *, repairs: bool
) -> tuple[_VerifyResult, bool]:
    try:
        verdict = verifier.verify(source, located)
        if not repairs or not verdict.is_repairable:
            return verdict, False
        verifier.repair(source, located, verdict)
        return verifier.verify(source, located), True
    except (SourceError, RejectedError, BusyError) as error:
        return error, False
    except OpenSyncError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in one session must not stop the others
        return as_opensync_error(error), False


class _Report:
    """Prints results as they come, or collects them for JSON."""

    def __init__(self, destination: str, *, as_json: bool, is_detailed: bool) -> None:
        self.counts = Counter[str]()
        self._destination = destination
        self._as_json = as_json
        self._is_detailed = is_detailed
        """Whether equal sessions are shown, too."""
        self._rows: list[dict[str, object]] = []

    def add(self, agent: str, session_id: str, result: _VerifyResult, *, repaired: bool) -> None:
        state = _state(result)
        self.counts[state] += 1
        self.counts["repaired"] += repaired and state == "equal"
        self.counts["repairable"] += isinstance(result, Verdict) and result.is_repairable
        has_unknown = isinstance(result, Verdict) and any(
            census.unknown or census.unreadable for census in result.censuses
        )
        if self._as_json:
            row = {"agent": agent, "session": session_id, "state": state, "repaired": repaired}
            self._rows.append(row | _as_json(result))
        elif isinstance(result, OpenSyncError):
            print_error(result)
        elif state == "different" or repaired or self._is_detailed or has_unknown:
            for line in _lines(result, self._destination, repaired=repaired):
                print_line(line)

    def finish(self, *, repairs: bool) -> None:
        """Print the totals."""
        counts = self.counts
        states = ("equal", "different", "unknown", "excluded")
        if self._as_json:
            totals = {state: counts[state] for state in states}
            document = {"destination": self._destination, **totals, "sessions": self._rows}
            print(json.dumps(document, indent=2))
            return
        if not self._is_detailed:
            total = count(sum(counts[state] for state in states), "session")
            facts = [f"{counts['equal']} of {total} verified"]
            facts += [f"{counts['repaired']} of them repaired"] if counts["repaired"] else []
            facts += [f"{counts['different']} different"] if counts["different"] else []
            facts += [f"{counts['unknown']} not compared"] if counts["unknown"] else []
            facts += [f"{counts['excluded']} excluded"] if counts["excluded"] else []
            print(", ".join(facts) + ".")
        if counts["repairable"] and not repairs:
            print("To repair them, run the same command with --repair.")


def _state(result: _VerifyResult) -> str:
    if isinstance(result, OpenSyncError):
        return "unknown"
    if result.excluded:
        return "excluded"
    return "equal" if result.is_equal else "different"


def _lines(verdict: Verdict, destination: str, *, repaired: bool) -> Iterator[str]:
    if verdict.excluded:
        yield f"{verdict.session_id}: excluded: {verdict.excluded}"
        return
    if verdict.is_equal:
        content = f"{count(verdict.messages, 'message')}, {count(verdict.parts, 'part')}"
        state = f"{'repaired' if repaired else 'verified'}, {content} at {destination}"
    else:
        state = "different even after the repair" if repaired else "different"
    yield f"{verdict.session_id}: {state}  {verdict.title or ''}".rstrip()
    for difference in verdict.differences[:_MAX_SHOWN]:
        is_own = difference.session_id == verdict.session_id
        yield f"  {'' if is_own else f'{difference.session_id}: '}{difference.description}"
    more = len(verdict.differences) - _MAX_SHOWN
    if more > 0:
        yield f"  and {more} more; --json shows all"
    if verdict.surplus:
        yield f"  note: {count(verdict.surplus, 'message')} that the agent no longer has"
    if verdict.later:
        yield f"  note: {count(verdict.later, 'message')} with a later time"
    if unknown := census_check.describe_unknown(verdict.censuses):
        yield f"  note: not understood: {unknown}"
    if verdict.is_partial:
        yield "  note: the agent is still writing this session"


def _as_json(result: _VerifyResult) -> dict[str, object]:
    if isinstance(result, OpenSyncError):
        return {"error": str(result), "hint": result.hint}
    return {
        "messages": result.messages,
        "parts": result.parts,
        "surplus": result.surplus,
        "later": result.later,
        "partial": result.is_partial,
        "excluded": result.excluded,
        "differences": [difference.as_json() for difference in result.differences],
        "census": [asdict(census) for census in result.censuses],
    }


VERIFY = Command(
    "verify",
    "compare what the destination has with what your agents have",
    _verify,
    "opensync-hooks verify --all --repair",
    _add_arguments,
)
