"""`uninstall`: hooks, command and environment go; what sessions are in stays, unless asked for."""

from __future__ import annotations

import argparse
import os

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.setup import options, uninstall


def _uninstall(arguments: argparse.Namespace) -> int:
    return uninstall.uninstall(arguments, os.environ)


UNINSTALL = Command(
    "uninstall",
    "take hooks, command and environment away",
    _uninstall,
    options.for_uninstall,
    "opensync-hooks uninstall --purge",
)
