"""`login` and `logout`: where sessions go from now on."""

from __future__ import annotations

import argparse
import getpass
import os
import sys

from opensync_hooks import config
from opensync_hooks.commands.command import Command
from opensync_hooks.errors import UsageError


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the deployment, such as https://your-name.convex.site")
    parser.add_argument("--api-key-stdin", action="store_true", help="read the key from stdin")


def _login(arguments: argparse.Namespace) -> int:
    url = arguments.url or os.environ.get("OPENSYNC_URL")
    if not url:
        if not sys.stdin.isatty():
            raise UsageError(
                "login: no URL given.", "opensync-hooks login --url URL --api-key-stdin"
            )
        url = input("OpenSync URL (https://your-name.convex.site): ")
    url = config.base_url(url)
    key = _ask_key(from_stdin=arguments.api_key_stdin)
    from opensync_hooks.client import Client  # noqa: PLC0415 - requests costs 70 ms to import

    with Client(url, key) as client:
        client.server_time()
        client.put_batch({})
    config.save_login(os.environ, url, key)
    print(f"Logged in: sessions go to {url} from now on. `opensync-hooks sync` sends what is here.")
    return 0


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


def _logout(_: argparse.Namespace) -> int:
    if config.forget_login(os.environ):
        print("Logged out. Sessions stay where they are; new ones go to the embedded store.")
    else:
        print("There was no login. Sessions go to the embedded store.")
    return 0


LOGIN = Command("login", "send sessions to your OpenSync from now on", _login, _arguments)
LOGOUT = Command("logout", "forget URL and key; sessions go to the embedded store again", _logout)
