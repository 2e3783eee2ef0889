"""Checks whether everything that the agents wrote could be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import UNREAD_COPY
from opensync_hooks.cli.doctor import census
from opensync_hooks.cli.doctor.finding import Finding, ok, warning
from opensync_hooks.config import Config
from opensync_hooks.ledger import accounts, losses, readonly
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.losses import SkippedContent
from opensync_hooks.ledger.summary import deficient_sessions
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.system.formatting import count

_NEWER = "Look for a newer opensync-hooks, which reads such sessions again."
_CHECK = "reading"


def everything(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check what the reader said of all sessions, then the newest ones without the reader."""
    with readonly.copied(config.folders.ledger) as ledger:
        content = losses.skipped_content(ledger, accounts.expected(ledger, config))
        names = {skipped.skipped.name for skipped in content}
        reported = names | {skipped.session_id for skipped in content}
        findings = [
            *_not_understood(config, ledger, content),
            *census.utterances(_CHECK, reported, config, ledger, environ),
        ]
    if all(finding.state == "ok" for finding in findings):
        yield ok(_CHECK, "everything that your agents wrote was understood")
    yield from findings


def _not_understood(
    config: Config, ledger: Ledger, content: Sequence[SkippedContent]
) -> Iterator[Finding]:
    """Name the sessions of which nothing was read, and what each agent's version wrote."""
    ids = [
        session.session_id
        for session in deficient_sessions(ledger, accounts.expected(ledger, config))
        if session.state is SyncState.NOT_UNDERSTOOD
    ]
    if ids:
        sessions = count(len(ids), "session")
        yield warning(_CHECK, f"{sessions} with content, but no message: {ids[0]}.", _NEWER)
    labels = {agent.name: agent.label for agent in registry.AGENTS}
    by_version: dict[str, Counter[str]] = {}
    for skipped in content:
        if skipped.skipped == UNREAD_COPY:
            continue  # the check of the agent's files names the one that cannot be read
        agent = labels.get(skipped.agent, skipped.agent)
        writer = f"{agent} {skipped.agent_version or ''}".rstrip()
        by_version.setdefault(writer, Counter())[skipped.skipped.name] += skipped.number
    for writer, counts in by_version.items():
        names = ", ".join(f"{name} ({number})" for name, number in sorted(counts.items()))
        yield warning(_CHECK, f"{writer} wrote what was not understood: {names}.", _NEWER)
