"""`serve`: the embedded store on a local port, for programs and for a browser."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Folders
from opensync_hooks.config.credentials import server_key
from opensync_hooks.system.terminal import INTERRUPTED


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8642, help="0 takes any that is free")


def _serve(arguments: argparse.Namespace) -> int:
    from opensync_hooks.destinations.store.store import Store  # noqa: PLC0415
    from opensync_hooks.server.server import Server  # noqa: PLC0415 - only this command serves

    key = server_key(os.environ)
    with (
        Store(Folders.from_environ(os.environ).store) as store,
        Server(store, key, arguments.port) as server,
    ):
        # Flushed: a pipe or a log would show it when all is over.
        said = f"Serving the embedded store on {server.url}; its key stands in config.toml."
        print(said, f"To read your sessions, open  {server.login_url}", sep="\n", flush=True)
        server.on_login(lambda: _tell(server.login_url))
        try:
            server.serve_forever()
        except KeyboardInterrupt:  # its one end, so nothing was left in the middle
            print("\nInterrupted: the pages that were opened are closed.", file=sys.stderr)
    return INTERRUPTED


def _tell(login_url: str) -> None:
    with suppress(OSError):  # nobody may be there any more to read it
        print(f"Opened. For another browser  {login_url}", flush=True)


SERVE = Command(
    "serve",
    "show the sessions kept here to your browser and to programs",
    _serve,
    _arguments,
    "opensync-hooks serve --port 8642",
)
