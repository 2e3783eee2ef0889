"""`uninstall`: removes hooks, command and environment; sessions stay unless `--purge` is given."""

import argparse

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.setup import options, uninstall


def _uninstall(arguments: argparse.Namespace) -> int:
    return uninstall.uninstall(arguments)


UNINSTALL = Command(
    "uninstall",
    "remove hooks, command and environment",
    _uninstall,
    "opensync-hooks uninstall --purge",
    options.for_uninstall,
)
