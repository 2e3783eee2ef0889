"""Where the user stands: destination, sessions, queue, last error, hooks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from opensync_hooks.agents import registry
from opensync_hooks.cli.bulk.backlog import Backlog, of_agents
from opensync_hooks.cli.doctor import registrations
from opensync_hooks.config import Config, load
from opensync_hooks.config.credentials import mask_key
from opensync_hooks.delivery import factory
from opensync_hooks.errors import KeyRefusedError, OpenSyncError
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.summary import complete_sessions, summarize
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue.backoff import Cooldown
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.cooldown import CooldownRecord, as_json
from opensync_hooks.queue.report import QueueItem, QueueReport
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where one agent stands: its hook, and its sessions."""

    agent: str
    label: str
    found: bool
    registered: bool
    problem: str | None
    outdated: str | None
    """The version of the hook, where it is not this one."""
    on_disk: int
    synced: int
    """Sessions that were delivered whole, also such as the agent has no longer."""
    unsynced: int
    """Sessions that changed, or came, since the destination last had all of them."""
    waiting: int
    """Jobs and events in the queue."""
    last_sync: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything `status` says. Times are ms since 1970; `authorised` is unknown while offline."""

    destination: str
    key: str | None
    reachable: bool
    authorised: bool | None
    sessions: int
    messages: int
    last_sync: int | None
    waiting: int
    parked: int
    set_aside: tuple[QueueItem, ...]
    """What `parked` counts, each with its reason."""
    rest: Cooldown | None
    """Why hooks do not ask the destination now."""
    lost: Mapping[str, int]
    """What could not be kept whole, by kind."""
    last_error: str | None
    last_error_at: int | None
    unpriced: tuple[str, ...]
    thinking: bool
    redact: bool
    file_contents: bool
    excluded: int
    agents: tuple[Hooks, ...]

    def as_json(self) -> dict[str, object]:
        at_rest = as_json(self.rest) if self.rest else None
        return {**asdict(self), "rest": at_rest}


def gather() -> Status:
    """Asks the destination, but changes nothing. Raises NotConfiguredError."""
    config = load()
    reachable, authorised, problem = _probe(config)
    spool = Spool(config.folders.spool)
    with Ledger(config.folders.ledger) as ledger:
        summary = summarize(ledger, config.destination)
        noted = ledger.note("last error")
        backlog = of_agents(config, ledger)
        delivered = complete_sessions(ledger, config.destination)
        queue = QueueReport(spool, ledger, SessionBackups.from_config(config), config.destination)
        set_aside = tuple(item for item in queue.items() if item.state == "quarantined")
        resting = CooldownRecord.from_config(ledger, config).active()
        lost = losses.total(ledger, config.destination)
    error, at = (problem, clock.now()) if problem else noted or (None, None)
    return Status(
        destination=config.destination,
        key=mask_key(config.api_key) if config.api_key else None,
        reachable=reachable,
        authorised=authorised,
        sessions=summary.sessions,
        messages=summary.messages,
        last_sync=summary.last_sync,
        waiting=spool.waiting(),
        parked=len(set_aside),
        set_aside=set_aside,
        rest=resting,
        lost=lost,
        last_error=error,
        last_error_at=at,
        unpriced=summary.unpriced,
        thinking=config.thinking,
        redact=config.redact,
        file_contents=config.file_contents,
        excluded=Exclusions.from_config(config).count(),
        agents=tuple(_hooks(backlog, delivered, spool)),
    )


def _probe(config: Config) -> tuple[bool, bool | None, str | None]:
    """Whether the destination answers, whether it takes the key, and what is wrong otherwise."""
    try:
        with factory.destination(config) as destination:
            destination.put_batch({})
    except KeyRefusedError as error:
        return True, False, str(error)
    except OpenSyncError as error:
        return False, None, str(error)
    return True, True, None


def _hooks(
    backlog: Mapping[str, Backlog], delivered: Mapping[str, tuple[int, int]], spool: Spool
) -> Iterator[Hooks]:
    waiting = spool.waiting_by_agent()
    for agent in registry.AGENTS:
        state = agent.registration.state(os.environ.get)
        present = agent.registration.is_installed(os.environ.get)
        found = backlog.get(agent.name, Backlog())
        synced, last_sync = delivered.get(agent.name, (0, None))
        yield Hooks(
            agent=agent.name,
            label=agent.label,
            found=present,
            registered=state.works,
            problem=str(state.blocker) if state.blocker else None,
            outdated=registrations.outdated(agent, os.environ) or None if state.works else None,
            on_disk=found.on_disk,
            synced=synced,
            unsynced=found.unsynced,
            waiting=waiting[agent.name],
            last_sync=last_sync,
        )
