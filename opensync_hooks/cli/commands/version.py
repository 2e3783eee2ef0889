"""`version`: shows which version is installed."""

import argparse

from opensync_hooks import __version__
from opensync_hooks.cli.commands.command import Command


def _version(_: argparse.Namespace) -> int:
    print(f"opensync-hooks {__version__}")
    return 0


VERSION = Command("version", "show the version", _version, "opensync-hooks version")
