"""Environments: whoever sets a URL, a key or a privacy setting for a project has several.

A hook runs in the environment of its agent, and each environment has a queue of its own, whose
worker has the same settings. So nothing is delivered with the settings of another one. Versions
before had one queue for all.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from opensync_hooks.config import EMBEDDED_STORE, Config, Folders
from opensync_hooks.config.destinations import ConfiguredDestination, environ_of
from opensync_hooks.dataclass import dataclass
from opensync_hooks.hook import paths
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Json
from opensync_hooks.queue.backoff import Attempts
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock
from opensync_hooks.system.files import atomic_write, open_regular_file, read_file
from opensync_hooks.system.processes import start_detached

_FOLDER = re.compile(r"spool(-[0-9a-f]{16})?")
_LABEL = "environment.json"
_WORKER = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from opensync_hooks.queue import worker; worker.main(owns_process=True)"
)


@dataclass(frozen=True, slots=True)
class OtherQueue:
    """What waits for another environment than this one."""

    folder: Path
    destination: str
    """Empty if no worker of that environment has had usable settings."""
    waiting: int
    oldest: int
    """When the first of it was requested, in ms since 1970."""


def others(folders: Folders, destinations: Iterable[ConfiguredDestination]) -> Iterator[OtherQueue]:
    """Yield the queues of other environments in which something waits. Raises OSError.

    Those of `destinations`, which config.toml names, are not among them.
    """
    own = {spool_of(destination.name) for destination in destinations}
    for other in _other_spools(folders.spool):
        waiting, label = other.waiting(), _label(other)
        if waiting and other.folder not in own:
            jobs = (*other.peek().values(), *other.jobs())
            oldest = min((job.received_at for job in jobs), default=clock.now())
            destination = (label["url"] or EMBEDDED_STORE) if label else ""
            yield OtherQueue(other.folder, destination, waiting, oldest)


def spool_of(name: str) -> Path:
    """Return the queue's folder of the destination of this name, in this environment."""
    return Folders.from_environ(environ_of(os.environ, name)).spool


def hand_over(job: Job, name: str) -> None:
    """Give the job to the queue of the destination of this name, and start a worker there."""
    spool = Spool(spool_of(name))
    spool.put(replace(job, error=None, failure=None, attempts=Attempts()))
    if not spool.has_worker():
        root = str(Path(__file__).parents[2])
        start_detached(_WORKER, root, environ_of(os.environ, name))


def label(spool: Spool, config: Config, environ: Mapping[str, str] = os.environ) -> None:
    """Note whose queue this is: the destination, digests of the login, and privacy variables."""
    privacy = {name: environ[name] for name in paths.OVERRIDES[2:] if name in environ}
    text = json.dumps({"url": config.url, "login": config.login_digest, "privacy": privacy})
    if _label(spool) != json.loads(text):
        atomic_write(spool.folder / _LABEL, text.encode(), durable=False)


def record_events(spool: Spool) -> None:
    """Record what only hooks know, of all environments, such as which sessions are private."""
    for each in (spool, *_other_spools(spool.folder)):
        each.record_events()


def adopt(spool: Spool, ledger: Ledger | None = None) -> bool:
    """Take over what only this environment may deliver; return whether there was anything.

    That is what an earlier version left, whose one queue was that of every environment; and with
    the `ledger`, the queue of a login that is known to lead to the same account, such as a key that
    was renewed, with the same privacy settings.
    """
    has_adopted = False
    for other in _other_spools(spool.folder):
        if other.has_worker():
            continue
        is_same = ledger is not None and _is_equivalent(_label(spool), _label(other), ledger)
        for path in other.folder.glob("*.event"):
            if is_same or _is_earlier_event(path):
                with suppress(FileNotFoundError):  # its own worker was faster
                    path.rename(spool.folder / path.name)
                    has_adopted = True
        for job in other.jobs():
            if is_same or other.is_of_earlier_version(job):
                spool.put(job)
                other.done(job)
                has_adopted = True
        for job in other.quarantined():
            if is_same or other.is_of_earlier_version(job):
                spool.quarantine(job, job.error or "")
                other.done(job)
    return has_adopted


def _is_equivalent(own: Json, other: Json, ledger: Ledger) -> bool:
    if not own or not other or own["privacy"] != other["privacy"]:
        return False
    query = "SELECT DISTINCT destination FROM account WHERE login = ?"
    accounts = [ledger.rows(query, each["login"]) for each in (own, other)]
    is_embedded = own["url"] is None and other["url"] is None
    return is_embedded or (accounts[0] == accounts[1] != [])


def _is_earlier_event(path: Path) -> bool:
    try:
        with open_regular_file(path) as file:
            return not file.readline().endswith(b"\0\n")
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Requests:
    """Which environments' hooks have asked for which session."""

    own: frozenset[str]
    """The names of the queues that lead to this account with these privacy settings."""
    queues: Mapping[tuple[str, str], set[str]]
    """The names of the queues in which each session has been."""

    @classmethod
    def load(cls, config: Config, ledger: Ledger) -> Requests:
        """Read the ledger and all queues. Raises OSError, and what the ledger raises.

        The queues of the destinations in config.toml count as one: a session's project decides.
        """
        folders = config.folders
        names = (spool_of(destination.name).name for destination in config.destinations)
        own, queues = {folders.spool.name, *names}, defaultdict[tuple[str, str], set[str]](set)
        for agent, session_id, queue in ledger.rows("SELECT * FROM requested"):
            queues[agent, session_id].add(queue)
        # A dry run creates no folder.
        label = _label(Spool(folders.spool)) if folders.spool.is_dir() else {}
        for other in _other_spools(folders.spool):
            if _is_equivalent(label, _label(other), ledger):
                own.add(other.folder.name)
            for job in (*other.peek().values(), *other.jobs()):
                queues[job.trigger.agent, job.trigger.session_id].add(other.folder.name)
        return cls(frozenset(own), queues)

    def is_ours(self, agent: str, session_id: str) -> bool:
        """Return whether the session certainly belongs to this environment.

        If there are others, a session for which no hook has ever asked may belong to any of them.
        """
        queues = self.queues.get((agent, session_id))
        if queues is not None:
            return not self.own.isdisjoint(queues)
        return all(queues <= self.own for queues in self.queues.values())

    def is_anothers(self, agent: str, session_id: str) -> bool:
        """Return whether only hooks of other environments have asked for the session."""
        queues = self.queues.get((agent, session_id))
        return queues is not None and self.own.isdisjoint(queues)


def note_request(ledger: Ledger, spool: Spool, job: Job) -> None:
    """Remember that the job's session belongs to this environment."""
    row = (job.trigger.agent, job.trigger.session_id, spool.folder.name)
    query = "SELECT 1 FROM requested WHERE agent = ? AND session = ? AND environment = ?"
    if not ledger.rows(query, *row):
        with ledger.transaction() as execute:
            execute("INSERT OR IGNORE INTO requested VALUES (?, ?, ?)", *row)


def _other_spools(own: Path) -> Iterator[Spool]:
    for folder in sorted(own.parent.glob("spool*")):
        is_spool = _FOLDER.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink()
        if is_spool and folder != own:
            yield Spool(folder)


def _label(spool: Spool) -> Json:
    """Return what `label` wrote; an empty object if it is missing or damaged."""
    try:
        value = json.loads(read_file(spool.folder / _LABEL))
        return {name: value[name] for name in ("url", "login", "privacy")}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
