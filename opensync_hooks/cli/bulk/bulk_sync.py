"""Many sessions through the door that one goes through: `opensync-hooks sync`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.bulk.thread_pool import run_parallel
from opensync_hooks.config import Config
from opensync_hooks.delivery import factory
from opensync_hooks.delivery.session_sync import Syncer, SyncOutcome
from opensync_hooks.errors import (
    BusyError,
    OpenSyncError,
    RejectedError,
    ServerFailureError,
    SourceError,
    UsageError,
    as_opensync_error,
)
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.queue.backoff import MOST_UNCLEAR
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock

Result = SyncOutcome | OpenSyncError | None
Found = tuple[Source, Located]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for on the command line."""

    sessions: tuple[str, ...] = ()
    agent: str | None = None
    everything: bool = False
    force: bool = False
    limit: int | None = None
    since: int | None = None
    """Ms since 1970: only sessions that anything was said in after it."""

    @property
    def looks_at_all(self) -> bool:
        """Whether also what looks unchanged is read."""
        return bool(self.sessions or self.everything or self.force)


def select(wish: Wish) -> list[Found]:
    """The sessions asked for, oldest first, as the dashboard lists by time of upload.

    Raises UsageError for one that is nowhere.
    """
    if wish.sessions:
        return [_named(wanted, wish.agent) for wanted in wish.sessions]
    sources = (one for one in registry.all_sources() if wish.agent in (None, one.agent))
    found = [
        (source, located)
        for source in sources
        for located in source.sessions()
        if wish.since is None or located.changed_at >= wish.since
    ]
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


def run(
    wish: Wish, found: list[Found], syncer: Syncer, jobs: int = 1
) -> Iterator[tuple[Found, Result]]:
    """Each session with what came of it; None where it was up to date already.

    Raises what stops all of them: UnreachableError, KeyRefusedError, UnusableDestinationError.
    """
    if jobs == 1 or len(found) < 2:
        unclear = 0
        for one in found:
            result = _result(wish, syncer, one)
            unclear = unclear + 1 if isinstance(result, ServerFailureError) else 0
            if isinstance(result, ServerFailureError) and unclear >= MOST_UNCLEAR:
                raise result
            yield one, result
        return

    def work(own: Syncer, one: Found) -> tuple[Found, Result]:
        source = registry.source(one[0].agent) or one[0]  # what one has read is not the others'
        return one, _result(wish, own, (source, one[1]))

    yield from run_parallel(found, jobs, partial(_open_syncer, syncer.config), work)


def _result(wish: Wish, syncer: Syncer, found: Found) -> Result:
    source, located = found
    if not wish.looks_at_all and syncer.is_current(source, located):
        return None
    try:
        outcome = syncer.sync(source, located, force=wish.force)
    except (SourceError, RejectedError) as error:
        return error
    except (BusyError, ServerFailureError) as error:
        if wish.sessions:  # it was asked for, and goes to the queue
            raise
        return error
    except OpenSyncError:
        raise
    except Exception as error:  # noqa: BLE001 - one session's surprise must not stop the others
        return as_opensync_error(error)
    if not outcome.is_partial and not outcome.unclear:
        _arrived(syncer.config, source.agent, located.session_id)
    return outcome


def _arrived(config: Config, agent: str, session_id: str) -> None:
    """What was set aside of it is not any more, and no copy is needed for when its agent goes."""
    if Spool(config.folders.spool).arrived(agent, session_id):
        SessionBackups.from_config(config).drop(agent, session_id)


@contextmanager
def _open_syncer(config: Config) -> Iterator[Syncer]:
    with Ledger(config.folders.ledger) as ledger, factory.syncer(config, ledger) as syncer:
        yield syncer


def queue(found: Iterable[Found], spool: Spool) -> bool:
    """Leave sessions that cannot be delivered now to the next worker; whether it can find all."""
    findable = True
    for source, located in found:
        trigger = Trigger(source.agent, located.session_id, "by hand", str(located.path.absolute()))
        again = source.locate(trigger)
        if again is None or again.path.resolve() != located.path.resolve():
            findable = False  # a copy outside the agent's folder
            continue
        environ = registry.session_variables(source.agent)
        spool.put(Job(trigger, environ, clock.now()))
    return findable
