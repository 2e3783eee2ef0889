"""What `status` shows: destination, sessions, queue, privacy, last error, hooks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from opensync_hooks.agents import registry
from opensync_hooks.cli.bulk.backlog import Backlog, by_agent
from opensync_hooks.cli.destination_status import DestinationStatus, named_destinations, probe
from opensync_hooks.cli.doctor import hooks
from opensync_hooks.config import Config, load
from opensync_hooks.config.credentials import mask_key
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.routing import undecided
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.ledger import accounts, catch_up, losses
from opensync_hooks.ledger.catch_up import CaughtUpSession
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.summary import (
    DeficientSession,
    complete_sessions,
    deficient_sessions,
    deleted_sessions,
    summarize,
)
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.pricing.in_force import price_table
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue import environments
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.cooldown import Cooldown, CooldownRecord
from opensync_hooks.queue.environments import OtherQueue
from opensync_hooks.queue.report import QueueItem, QueueReport
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """One agent's hook and sessions."""

    agent: str
    label: str
    installed: bool
    registered: bool
    problem: str | None
    outdated: str | None
    """The version of the hook, if it is not this one."""
    on_disk: int
    synced: int
    """Sessions that were delivered completely, even if the agent has deleted them since."""
    unsynced: int
    """Sessions that changed since they were last delivered completely."""
    masked_otherwise: int
    """Sessions that are stored as older rules masked them."""
    waiting: int
    """Jobs and events in the queue."""
    last_sync: int | None

    def as_json(self) -> dict[str, object]:
        fields = asdict(self)
        return {"found" if name == "installed" else name: fields[name] for name in fields}


@dataclass(frozen=True, slots=True)
class CatchUpStatus:
    """The sessions that changed without a hook."""

    enabled: bool
    delivered: int
    """Sessions of which messages were sent because of it."""
    last: int | None
    """When the latest of these was noticed, in ms since 1970."""
    failed: tuple[tuple[str, str], ...]
    """Agent and id of each that could not be delivered completely."""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that `status` shows. Times are ms since 1970."""

    destination: str
    key: str | None
    reachable: bool
    authorised: bool | None
    """None if unknown, as the destination cannot be reached."""
    sessions: int
    """Sessions that a user began; subagents are counted as such."""
    subagents: int
    messages: int
    last_sync: int | None
    store_bytes: int
    """The size of the embedded store, also after a login; 0 if there is none."""
    waiting: int
    quarantined: tuple[QueueItem, ...]
    apart: tuple[QueueItem, ...]
    """Sessions that the server fails on while it takes others; each is retried on its own."""
    cooldown: Cooldown | None
    """Why hooks do not contact the destination at the moment."""
    lost: Mapping[str, int]
    """What could not be delivered completely, and what was not known, by name."""
    unknown: Mapping[str, int]
    """The types and fields among these that are new to us: their sessions count as synced."""
    not_understood: tuple[DeficientSession, ...]
    """The sessions that have content, of which no message could be read."""
    incomplete: tuple[DeficientSession, ...]
    only_in_store: int
    """Sessions of the embedded store that the account of the login does not have."""
    deleted: tuple[DeficientSession, ...]
    """The sessions that the user deleted at the destination."""
    last_error: str | None
    last_error_at: int | None
    unpriced: tuple[str, ...]
    stated_free: Mapping[str, float]
    """The USD at list price of models that an agent states as free."""
    own_prices: tuple[str, ...]
    """The models with a price of the user's own, and the user's names for models."""
    prices_from: str
    """The day of the price table, YYYY-MM-DD."""
    thinking: bool
    redact: bool
    file_contents: bool
    keeps_file_contents: bool
    """Whether the embedded store is the destination and may keep contents of files."""
    excluded: int
    excluded_reasons: Mapping[str, int]
    """The number of excluded sessions by the reason, as a sentence."""
    catch_up: CatchUpStatus
    elsewhere: tuple[OtherQueue, ...]
    """The queues of other environments, which only their own settings may deliver."""
    agents: tuple[AgentStatus, ...]
    destinations: tuple[DestinationStatus, ...]
    """The other destinations in config.toml, each for some projects."""

    def as_json(self) -> dict[str, object]:
        """Return the public form of the status, whose keys are older than the fields' names."""
        fields = asdict(self)
        del fields["quarantined"], fields["cooldown"]
        for queue in fields["elsewhere"]:
            queue["folder"] = str(queue["folder"])
        names = ("not_understood", "incomplete", "deleted")
        deficient = {
            name: [{"agent": agent, "session": session} for agent, session, _ in fields[name]]
            for name in names
        }
        return (
            fields
            | deficient
            | {
                "parked": len(self.quarantined),
                "apart": [item.as_json() for item in self.apart],
                "set_aside": [item.as_json() for item in self.quarantined],
                "rest": self.cooldown.as_json() if self.cooldown else None,
                "agents": [agent.as_json() for agent in self.agents],
            }
        )


def gather() -> Status:
    """Contact the destination, and change nothing. Raises NotConfiguredError."""
    config = load()
    reachable, authorised, problem = probe(config)
    spool = Spool(config.folders.spool)
    with Ledger(config.folders.ledger) as ledger:
        account = accounts.expected(ledger, config)
        summary = summarize(ledger, account)
        noted_error = ledger.note("last error")
        agents = tuple(_agents(config, ledger, spool))
        queue = QueueReport(spool, ledger, SessionBackups.from_config(config), account)
        quarantined = tuple(item for item in queue.items() if item.state == "quarantined")
        cooldown = CooldownRecord.from_config(ledger, config).active()
        lost = losses.total(ledger, account)
        unknown = Counter[str]()
        for content in losses.skipped_content(ledger, account):
            if not content.skipped.is_loss:
                unknown[content.skipped.name] += content.number
        deficient = tuple(deficient_sessions(ledger, account))
        catch_up_status = _catch_up(config, catch_up.sessions(ledger, account))
        deleted = tuple(deleted_sessions(ledger, account))
        named = tuple(named_destinations(config, ledger))
        only_in_store = _count_only_in_store(config, ledger, account)
    excluded = Exclusions.from_config(config).reasons() + undecided(config).reasons()
    error, error_at = (problem, clock.now()) if problem else noted_error or (None, None)
    return Status(
        destination=config.destination,
        key=mask_key(config.api_key) if config.api_key else None,
        reachable=reachable,
        authorised=authorised,
        sessions=summary.sessions,
        subagents=summary.subagents,
        messages=summary.messages,
        last_sync=summary.last_sync,
        store_bytes=_size(config.folders.store),
        waiting=spool.waiting(),
        quarantined=quarantined,
        apart=tuple(
            QueueItem.from_job("waiting", job) for job in spool.jobs() if job.failure == "unclear"
        ),
        cooldown=cooldown,
        lost=lost,
        unknown=dict(unknown),
        not_understood=_in_state(deficient, SyncState.NOT_UNDERSTOOD),
        incomplete=_in_state(deficient, SyncState.INCOMPLETE),
        only_in_store=only_in_store,
        deleted=deleted,
        last_error=error,
        last_error_at=error_at,
        unpriced=summary.unpriced,
        stated_free=summary.stated_free,
        own_prices=(
            *dict.fromkeys(price.model for price in config.prices),
            *(f"{name} as {model}" for name, model in config.aliases),
        ),
        prices_from=price_table(config).taken_on.isoformat(),
        thinking=config.thinking,
        redact=config.redact,
        file_contents=config.file_contents,
        keeps_file_contents=config.store_file_contents and not config.url,
        excluded=excluded.total(),
        excluded_reasons=dict(excluded),
        catch_up=catch_up_status,
        elsewhere=tuple(environments.others(config.folders, config.destinations)),
        agents=agents,
        destinations=named,
    )


def _catch_up(config: Config, sessions: list[CaughtUpSession]) -> CatchUpStatus:
    delivered = [session for session in sessions if session.sent]
    exclusions = Exclusions.from_config(config)
    return CatchUpStatus(
        enabled=config.catch_up,
        delivered=len(delivered),
        last=delivered[0].at if delivered else None,
        failed=tuple(
            (session.agent, session.session_id)
            for session in sessions
            if not session.is_complete
            and not exclusions.was_excluded(session.agent, session.session_id)
        ),
    )


def _count_only_in_store(config: Config, ledger: Ledger, account: str) -> int:
    if config.url is None or not config.folders.store.exists():
        return 0
    from opensync_hooks.delivery import stored_sessions  # noqa: PLC0415
    from opensync_hooks.destinations.store.store import Store  # noqa: PLC0415

    with suppress(OpenSyncError), Store(config.folders.store) as store:
        return len(stored_sessions.missing_ids(store, ledger, account))
    return 0


def _size(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _in_state(
    sessions: tuple[DeficientSession, ...], state: SyncState
) -> tuple[DeficientSession, ...]:
    return tuple(session for session in sessions if session.state is state)


def _agents(config: Config, ledger: Ledger, spool: Spool) -> Iterator[AgentStatus]:
    backlogs, waiting = by_agent(config, ledger), spool.waiting_by_agent()
    delivered = complete_sessions(ledger, accounts.expected(ledger, config))
    for agent in registry.AGENTS:
        state = agent.registration.state(os.environ.get)
        backlog = backlogs.get(agent.name, Backlog())
        synced, last_sync = delivered.get(agent.name, (0, None))
        yield AgentStatus(
            agent=agent.name,
            label=agent.label,
            installed=agent.registration.is_installed(os.environ.get),
            registered=state.works,
            problem=str(state.blocker) if state.blocker else None,
            outdated=hooks.outdated(agent, os.environ) or None if state.works else None,
            on_disk=backlog.on_disk,
            synced=synced,
            unsynced=backlog.unsynced,
            masked_otherwise=backlog.masked_otherwise,
            waiting=waiting[agent.name],
            last_sync=last_sync,
        )
