"""`serve`: the embedded store on a local port."""

from __future__ import annotations

import argparse
import os

from opensync_hooks import config
from opensync_hooks.commands.command import Command


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8642, help="0 takes any that is free")


def _serve(arguments: argparse.Namespace) -> int:
    from opensync_hooks.server import Server  # noqa: PLC0415 - only this command serves
    from opensync_hooks.store import Store  # noqa: PLC0415

    key = config.server_key(os.environ)
    with (
        Store(config.Folders.of(os.environ).store) as store,
        Server(store, key, arguments.port) as server,
    ):
        said = f"Serving the embedded store on {server.url}; its key stands in config.toml."
        print(said, flush=True)  # a log would show it when all is over
        server.serve_forever()
    return 0


SERVE = Command(
    "serve",
    "put the embedded store on a local port, with OpenSync's routes",
    _serve,
    _arguments,
    "opensync-hooks serve --port 8642",
)
