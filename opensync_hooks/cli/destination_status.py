"""Whether destinations respond, and what those in config.toml have."""

from __future__ import annotations

import os
from collections.abc import Iterator

from opensync_hooks.config import Config, load
from opensync_hooks.config.destinations import environ_of
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery import factory
from opensync_hooks.errors import KeyRefusedError, NotConfiguredError, OpenSyncError
from opensync_hooks.ledger import accounts
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.queue import environments
from opensync_hooks.queue.cooldown import CooldownRecord
from opensync_hooks.queue.spool import Spool


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """A destination of config.toml. The fields are the keys of `status --json`."""

    name: str
    url: str | None
    problem: str | None
    """Why nothing is delivered there at the moment."""
    sessions: int
    messages: int
    last_sync: int | None
    waiting: int


def probe(config: Config) -> tuple[bool, bool | None, str | None]:
    """Return whether the destination responds, whether it accepts the key, and the error."""
    try:
        with factory.open_destination(config) as destination:
            destination.put_batch({})
    except KeyRefusedError as error:
        return True, False, str(error)
    except OpenSyncError as error:
        return False, None, str(error)
    return True, True, None


def named_destinations(settings: Config, ledger: Ledger) -> Iterator[DestinationStatus]:
    """Contact each destination with a name, beside the one of `settings`."""
    for destination in settings.destinations:
        if destination.name in ("", settings.destination_name):
            continue
        summary, problem, folder = None, None, environments.spool_of(destination.name)
        try:
            config = load(environ_of(os.environ, destination.name))
        except NotConfiguredError as error:
            problem = f"{error} {error.hint}".rstrip()
        else:
            summary = summarize(ledger, accounts.expected(ledger, config))
            cooldown = CooldownRecord.from_config(ledger, config).active()
            problem = cooldown.describe() if cooldown else probe(config)[2]
        yield DestinationStatus(
            destination.name,
            destination.url,
            problem,
            summary.sessions if summary else 0,
            summary.messages if summary else 0,
            summary.last_sync if summary else None,
            Spool(folder).waiting() if folder.is_dir() else 0,
        )
