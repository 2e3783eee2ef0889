"""`install` and `uninstall`: hooks and command of an installed package."""

import argparse
import os

from opensync_hooks.cli.bulk.bulk_sync import Selection
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.sync import sync
from opensync_hooks.errors import as_opensync_error
from opensync_hooks.setup import installation, options
from opensync_hooks.setup.install import install
from opensync_hooks.setup.uninstall import uninstall
from opensync_hooks.system.terminal import print_error, surviving_closed_output


def _install(arguments: argparse.Namespace) -> int:
    with surviving_closed_output():
        return install(installation.running(os.environ), arguments, _sync, os.environ)


def _sync(agent: str | None, limit: int | None) -> int:
    """Sync the newest sessions, or all. A failure must stop neither other agents nor the setup."""
    try:
        return sync(Selection(agent=agent, limit=limit, recheck=limit is None))
    except Exception as error:  # noqa: BLE001 - also a bug leaves the hooks registered
        return print_error(as_opensync_error(error))


INSTALL = Command(
    "install",
    "register the hooks with your agents, or update them",
    _install,
    f"opensync-hooks install --agents {options.EXAMPLE} --dry-run",
    options.for_install,
)
UNINSTALL = Command(
    "uninstall",
    "remove hooks, command and environment",
    uninstall,
    "opensync-hooks uninstall --purge",
    options.for_uninstall,
)
