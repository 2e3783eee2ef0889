"""`login` and `logout`: choose where sessions go from now on."""

import argparse
import getpass
import os
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Config, Folders, destinations, load
from opensync_hooks.config.config import read_document
from opensync_hooks.config.credentials import forget_login, save_login
from opensync_hooks.config.urls import base_url
from opensync_hooks.errors import NotConfiguredError, OpenSyncError, UsageError
from opensync_hooks.hook import paths
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.system.terminal import print_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="your deployment, such as https://your-name.convex.site")
    parser.add_argument("--api-key-stdin", action="store_true", help="read the key from stdin")


def _login(arguments: argparse.Namespace) -> int:
    from opensync_hooks.cli.commands import push  # noqa: PLC0415 - requests costs 70 ms
    from opensync_hooks.destinations.opensync.login_check import check_login  # noqa: PLC0415 - as above

    name = os.environ.get(paths.DESTINATION)
    address = arguments.url or (_url_of(name) if name else os.environ.get("OPENSYNC_URL"))
    if not address and not sys.stdin.isatty():
        raise UsageError("login: no URL given.", "opensync-hooks login --url URL --api-key-stdin")
    url = base_url(address or input("OpenSync URL (https://your-name.convex.site): "))
    key = _read_key(from_stdin=arguments.api_key_stdin)
    document: dict[str, Any] = {}
    with suppress(NotConfiguredError):  # reported when the login is saved
        document = read_document(os.environ)
    table = document.get("destinations", {}).get(name, {}) if name else document
    previous_login = (table.get("url"), table.get("api_key"))
    check_login(url, key, accepted_before=previous_login == (url, key))
    save_login(os.environ, url, key)
    _resolve_account(url, key)
    if name:
        print(f"Logged in: sessions of the projects of `{name}` now go to {url}.")
        return 0
    print(f"Logged in: sessions now go to {url}. `opensync-hooks sync` sends earlier ones, too.")
    if os.environ.get("OPENSYNC_URL"):
        print("OPENSYNC_URL is set in this shell and overrides this login.")
    with suppress(OpenSyncError):  # the login is complete, whatever becomes of this
        push.offer(replace(load(os.environ), url=url, api_key=key))
    return 0


def _url_of(name: str) -> str | None:
    """Return the URL of the destination of this name. Raises NotConfiguredError without one."""
    path = Folders.from_environ(os.environ).settings
    return destinations.find(destinations.read(read_document(os.environ), path), name).url


def _resolve_account(url: str, key: str) -> None:
    """Find out now whether it is an earlier account, so that `status` counts what is there."""
    from opensync_hooks.delivery import factory  # noqa: PLC0415 - as above

    config = Config(Folders.from_environ(os.environ), url, key)
    with (
        suppress(OpenSyncError),  # the first delivery finds it out
        Ledger(config.folders.ledger) as ledger,
        factory.open_syncer(config, ledger) as syncer,
    ):
        syncer.account()


def _read_key(*, from_stdin: bool) -> str:
    if from_stdin:
        key = sys.stdin.readline().strip()
    elif os.environ.get("OPENSYNC_API_KEY"):
        key = os.environ["OPENSYNC_API_KEY"]
    elif sys.stdin.isatty():
        key = getpass.getpass("API key (osk_…, not shown): ").strip()
    else:
        raise UsageError("login: no API key given.", "Pipe it in and pass --api-key-stdin.")
    if not key.startswith("osk_"):
        raise UsageError(
            "login: not an OpenSync API key, which starts with osk_.",
            "Copy it from OpenSync's settings page.",
        )
    return key


def _logout(_: argparse.Namespace) -> int:
    folders = Folders.from_environ(os.environ)
    if name := os.environ.get(paths.DESTINATION):
        url = _url_of(name)
        forget_login(os.environ)
        print_line(f"Logged out: the API key for {url} is removed from {folders.settings}.")
        print_line(f"Sessions of the projects of `{name}` wait until the next login.")
        return 0
    url = read_document(os.environ).get("url")
    if forget_login(os.environ):
        print_line(f"Logged out: URL and API key are removed from {folders.settings}.")
        print_line(f"Sessions at {url} stay there, and the key remains valid.")
    else:
        print("You were not logged in.")
    print_line(f"Sessions now go to the embedded store, {folders.store}.")
    if os.environ.get("OPENSYNC_URL"):
        print("OPENSYNC_URL is set in this shell and still applies.")
    return 0


LOGIN = Command(
    "login",
    "send sessions to your OpenSync from now on",
    _login,
    "opensync-hooks login --url https://your-name.convex.site --api-key-stdin < key.txt",
    _add_arguments,
)
LOGOUT = Command(
    "logout",
    "forget URL and key; sessions go to the embedded store again",
    _logout,
    "opensync-hooks logout",
)
