"""Looks for everything that can keep sessions from arriving, and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from opensync_hooks.cli.doctor import history, network, places, registrations, waiting
from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config, Folders, load, settings
from opensync_hooks.errors import OpenSyncError, as_opensync_error

__all__ = ["Finding", "examine"]

Check = tuple[str, Callable[[], Iterator[Finding]]]


def examine(environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Every finding as soon as it is there. Never raises: a check that cannot be made failed."""
    folders = Folders.from_environ(environ)
    try:
        config = load(environ)
    except OpenSyncError as error:
        yield failed("settings", str(error), error.hint)
        config = None
    else:
        yield ok("settings", f"{folders.settings}" if folders.settings.exists() else "none, so far")
        yield from _made("settings", partial(_unread, environ, folders))
    for name, check in _checks(environ, folders, config):
        yield from _made(name, check)


def _checks(environ: Mapping[str, str], folders: Folders, config: Config | None) -> Iterator[Check]:
    yield "hooks", partial(registrations.check, environ)
    yield "double", partial(registrations.doubles, environ)
    yield "versions", partial(history.versions, environ)
    yield "permissions", partial(places.permissions, folders)
    yield "disk", partial(places.disk, folders)
    yield "ledger", partial(places.database, "ledger", folders.ledger)
    yield "store", partial(places.database, "embedded store", folders.store)
    yield "queue", partial(waiting.queue, folders)
    if config is None:
        return
    yield "destination", partial(network.destination, config)
    yield "proxy", partial(network.proxy, config, environ)
    yield "resting", partial(waiting.resting, config)
    yield "set aside", partial(waiting.set_aside, config)
    yield "last error", partial(waiting.last_error, config)
    yield "retention", partial(history.retention, config, environ)


def _unread(environ: Mapping[str, str], folders: Folders) -> Iterator[Finding]:
    for name in settings.unread_names(environ):
        what = f"{folders.settings}: nothing reads `{name}`."
        yield warning("settings", what, "Correct its name, if it is misspelled, or take it out.")


def _made(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - one check's surprise must not hide the others
        known = as_opensync_error(error)
        yield failed(name, str(known), known.hint)
