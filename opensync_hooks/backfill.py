"""Many sessions through the door that one goes through: `opensync-hooks sync`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opensync_hooks import delivery
from opensync_hooks.config import Config
from opensync_hooks.errors import OpenSyncError, RejectedError, SourceError, UsageError
from opensync_hooks.exclusion import Exclusions
from opensync_hooks.folders import KEPT
from opensync_hooks.job import Job
from opensync_hooks.model import Trigger
from opensync_hooks.privacy import permitted_session
from opensync_hooks.sources import Located, Source, registry
from opensync_hooks.spool import Spool
from opensync_hooks.sync import Outcome, Syncer

Result = Outcome | OpenSyncError | None
Found = tuple[Source, Located]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for on the command line."""

    sessions: tuple[str, ...] = ()
    agent: str | None = None
    everything: bool = False
    force: bool = False
    limit: int | None = None
    wait: bool = False


def select(wish: Wish) -> list[Found]:
    """The sessions asked for, oldest first, as the dashboard lists by time of upload.

    Raises UsageError for one that is nowhere.
    """
    if wish.sessions:
        return [_named(wanted, wish.agent) for wanted in wish.sessions]
    sources = (one for one in registry.all_sources() if wish.agent in (None, one.agent))
    found = [(source, located) for source in sources for located in source.sessions()]
    found.sort(key=lambda pair: pair[1].changed_at, reverse=True)
    return found[: wish.limit][::-1]


def _named(wanted: str, agent: str | None) -> Found:
    found = registry.find(wanted, agent)
    if found is None:
        raise UsageError(
            f"{wanted}: no session with this id, and no transcript at this path.",
            "The id is the transcript's file name; `opensync-hooks sync` takes all new sessions.",
        )
    return found


def run(wish: Wish, found: list[Found], syncer: Syncer) -> Iterator[tuple[Located, Result]]:
    """Each session with what came of it; None where it was up to date already.

    Raises what stops all of them alike: UnreachableError, KeyRefusedError, WrongAddressError.
    """
    look_at_all = wish.sessions or wish.everything or wish.force
    for source, located in found:
        if not look_at_all and syncer.is_current(source, located):
            yield located, None
            continue
        try:
            yield located, syncer.sync(source, located, force=wish.force)
        except (SourceError, RejectedError) as error:
            yield located, error


def queue(found: Iterable[Found], spool: Spool) -> bool:
    """Leave sessions that cannot be delivered now to the next worker; whether it can find all."""
    findable = True
    for source, located in found:
        trigger = Trigger(source.agent, located.session_id, "by hand", str(located.path.absolute()))
        again = source.locate(trigger)
        if again is None or again.path.resolve() != located.path.resolve():
            findable = False  # a copy outside the agent's folder
            continue
        kept = {name: os.environ[name] for name in KEPT[source.agent] if name in os.environ}
        spool.put(Job(trigger, kept, time.time_ns() // 1_000_000))
    return findable


class Progress:
    """One line that changes on a terminal, nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._began = time.monotonic()
        self._shows = sys.stderr.isatty() and total > 1

    def show(self, done: int) -> None:
        if self._shows:
            passed = time.monotonic() - self._began
            rest = passed / done * (self._total - done) if done else 0
            rate = done / passed if passed else 0
            sys.stderr.write(
                f"\r\x1b[K{done} of {self._total} sessions, {rate:.1f} a second, {rest:.0f} s left"
            )
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shows:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def describe(found: list[Found], config: Config) -> Iterator[str]:
    """For a dry run: a line for each session and subagent, and what it would send at most."""
    exclusions = Exclusions.of(config)
    for source, located in found:
        try:
            for session in source.read(located):
                excluded = exclusions.reason(source.agent, session.id, session.project_path)
                if excluded:
                    yield f"{session.id}  stays here, {excluded}"
                    if session.id == located.session_id:
                        break
                    continue
                messages, parts = delivery.measure(session, config)
                title = permitted_session(session, config).title or ""
                if messages:
                    yield f"{session.id}  {messages} messages, {parts} parts  {title}"
        except SourceError as error:
            yield str(error)
