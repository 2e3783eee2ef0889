"""Finds sessions that changed without a hook: a killed agent's, an SDK's, a late subagent's.

A worker with nothing left to do searches for them, and puts a job for each into the queue. There,
the job of any hook goes before it. Only agents whose hooks fire are searched, and only sessions
that changed after their first hook: it is not a backfill.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from itertools import islice

from opensync_hooks.agents import registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.ledger import accounts, catch_up
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Trigger
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue import environments
from opensync_hooks.queue.backoff import MINUTE
from opensync_hooks.queue.environments import Requests
from opensync_hooks.queue.job import CATCH_UP_EVENT, Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock
from opensync_hooks.system.log import Log

MAX_SESSIONS = 20
"""How many sessions one search adds; the next one adds others."""
MAX_SECONDS = 120.0
"""How long after its start a worker begins to deliver such sessions."""
PAUSE_MS = MINUTE
"""How long after a search no worker starts another."""
REST_MS = MINUTE
"""A session that changed more recently is in use: its own hook will tell of it."""
LOOK_MS = 15 * MINUTE
"""How long an agent without our hooks is not looked at: that alone takes longer than a search."""
_LAST_SEARCH = "last search for missed sessions"


@dataclass(frozen=True, slots=True)
class CatchUp:
    """A search for one destination, in the folders that the environment names.

    Methods raise OSError, and what the ledger raises.
    """

    spool: Spool
    ledger: Ledger
    config: Config
    log: Log

    def is_due(self) -> bool:
        last = self.ledger.note(_LAST_SEARCH)
        if self.config.destination_name:  # the worker without a name hands its sessions over
            return False
        return self.config.catch_up and not (last and 0 <= clock.now() - last.at < PAUSE_MS)

    def search(self, fired: Collection[str]) -> bool:
        """Add a job for each session that was missed; return whether there are any.

        `fired`: the agents whose hooks this worker has served; others have to be registered. Ends
        early when another hook fires.
        """
        environments.record_events(self.spool)
        now, account = clock.now(), accounts.expected(self.ledger, self.config)
        number = 0
        for source, located in islice(self._missed_sessions(account, fired), MAX_SESSIONS):
            record = SessionRecord(self.ledger, account, source.agent, located.session_id)
            catch_up.note_attempt(record, located.fingerprint)
            trigger = Trigger(source.agent, located.session_id, CATCH_UP_EVENT, str(located.path))
            environ = registry.session_variables(source.agent)
            # Requested when it changed: nothing is to be waited for.
            self.spool.put(Job(trigger, environ, min(located.changed_at, now)))
            number += 1
        if not self.spool.has_events():
            self.ledger.set_note(_LAST_SEARCH, str(number))
        return number > 0

    def _missed_sessions(
        self, account: str, fired: Collection[str]
    ) -> Iterator[tuple[Source, Located]]:
        requests = Requests.load(self.config, self.ledger)
        for agent in registry.AGENTS:
            is_hooked = agent.name in fired
            if not is_hooked and not self._was_hooked(account, agent):
                continue
            since = hooked_since(self.ledger, account, agent.name)
            try:
                source = agent.source()
                for located in source.sessions():
                    if located.changed_at <= since or self.spool.has_events():
                        break
                    is_ours = requests.is_ours(source.agent, located.session_id)
                    if is_ours and self._is_missed(account, source.agent, located):
                        is_hooked = is_hooked or _is_registered(agent)
                        if not is_hooked:
                            break
                        yield source, located
            except Exception as error:  # noqa: BLE001 - one agent's files must not stop the others
                self.log.write("search-failed", agent=agent.name, why=type(error).__name__)

    def _was_hooked(self, account: str, agent: Agent) -> bool:
        """Whether the agent's hooks were registered, when somebody last looked."""
        if self.ledger.note(_since_note(account, agent.name)):
            return True
        name = f"not registered: {agent.name}"
        last = self.ledger.note(name)
        if last and 0 <= clock.now() - last.at < LOOK_MS:
            return False
        is_registered = _is_registered(agent)
        if not is_registered:
            self.ledger.set_note(name, "")
        return is_registered

    def _is_missed(self, account: str, agent: str, located: Located) -> bool:
        record = SessionRecord(self.ledger, account, agent, located.session_id)
        return (
            not 0 <= clock.now() - located.changed_at < REST_MS
            and record.state(located.fingerprint) is None
            and not catch_up.was_attempted(record, located.fingerprint)
            and not Exclusions.from_config(self.config).was_excluded(agent, located.session_id)
            and not self.spool.has_job(agent, located.session_id)
        )


def _is_registered(agent: Agent) -> bool:
    return agent.registration.state(os.environ.get).works


def _since_note(account: str, agent: str) -> str:
    """Return the name of a note: folders that another environment names have one of their own."""
    variables = sorted(registry.session_variables(agent).items())
    return " ".join(
        ("hooked since", agent, account, *(f"{key}={value}" for key, value in variables))
    )


def hooked_since(ledger: Ledger, account: str, agent: str) -> int:
    """Return since when the agent's hooks deliver to the account, in ms since 1970.

    The first call begins it.
    """
    name = _since_note(account, agent)
    note = ledger.note(name)
    if note is None:
        ledger.set_note(name, "")
        note = ledger.note(name)
    return note.at if note else clock.now()
