"""How many sessions lie on this machine, and how many the destination does not have as they are.

What fired no hook shows here: a session that was killed, imported, or older than the hooks.
"""

from __future__ import annotations

from dataclasses import dataclass

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.privacy.exclusion import Exclusions


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many sessions of one agent there are, and how many of them wait to be synced."""

    on_disk: int = 0
    unsynced: int = 0


def of_agents(config: Config, ledger: Ledger) -> dict[str, Backlog]:
    """By agent. Reads no session: marks are compared with those of the last full delivery."""
    return {
        source.agent: Backlog(len(found), sum(is_due(config, ledger, source, one) for one in found))
        for source in registry.all_sources()
        for found in [list(source.sessions())]
    }


def is_due(config: Config, ledger: Ledger, source: Source, located: Located) -> bool:
    """Whether the destination lacks anything of the session as it lies here, and should have it."""
    record = SessionRecord(ledger, config.destination, source.agent, located.session_id)
    stays = Exclusions.from_config(config).remembers(source.agent, located.session_id)
    return record.fingerprint() != located.fingerprint and not stays
