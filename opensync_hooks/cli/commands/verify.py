"""`verify`: read back what arrived, and compare it with what the agents say now."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from opensync_hooks import config
from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.bulk import bulk_sync
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.cli.verify import Verdict, Verification
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
from opensync_hooks.queue.events import record_and_parse
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.formatting import count
from opensync_hooks.system.terminal import print_error, print_line

NEWEST = 20
_MOST_SHOWN = 20
"""Differences of one session; the others are counted."""

Result = Verdict | OpenSyncError


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sessions", nargs="*", metavar="SESSION", help="an id or a transcript's path"
    )
    parser.add_argument(
        "--all", action="store_true", help=f"every session; else the {NEWEST} newest"
    )
    parser.add_argument("--agent", choices=registry.NAMES)
    parser.add_argument("--repair", action="store_true", help="send again exactly what differs")
    parser.add_argument("--json", action="store_true", help="one object for machines")


def _verify(arguments: argparse.Namespace) -> int:
    wish = bulk_sync.Wish(
        sessions=tuple(arguments.sessions),
        agent=arguments.agent,
        limit=None if arguments.all else NEWEST,
    )
    found = bulk_sync.select(wish)
    loaded = config.load()
    Spool(loaded.folders.spool).peek(record_and_parse)  # a repair sends nothing that is private
    with Ledger(loaded.folders.ledger) as ledger, factory.destination(loaded) as archive:
        syncer = Syncer(loaded, archive, ledger)
        told = _Told(archive.name, shows=not arguments.json, names_all=bool(wish.sessions))
        for result in _results(found, Verification(syncer, archive), repairs=arguments.repair):
            told.hear(*result)
    if arguments.json:
        print(json.dumps(told.as_json(), indent=2))
    else:
        told.conclude(len(found), is_all=arguments.all, repaired=arguments.repair)
    return 1 if told.counts["different"] or told.counts["unknown"] else 0


def _results(
    found: list[bulk_sync.Found], verification: Verification, *, repairs: bool
) -> Iterator[tuple[str, str, Result, bool]]:
    """Agent, session, what came of it, and whether anything was sent to mend it."""
    progress = Progress(len(found))
    try:
        for source, located in found:
            result, mended = _result(source, located, verification, repairs=repairs)
            progress.clear()
            yield source.agent, located.session_id, result, mended
            progress.step()
    finally:
        progress.clear()


def _result(
    source: Source, located: Located, verification: Verification, *, repairs: bool
) -> tuple[Result, bool]:
    try:
        verdict = verification.verify(source, located)
        if not repairs or not verdict.is_mendable:
            return verdict, False
        verification.repair(source, located, verdict)
        return verification.verify(source, located), True
    except (SourceError, RejectedError, BusyError) as error:
        return error, False
    except OpenSyncError:
        raise
    except Exception as error:  # noqa: BLE001 - one session's surprise must not stop the others
        return as_opensync_error(error), False


class _Told:
    """What was found so far, said as it comes or kept for the end."""

    def __init__(self, where: str, *, shows: bool, names_all: bool) -> None:
        self.counts = Counter[str]()
        self._where = where
        self._shows = shows
        self._names_all = names_all
        self._sessions: list[dict[str, object]] = []

    def hear(self, agent: str, session_id: str, result: Result, mended: bool) -> None:
        state = _state(result)
        self.counts[state] += 1
        self.counts["mended"] += mended and state == "equal"
        if not self._shows:
            about = {"agent": agent, "session": session_id, "state": state, "repaired": mended}
            self._sessions.append(about | _as_json(result))
        elif isinstance(result, OpenSyncError):
            print_error(result)
        elif state == "different" or mended or self._names_all:
            for line in _lines(result, state, self._where, mended=mended):
                print_line(line)

    def conclude(self, total: int, *, is_all: bool, repaired: bool) -> None:
        if not self._names_all:
            of = (
                "" if is_all or total < NEWEST else f" of the {NEWEST} newest (--all for every one)"
            )
            said = [f"{count(self.counts['equal'], 'session')}{of} equal at {self._where}"]
            said += [f"{self.counts['mended']} of them mended"] if self.counts["mended"] else []
            said += [f"{self.counts['different']} different"] if self.counts["different"] else []
            said += [f"{self.counts['unknown']} not compared"] if self.counts["unknown"] else []
            said += [f"{self.counts['excluded']} kept here"] if self.counts["excluded"] else []
            print(", ".join(said) + ".")
        if self.counts["different"] and not repaired:
            print("`opensync-hooks verify --repair` with the same words sends what differs again.")

    def as_json(self) -> dict[str, object]:
        names = ("equal", "different", "unknown", "excluded")
        counted = {name: self.counts[name] for name in names}
        return {"destination": self._where, **counted, "sessions": self._sessions}


def _state(result: Result) -> str:
    if isinstance(result, OpenSyncError):
        return "unknown"
    if result.excluded:
        return "excluded"
    return "equal" if result.is_equal else "different"


def _lines(verdict: Verdict, state: str, where: str, *, mended: bool) -> Iterator[str]:
    if verdict.excluded:
        yield f"{verdict.session_id}: stays here, {verdict.excluded}"
        return
    counted = f"{count(verdict.messages, 'message')} and {count(verdict.parts, 'part')}"
    after = " after the repair" if mended else ""
    still = "still " if mended and state == "different" else ""
    said = f"equal{after}, {counted} at {where}" if state == "equal" else f"{still}different{after}"
    yield f"{verdict.session_id}: {said}  {verdict.title or ''}".rstrip()
    for one in verdict.differences[:_MOST_SHOWN]:
        of = "" if one.session_id == verdict.session_id else f"{one.session_id}: "
        yield f"  {of}{one.what}"
    left = len(verdict.differences) - _MOST_SHOWN
    if left > 0:
        yield f"  and {left} more; --json names all of them"
    yield from _remarks(verdict)


def _remarks(verdict: Verdict) -> Iterator[str]:
    """What is as it is, and no fault."""
    if verdict.surplus:
        kept = count(verdict.surplus, "message")
        yield f"  note: {kept} more there, which the agent has no longer"
    if verdict.later:
        yield f"  note: {count(verdict.later, 'message')} with a later time there"
    if verdict.is_partial:
        yield "  note: the agent is still writing this session"


def _as_json(result: Result) -> dict[str, object]:
    if isinstance(result, OpenSyncError):
        return {"error": str(result), "hint": result.hint}
    return {
        "messages": result.messages,
        "parts": result.parts,
        "surplus": result.surplus,
        "later": result.later,
        "partial": result.is_partial,
        "excluded": result.excluded,
        "differences": [asdict(one) for one in result.differences],
    }


VERIFY = Command(
    "verify",
    "read back what arrived and compare it, message by message",
    _verify,
    _arguments,
    "opensync-hooks verify --all --repair",
)
