"""Puts the parts together: the destination that the settings name, and a syncer for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opensync_hooks import pricing
from opensync_hooks.config import Config
from opensync_hooks.destination import Archive
from opensync_hooks.ledger import Ledger
from opensync_hooks.sync import Syncer


@contextmanager
def destination(config: Config) -> Iterator[Archive]:
    """The user's OpenSync where there is a login, the embedded store where there is none."""
    if config.url and config.api_key:
        from opensync_hooks.client.readback import Reader  # noqa: PLC0415 - requests cost 70 ms

        with Reader(config.url, config.api_key) as reader:
            yield reader
    else:
        from opensync_hooks.store import Store  # noqa: PLC0415

        with Store(config.folders.store) as store:
            yield store


@contextmanager
def syncer(config: Config, ledger: Ledger) -> Iterator[Syncer]:
    with destination(config) as where:
        yield Syncer(config, where, ledger, pricing.bundled())
