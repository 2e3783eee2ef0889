"""`login` and `logout`: where sessions go from now on."""

from __future__ import annotations

import argparse
import getpass
import os
import sys

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Folders
from opensync_hooks.config.config import read_document
from opensync_hooks.config.credentials import forget_login, save_login
from opensync_hooks.config.urls import base_url
from opensync_hooks.errors import NotConfiguredError, UsageError
from opensync_hooks.system.terminal import print_line


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the deployment, such as https://your-name.convex.site")
    parser.add_argument("--api-key-stdin", action="store_true", help="read the key from stdin")


def _login(arguments: argparse.Namespace) -> int:
    url = base_url(arguments.url or os.environ.get("OPENSYNC_URL") or _ask_url())
    key = _ask_key(from_stdin=arguments.api_key_stdin)
    from opensync_hooks.destinations.opensync.login_check import check_login  # noqa: PLC0415 - requests costs 70 ms

    check_login(url, key, accepted_before=_is_known(url, key))
    save_login(os.environ, url, key)
    print(f"Logged in: sessions go to {url} from now on. `opensync-hooks sync` sends what is here.")
    _say_of_environment("wins over this login")
    return 0


def _ask_url() -> str:
    if not sys.stdin.isatty():
        raise UsageError("login: no URL given.", "opensync-hooks login --url URL --api-key-stdin")
    return input("OpenSync URL (https://your-name.convex.site): ")


def _ask_key(*, from_stdin: bool) -> str:
    if from_stdin:
        key = sys.stdin.readline().strip()
    elif os.environ.get("OPENSYNC_API_KEY"):
        key = os.environ["OPENSYNC_API_KEY"]
    elif sys.stdin.isatty():
        key = getpass.getpass("API key (osk_…, not shown): ").strip()
    else:
        raise UsageError("login: no key given.", "Pipe it in and say --api-key-stdin.")
    if not key.startswith("osk_"):
        raise UsageError(
            "login: this is not an OpenSync key, which starts with osk_.",
            "Copy it from OpenSync's settings page.",
        )
    return key


def _is_known(url: str, key: str) -> bool:
    """Whether this very login was accepted before."""
    try:
        document = read_document(os.environ)
    except NotConfiguredError:  # said when the login is to be saved
        return False
    return (document.get("url"), document.get("api_key")) == (url, key)


def _logout(_: argparse.Namespace) -> int:
    where = Folders.from_environ(os.environ)
    url = read_document(os.environ).get("url")
    if forget_login(os.environ):
        print_line(f"Logged out: URL and key are out of {where.settings}.")
        print_line(f"Sessions that are at {url} stay there, and the key goes on working there.")
    else:
        print("There was no login.")
    print_line(f"From now on sessions go to the embedded store, {where.store}.")
    _say_of_environment("still holds")
    return 0


def _say_of_environment(what: str) -> None:
    if os.environ.get("OPENSYNC_URL"):
        print(f"OPENSYNC_URL is set in this shell, and {what}.")


LOGIN = Command(
    "login",
    "send sessions to your OpenSync from now on",
    _login,
    _arguments,
    "opensync-hooks login --url https://your-name.convex.site --api-key-stdin < key.txt",
)
LOGOUT = Command(
    "logout",
    "forget URL and key; sessions go to the embedded store again",
    _logout,
    example="opensync-hooks logout",
)
