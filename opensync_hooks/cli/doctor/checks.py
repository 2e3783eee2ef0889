"""The list of checks, in the order in which `doctor` prints them."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec

from opensync_hooks.cli.doctor import (
    agents,
    hooks,
    network,
    prices,
    queue,
    reading,
    storage,
)
from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config, Folders, load, settings
from opensync_hooks.errors import PACKAGES, MissingPackageError, OpenSyncError, as_opensync_error
from opensync_hooks.privacy import self_test
from opensync_hooks.system.sqlite import MOVE_AWAY

Check = tuple[str, Callable[[], Iterator[Finding]]]


def run_checks(
    environ: Mapping[str, str] = os.environ, *, is_full: bool = False
) -> Iterator[Finding]:
    """Yield every finding as soon as it is known. Never raises: a check that breaks has failed.

    `is_full`: read all of a large store instead of a sample.
    """
    folders = Folders.from_environ(environ)
    try:
        config = load(environ)
    except OpenSyncError as error:
        yield failed("settings", str(error), error.hint)
        config = None
    else:
        yield ok("settings", f"{folders.settings}" if folders.settings.exists() else "none yet")
        yield from _run("settings", partial(_unknown_settings, environ, folders))
    yield from _run("packages", _packages)
    for name, check in _checks(environ, folders, config, is_full=is_full):
        yield from _run(name, check)


def _checks(
    environ: Mapping[str, str], folders: Folders, config: Config | None, *, is_full: bool
) -> Iterator[Check]:
    yield "hooks", partial(hooks.registered, environ)
    yield "double hooks", partial(hooks.doubled, environ)
    yield "versions", partial(agents.versions, environ)
    yield "sessions", partial(agents.storage, environ)
    yield "permissions", partial(storage.permissions, folders)
    yield "disk", partial(storage.disk, folders)
    new_ledger = "Move it away; the next run starts a new one, and nothing arrives twice."
    database = partial(storage.database, is_full=is_full)
    yield "ledger", partial(database, "ledger", folders.ledger, new_ledger)
    yield "embedded store", partial(database, "embedded store", folders.store, MOVE_AWAY)
    if is_full:
        yield "search index", partial(storage.search_index, folders.store)
    yield "sums", partial(storage.sums if is_full else storage.sampled_sums, folders.store)
    yield "queue", partial(queue.waiting, folders, config)
    if config is None:
        return
    yield "secrets", partial(_secrets, config)
    yield "destination", partial(network.destination, config)
    yield "proxy", partial(network.proxy, config, environ)
    yield "cooldown", partial(queue.cooldown, config)
    yield "quarantine", partial(queue.quarantine, config)
    yield "reading", partial(reading.everything, config, environ)
    yield "prices", partial(prices.prices, config)
    yield "last error", partial(queue.last_error, config)
    yield "retention", partial(agents.retention, config, environ)


def _packages() -> Iterator[Finding]:
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        error = MissingPackageError(*missing)
        yield failed("packages", str(error), error.hint)


def _unknown_settings(environ: Mapping[str, str], folders: Folders) -> Iterator[Finding]:
    for name in settings.unread_names(environ):
        fact = f"{folders.settings}: `{name}` is not a setting."
        yield warning("settings", fact, "Correct the name, or remove it.")


def _secrets(config: Config) -> Iterator[Finding]:
    if config.redact:
        self_test.check_everything()
        yield ok("secrets", "masked; the self-test of the redaction passed")
    else:
        fix = "`opensync-hooks config unset redact` masks them."
        yield warning("secrets", "sent as they are.", fix)


def _run(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a broken check must not hide the others
        own_error = as_opensync_error(error)
        yield failed(name, str(own_error), own_error.hint)
