"""How many sessions are on this machine, and how many of them the destination lacks.

They show what no hook reported: sessions that were killed, imported, or older than the hooks.
"""

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.routing import undecided
from opensync_hooks.ledger import accounts
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.summary import masked_otherwise
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.masking_digest import masking_digest


@dataclass(frozen=True, slots=True)
class Backlog:
    """Numbers of one agent's sessions."""

    on_disk: int = 0
    unsynced: int = 0
    masked_otherwise: int = 0
    """Sessions that are stored as older rules masked them."""


def by_agent(config: Config, ledger: Ledger) -> dict[str, Backlog]:
    """Count every agent's sessions, without reading them: their fingerprints are compared."""
    backlogs, account = {}, accounts.expected(ledger, config)
    outdated = masked_otherwise(ledger, account, masking_digest(config))
    for source in registry.all_sources():
        sessions = list(source.sessions())
        unsynced = sum(is_unsynced(config, ledger, source, session) for session in sessions)
        masked = sum((source.agent, session.session_id) in outdated for session in sessions)
        backlogs[source.agent] = Backlog(len(sessions), unsynced, masked)
    return backlogs


def is_unsynced(config: Config, ledger: Ledger, source: Source, session: Located) -> bool:
    """Whether a session has to be tried, as it changed since, and is not excluded."""
    record = SessionRecord(
        ledger, accounts.expected(ledger, config), source.agent, session.session_id
    )
    names = source.agent, session.session_id
    exclusions = (Exclusions.from_config(config), undecided(config))
    is_excluded = any(each.was_excluded(*names) for each in exclusions)
    return record.state(session.fingerprint) is None and not is_excluded
