"""Many sessions, each delivered as a hook's session is: `opensync-hooks sync`."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.bulk.thread_pool import run_parallel
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery import factory
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
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
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Trigger
from opensync_hooks.queue import environments
from opensync_hooks.queue.backoff import MAX_UNCLEAR_IN_A_ROW
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.environments import Requests
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock

SelectedSession = tuple[Source, Located]
SyncResult = SyncOutcome | OpenSyncError | SyncState
"""A state for a session that was not read, as it is unchanged since it ended in that state."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The sessions that a command line selects, and how thoroughly they are compared."""

    sessions: tuple[str, ...] = ()
    """Ids or paths; empty for all sessions that the other fields allow."""
    agent: str | None = None
    recheck: bool = False
    """Read sessions whose files have not changed, unless this version has read them before under
    the settings of today.
    """
    force: bool = False
    """Send again what was confirmed."""
    limit: int | None = None
    since: int | None = None
    """Ms since 1970: only sessions that changed after it."""

    @property
    def reads_unchanged(self) -> bool:
        return bool(self.sessions or self.recheck or self.force)

    def find(self) -> list[SelectedSession]:
        """Return the sessions, oldest first, as OpenSync lists them by their time of upload.

        Raises UsageError for a named session that does not exist.
        """
        if self.sessions:
            return [self._find(session) for session in self.sessions]
        selected = [
            (source, session)
            for source in registry.all_sources()
            if self.agent in (None, source.agent)
            for session in source.sessions()
            if self.since is None or session.changed_at >= self.since
        ]
        selected.sort(key=lambda pair: pair[1].changed_at, reverse=True)
        return selected[: self.limit][::-1]

    def find_own(self, requests: Requests) -> tuple[list[SelectedSession], int]:
        """Return the sessions of this environment, and how many belong to others.

        A named session is sent from any environment.
        """
        sessions = self.find()
        own = [
            (source, located)
            for source, located in sessions
            if self.sessions or not requests.is_anothers(source.agent, located.session_id)
        ]
        return own, len(sessions) - len(own)

    def _find(self, name: str) -> SelectedSession:
        selected = registry.find(name, self.agent)
        if selected is None:
            raise UsageError(
                f"{name}: no session has this id, and no transcript this path.",
                "The id is the transcript's file name; `opensync-hooks sync` takes all sessions.",
            )
        return selected


def sync_sessions(
    selection: Selection, sessions: Sequence[SelectedSession], syncer: Syncer, jobs: int = 1
) -> Iterator[tuple[SelectedSession, SyncResult]]:
    """Deliver the sessions, `jobs` at a time, and yield each with its result.

    Raises what would fail for every session: UnreachableError, KeyRefusedError, or
    UnusableDestinationError.
    """
    if jobs > 1 and len(sessions) > 1:
        opened = partial(open_syncer, syncer.config)
        work = partial(_sync_in_thread, selection)
        results: Iterator[tuple[SelectedSession, SyncResult]]
        results = run_parallel(sessions, jobs, opened, work)
    else:
        results = ((session, _sync(selection, syncer, session)) for session in sessions)
    unclear = 0
    for session, result in results:
        unclear = unclear + 1 if isinstance(result, ServerFailureError) else 0
        if isinstance(result, ServerFailureError) and unclear >= MAX_UNCLEAR_IN_A_ROW:
            raise result
        yield session, result


def _sync_in_thread(
    selection: Selection, syncer: Syncer, session: SelectedSession
) -> tuple[SelectedSession, SyncResult]:
    source, located = session
    own_source = registry.source(source.agent) or source  # sources keep state while they read
    return session, _sync(selection, syncer, (own_source, located))


def _sync(selection: Selection, syncer: Syncer, session: SelectedSession) -> SyncResult:
    source, located = session
    if not selection.reads_unchanged and (state := syncer.state(source, located)):
        return state
    is_named_or_forced = selection.sessions or selection.force
    if not is_named_or_forced and syncer.is_checked(source, located):
        return SyncState.UP_TO_DATE
    try:
        limits = Limits(asks_always=bool(selection.sessions))
        outcome = syncer.sync(source, located, force=selection.force, limits=limits)
    except (SourceError, RejectedError) as error:
        return error
    except (BusyError, ServerFailureError) as error:
        if selection.sessions:  # a session that was named is queued by the caller
            raise
        return error
    except OpenSyncError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in one session must not stop the others
        return as_opensync_error(error)
    if outcome.state is not SyncState.WAITING:
        config = syncer.config
        if Spool(config.folders.spool).release(source.agent, located.session_id):
            SessionBackups.from_config(config).delete(source.agent, located.session_id)
    return outcome


@contextmanager
def open_syncer(config: Config) -> Iterator[Syncer]:
    with Ledger(config.folders.ledger) as ledger, factory.open_syncer(config, ledger) as syncer:
        yield syncer


def hand_over(session: SelectedSession, name: str, syncer: Syncer) -> None:
    """Leave a session to the queue of the destination of this name, which `sync` delivers next."""
    if enqueue([session], Spool(environments.spool_of(name))):
        syncer.note_handed_over(*session)


def enqueue(sessions: Iterable[SelectedSession], spool: Spool) -> bool:
    """Leave sessions to the next worker; returns whether it will find all of them."""
    finds_all = True
    for source, located in sessions:
        trigger = Trigger(source.agent, located.session_id, "by hand", str(located.path.absolute()))
        again = source.locate(trigger)
        if again is None or again.path.resolve() != located.path.resolve():
            finds_all = False  # a copy outside the agent's folder
            continue
        variables = registry.session_variables(source.agent)
        spool.put(Job(trigger, variables, clock.now()))
    return finds_all
