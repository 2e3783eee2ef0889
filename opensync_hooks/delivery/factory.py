"""Opens the destination that the settings name, and a syncer for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opensync_hooks.config import Config
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.ledger.ledger import Ledger

if TYPE_CHECKING:
    from opensync_hooks.delivery.session_sync import Syncer


@contextmanager
def open_destination(config: Config) -> Iterator[ReadableDestination]:
    """Open the user's OpenSync if there is a login, else the embedded store."""
    if config.url and config.api_key:
        from opensync_hooks.destinations.opensync.client import OpenSyncClient  # noqa: PLC0415 - requests cost 70 ms

        with OpenSyncClient(config.url, config.api_key) as client:
            yield client
    else:
        from opensync_hooks.destinations.store.store import Store  # noqa: PLC0415

        with Store(config.folders.store) as store:
            yield store


@contextmanager
def open_syncer(config: Config, ledger: Ledger) -> Iterator[Syncer]:
    from opensync_hooks.delivery.session_sync import Syncer  # noqa: PLC0415 - `status` sends nothing

    with open_destination(config) as destination:
        yield Syncer(config, destination, ledger)
