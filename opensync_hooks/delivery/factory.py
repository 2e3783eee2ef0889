"""Puts the parts together: the destination that the settings name, and a syncer for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opensync_hooks.config import Config
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.ledger.ledger import Ledger


@contextmanager
def destination(config: Config) -> Iterator[ReadableDestination]:
    """The user's OpenSync where there is a login, the embedded store where there is none."""
    if config.url and config.api_key:
        from opensync_hooks.destinations.opensync.client import OpenSyncClient  # noqa: PLC0415 - requests cost 70 ms

        with OpenSyncClient(config.url, config.api_key) as client:
            yield client
    else:
        from opensync_hooks.destinations.store.store import Store  # noqa: PLC0415

        with Store(config.folders.store) as store:
            yield store


@contextmanager
def syncer(config: Config, ledger: Ledger) -> Iterator[Syncer]:
    with destination(config) as where:
        yield Syncer(config, where, ledger)
