"""Checks of the agents: versions that run our hooks, and sessions that are about to be deleted."""

import re
from collections.abc import Iterator, Mapping

from opensync_hooks.agents import registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.source import InspectedSource, Source
from opensync_hooks.cli.bulk.backlog import is_unsynced
from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.ledger import readonly
from opensync_hooks.system import clock
from opensync_hooks.system.formatting import count

_SOON_DAYS = 7
_DEVELOPMENT = (0, 0, 0)
"""A version that tells nothing of its age."""
_DAY_MS = 86_400_000


def versions(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check the version that wrote the newest session of each agent."""
    for agent in registry.AGENTS:
        version = _newest_version(agent.source(environ))
        if version:
            yield judge_version(agent, version)


def _newest_version(source: Source) -> str | None:
    newest = next(iter(source.sessions()), None)
    try:
        session = next(source.read(newest), None) if newest else None
    except OpenSyncError:
        return None
    return session.agent_version if session else None


def judge_version(agent: Agent, version: str) -> Finding:
    """Compare a version with the oldest that fires our hooks and the newest that was tested."""
    name, description = f"{agent.label} version", agent.description
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if numbers == _DEVELOPMENT:
        return ok(name, f"{version}, a development build")
    if numbers and numbers < description.oldest_version:
        oldest = ".".join(map(str, description.oldest_version))
        return failed(name, f"{version} does not run our hooks.", f"Update to {oldest} or newer.")
    if numbers and numbers[0] > (description.tested_major or numbers[0]):
        fact = f"{version} is newer than any version that was tested."
        cure = "Look for a newer opensync-hooks; `opensync-hooks verify` compares what arrived."
        return warning(name, fact, cure)
    return ok(name, version)


def storage(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check for files with sessions that cannot be read, and name sessions in several places."""
    for agent in registry.AGENTS:
        source = agent.source(environ)
        for remark in source.remarks() if isinstance(source, InspectedSource) else ():
            name = f"{agent.label} sessions"
            if remark.cure:
                yield warning(name, remark.fact, remark.cure)
            else:
                yield ok(name, remark.fact)


def retention(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check for unsynced sessions that an agent will soon delete by its own rule, for good."""
    for agent in registry.AGENTS:
        days = agent.registration.retention_days(environ.get)
        if days is None:
            continue
        ages = _unsynced_ages(agent.source(environ), config)
        expiring = sum(age >= (days - _SOON_DAYS) * _DAY_MS for age in ages)
        if expiring:
            sessions = count(expiring, "unsynced session")
            fact = f"{agent.label} deletes {sessions} within {_SOON_DAYS} days."
            yield failed("retention", fact, f"Run `opensync-hooks sync --agent {agent.name}` now.")
        else:
            unsynced = f"; {count(len(ages), 'session')} not synced" if ages else ""
            yield ok("retention", f"{agent.label} keeps sessions for {days} days{unsynced}")


def _unsynced_ages(source: Source, config: Config) -> list[int]:
    """Return the ms since the last change, for each session that is not synced."""
    now = clock.now()
    with readonly.copied(config.folders.ledger) as ledger:
        return [
            now - session.changed_at
            for session in source.sessions()
            if is_unsynced(config, ledger, source, session)
        ]
