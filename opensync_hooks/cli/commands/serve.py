"""`serve`: offers the embedded store on a local port, to programs and to a browser."""

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Folders
from opensync_hooks.config.credentials import server_key
from opensync_hooks.errors import UsageError
from opensync_hooks.system.browser import open_in_browser
from opensync_hooks.system.terminal import INTERRUPTED

if TYPE_CHECKING:
    from opensync_hooks.server.bookmark import Bookmark


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=8642, help="default: 8642; 0 takes any free port"
    )
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    parser.add_argument(
        "--demo", action="store_true", help="show a sample session; nothing is registered or kept"
    )
    parser.add_argument(
        "--bookmark",
        metavar="FILE",
        type=Path,
        help="write a page to bookmark, which opens your sessions whenever this runs",
    )


def _serve(arguments: argparse.Namespace) -> int:
    if not arguments.demo:
        return _serve_store(arguments)
    from opensync_hooks.cli.bulk.bulk_sync import Selection  # noqa: PLC0415
    from opensync_hooks.cli.bulk.outcome_text import Output  # noqa: PLC0415
    from opensync_hooks.cli.commands.sync import sync  # noqa: PLC0415
    from opensync_hooks.setup import sample_session  # noqa: PLC0415

    with sample_session.isolated_home(os.environ) as (environ, transcript):
        # From here on, every folder of ours is in the temporary one.
        os.environ.clear()
        os.environ.update(environ)
        sync(Selection((str(transcript),)), output=Output.QUIET)
        return _serve_store(arguments)


def _serve_store(arguments: argparse.Namespace) -> int:
    from opensync_hooks.cli.commands.search import build_index  # noqa: PLC0415
    from opensync_hooks.destinations.store.store import Store  # noqa: PLC0415
    from opensync_hooks.server.bookmark import Bookmark  # noqa: PLC0415
    from opensync_hooks.server.server import Server  # noqa: PLC0415 - only this command serves

    key, folders = server_key(os.environ), Folders.from_environ(os.environ)
    bookmark = None
    if arguments.open or arguments.bookmark:
        bookmark = Bookmark(arguments.bookmark or folders.data / "sessions.html")
    with Store(folders.store) as store, Server(store, key, arguments.port) as server:
        build_index(store)
        if arguments.demo:
            print(f"Serving a sample session on {server.url}; press Ctrl-C to stop and delete it.")
        else:
            print(f"Serving the embedded store on {server.url}; the key is in config.toml.")
        # Flushed, as a pipe or a log would show it only when the server ends.
        print(f"To read your sessions, open  {server.login_url}", flush=True)
        server.access.on_login = lambda: _announce_new_link(server.login_url, bookmark)
        try:
            if bookmark:
                bookmark.point_to(server.login_url)
                print(f"To come back later, bookmark  {bookmark.url}", flush=True)
            if bookmark and arguments.open and not open_in_browser(bookmark.url):
                print("No browser could be started: open the link above.", flush=True)
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nInterrupted: pages in your browser can no longer load.", file=sys.stderr)
        finally:
            if bookmark:
                _change(bookmark, bookmark.retire)
    return INTERRUPTED


def _announce_new_link(login_url: str, bookmark: "Bookmark | None") -> None:
    with suppress(OSError):  # stdout may be closed by now
        print(f"Opened. The link for another browser is  {login_url}", flush=True)
    if bookmark:
        _change(bookmark, partial(bookmark.point_to, login_url))


def _change(bookmark: "Bookmark", change: Callable[[], None]) -> None:
    """Change the bookmark of a running server, or say that it no longer leads anywhere."""
    try:
        change()
    except UsageError as error:
        text = f"The bookmark {bookmark.path} no longer opens your sessions: {error} {error.hint}"
        with suppress(OSError):  # stderr may be closed by now
            print(text, file=sys.stderr, flush=True)


SERVE = Command(
    "serve",
    "show the sessions of the embedded store in your browser",
    _serve,
    "opensync-hooks serve --open",
    _add_arguments,
)
