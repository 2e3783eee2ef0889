"""`install`: hooks and first sessions, for a package that pip, pipx or uv installed."""

from __future__ import annotations

import argparse

from opensync_hooks import setup
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.setup import options


def _install(arguments: argparse.Namespace) -> int:
    return setup.install(arguments)


INSTALL = Command(
    "install",
    "register the hooks with your agents, or bring them up to date",
    _install,
    options.for_install,
    "opensync-hooks install --agents claude-code,cursor --dry-run",
)
