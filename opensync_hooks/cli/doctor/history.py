"""The agents themselves: versions that we know, and how long they keep what is not synced yet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opensync_hooks.agents import registrations, registry
from opensync_hooks.agents.source import Source
from opensync_hooks.cli.bulk.backlog import is_due
from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.ledger import readonly
from opensync_hooks.system import clock
from opensync_hooks.system.formatting import count

_OLDEST = {"claude-code": (1, 0, 85), "opencode": (0, 5), "cursor": (1, 7)}
"""The first that fires what we listen to: SessionEnd, a plugin's events, hooks."""
_TRIED = {"claude-code": 2, "opencode": 2}
"""The newest major version that was tried."""
_KEPT_DAYS = 30
_SOON_DAYS = 7
_DAY_MS = 86_400_000


def versions(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Of each agent that has a session here: the version that its newest session was made with."""
    for agent in registrations.ALL:
        source = registry.source(agent.name, environ)
        told = _told(source) if source else None
        if told:
            yield _version(agent, told)


def _told(source: Source) -> str | None:
    newest = next(iter(source.sessions()), None)
    try:
        session = next(source.read(newest), None) if newest else None
    except OpenSyncError:
        return None
    return session.agent_version if session else None


def _version(agent: registrations.Registration, told: str) -> Finding:
    name = f"{agent.label} version"
    found = tuple(int(part) for part in re.findall(r"\d+", told)[:3])
    oldest = _OLDEST[agent.name]
    if found and found < oldest:
        wanted = ".".join(map(str, oldest))
        return failed(name, f"{told} fires no hook of ours.", f"Update it to {wanted} or newer.")
    if found and found[0] > _TRIED.get(agent.name, found[0]):
        cure = "Look for a newer opensync-hooks; `opensync-hooks verify` shows whether all arrives."
        return warning(name, f"{told} is newer than any that this version was tried with.", cure)
    return ok(name, told)


def retention(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What Claude Code deletes by its own rule before it was synced is gone for good."""
    source = registry.source("claude-code", environ)
    if source is None:
        return
    days = kept_days(registrations.ClaudeCodeRegistration().settings_path(environ.get))
    due = _ages(source, config)
    late = sum(age >= (days - _SOON_DAYS) * _DAY_MS for age in due)
    if not late:
        waiting = f"; {count(len(due), 'session')} not synced" if due else ""
        yield ok("retention", f"Claude Code keeps sessions for {days} days{waiting}")
        return
    what = f"Claude Code deletes {count(late, 'unsynced session')} within {_SOON_DAYS} days."
    yield failed("retention", what, "Run `opensync-hooks sync --agent claude-code` now.")


def kept_days(settings: Path) -> int:
    """`cleanupPeriodDays`, or what Claude Code takes without it."""
    try:
        value = json.loads(settings.read_text("utf-8-sig")).get("cleanupPeriodDays")
    except (OSError, ValueError, AttributeError, RecursionError):
        return _KEPT_DAYS
    return value if isinstance(value, int) and not isinstance(value, bool) else _KEPT_DAYS


def _ages(source: Source, config: Config) -> list[int]:
    """Of each session that is not synced, how many ms ago anything was said in it."""
    now = clock.now()
    with readonly.copied(config.folders.ledger) as ledger:
        found = [one for one in source.sessions() if is_due(config, ledger, source, one)]
    return [now - one.changed_at for one in found]
