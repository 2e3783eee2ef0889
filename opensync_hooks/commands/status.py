"""`status`: where the user stands."""

from __future__ import annotations

import argparse
import json
import os

from opensync_hooks import config, status
from opensync_hooks.commands.command import Command


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines")


def _status(arguments: argparse.Namespace) -> int:
    found = status.gather()
    if arguments.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        print(status.render(found, config.Folders.of(os.environ)))
    return 0


STATUS = Command("status", "show where sessions go and what waits", _status, _arguments)
