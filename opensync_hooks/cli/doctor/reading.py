"""Checks whether everything that the agents wrote could be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from opensync_hooks.agents import registry
from opensync_hooks.cli.doctor.finding import Finding, ok, warning
from opensync_hooks.config import Config
from opensync_hooks.ledger import accounts, losses, readonly
from opensync_hooks.ledger.summary import deficient_sessions
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.system.formatting import count

_NEWER = "Look for a newer opensync-hooks, which reads such sessions again."
_CHECK = "reading"


def understood(config: Config) -> Iterator[Finding]:
    """Name the sessions of which nothing was read, and what each agent's version wrote."""
    with readonly.copied(config.folders.ledger) as ledger:
        account = accounts.expected(ledger, config)
        content = losses.skipped_content(ledger, account)
        ids = [
            session.session_id
            for session in deficient_sessions(ledger, account)
            if session.state is SyncState.NOT_UNDERSTOOD
        ]
    if not content:
        yield ok(_CHECK, "everything that your agents wrote was understood")
    if ids:
        sessions = count(len(ids), "session")
        yield warning(_CHECK, f"{sessions} with content, but no message: {ids[0]}.", _NEWER)
    labels = {agent.name: agent.label for agent in registry.AGENTS}
    by_version: dict[str, Counter[str]] = {}
    for skipped in content:
        agent = labels.get(skipped.agent, skipped.agent)
        writer = f"{agent} {skipped.agent_version or ''}".rstrip()
        by_version.setdefault(writer, Counter())[skipped.skipped.name] += skipped.number
    for writer, counts in by_version.items():
        names = ", ".join(f"{name} ({number})" for name, number in sorted(counts.items()))
        yield warning(_CHECK, f"{writer} wrote what was not understood: {names}.", _NEWER)
