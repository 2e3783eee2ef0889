"""`serve`: offers the embedded store on a local port, to programs and to a browser."""

import argparse
import os
import sys
from contextlib import suppress

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Folders
from opensync_hooks.config.credentials import server_key
from opensync_hooks.system.terminal import INTERRUPTED


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=8642, help="default: 8642; 0 takes any free port"
    )


def _serve(arguments: argparse.Namespace) -> int:
    from opensync_hooks.cli.commands.search import build_index  # noqa: PLC0415
    from opensync_hooks.destinations.store.store import Store  # noqa: PLC0415
    from opensync_hooks.server.server import Server  # noqa: PLC0415 - only this command serves

    key = server_key(os.environ)
    with (
        Store(Folders.from_environ(os.environ).store) as store,
        Server(store, key, arguments.port) as server,
    ):
        build_index(store)
        print(f"Serving the embedded store on {server.url}; the key is in config.toml.")
        # Flushed, as a pipe or a log would show it only when the server ends.
        print(f"To read your sessions, open  {server.login_url}", flush=True)
        server.access.on_login = lambda: _print_new_link(server.login_url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nInterrupted: pages in your browser can no longer load.", file=sys.stderr)
    return INTERRUPTED


def _print_new_link(login_url: str) -> None:
    with suppress(OSError):  # stdout may be closed by now
        print(f"Opened. The link for another browser is  {login_url}", flush=True)


SERVE = Command(
    "serve",
    "show the sessions of the embedded store in your browser",
    _serve,
    "opensync-hooks serve --port 8642",
    _add_arguments,
)
