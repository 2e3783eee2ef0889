"""`uninstall`: hooks, command and environment go; what sessions are in stays."""

from __future__ import annotations

import argparse

from opensync_hooks import setup
from opensync_hooks.commands.command import Command


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show what would be changed")


def _uninstall(arguments: argparse.Namespace) -> int:
    return setup.uninstall(dry_run=arguments.dry_run)


UNINSTALL = Command("uninstall", "take hooks, command and environment away", _uninstall, _arguments)
