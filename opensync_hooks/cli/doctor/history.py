"""The agents themselves: versions that we know, and how long they keep what is not synced yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from opensync_hooks.agents import registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.source import Source
from opensync_hooks.cli.bulk.backlog import is_due
from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.ledger import readonly
from opensync_hooks.system import clock
from opensync_hooks.system.formatting import count

_SOON_DAYS = 7
_DAY_MS = 86_400_000


def versions(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Of each agent that has a session here: the version that its newest session was made with."""
    for agent in registry.AGENTS:
        told = _told(agent.source(environ))
        if told:
            yield _version(agent, told)


def _told(source: Source) -> str | None:
    newest = next(iter(source.sessions()), None)
    try:
        session = next(source.read(newest), None) if newest else None
    except OpenSyncError:
        return None
    return session.agent_version if session else None


def _version(agent: Agent, told: str) -> Finding:
    name = f"{agent.label} version"
    found = tuple(int(part) for part in re.findall(r"\d+", told)[:3])
    oldest = agent.description.oldest_version
    tested = agent.description.tested_major
    if found and found < oldest:
        wanted = ".".join(map(str, oldest))
        return failed(name, f"{told} fires no hook of ours.", f"Update it to {wanted} or newer.")
    if found and tested is not None and found[0] > tested:
        cure = "Look for a newer opensync-hooks; `opensync-hooks verify` shows whether all arrives."
        return warning(name, f"{told} is newer than any that this version was tried with.", cure)
    return ok(name, told)


def retention(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether an agent is about to delete, by its own rule, sessions that were never synced."""
    for agent in registry.AGENTS:
        days = agent.registration.retention_days(environ.get)
        if days is not None:
            yield _retention(agent, days, agent.source(environ), config)


def _retention(agent: Agent, days: int, source: Source, config: Config) -> Finding:
    due = _ages(source, config)
    late = sum(age >= (days - _SOON_DAYS) * _DAY_MS for age in due)
    if not late:
        waiting = f"; {count(len(due), 'session')} not synced" if due else ""
        return ok("retention", f"{agent.label} keeps sessions for {days} days{waiting}")
    what = f"{agent.label} deletes {count(late, 'unsynced session')} within {_SOON_DAYS} days."
    return failed("retention", what, f"Run `opensync-hooks sync --agent {agent.name}` now.")


def _ages(source: Source, config: Config) -> list[int]:
    """Of each session that is not synced, how many ms ago anything was said in it."""
    now = clock.now()
    with readonly.copied(config.folders.ledger) as ledger:
        found = [one for one in source.sessions() if is_due(config, ledger, source, one)]
    return [now - one.changed_at for one in found]
