"""`config`: what is set, and where it comes from; one setting changed."""

from __future__ import annotations

import argparse
import json
import os

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Folders, settings
from opensync_hooks.system.terminal import print_line


def _arguments(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_subparsers(required=True, metavar="show | get | set | unset")
    show = ways.add_parser("show", help="every setting, and where its value comes from")
    show.add_argument("--json", action="store_true", help="one object for machines")
    show.set_defaults(way=_show)
    get = ways.add_parser("get", help="the value of one setting")
    get.add_argument("name", metavar="NAME")
    get.set_defaults(way=_get)
    put = ways.add_parser("set", help="change one setting in config.toml")
    put.add_argument("name", metavar="NAME")
    put.add_argument("values", nargs="+", metavar="VALUE")
    put.set_defaults(way=_set)
    unset = ways.add_parser("unset", help="back to what holds without it")
    unset.add_argument("name", metavar="NAME")
    unset.set_defaults(way=_set, values=None)


def _config(arguments: argparse.Namespace) -> int:
    arguments.way(arguments)
    return 0


def _show(arguments: argparse.Namespace) -> None:
    found = list(settings.values(os.environ))
    if arguments.json:
        told = {one.setting.name: {"value": one.value, "from": one.origin} for one in found}
        print(json.dumps(told, indent=2))
        return
    for one in found:
        print_line(f"{one.setting.name:<16} {_said(one.value):<32} {one.origin}")
    print(f"config.toml is {Folders.from_environ(os.environ).settings}")


def _get(arguments: argparse.Namespace) -> None:
    found = settings.value(os.environ, arguments.name).value
    for line in found if isinstance(found, list) else [found]:
        print_line(_said(line))


def _set(arguments: argparse.Namespace) -> None:
    changed = settings.change(os.environ, arguments.name, arguments.values)
    print_line(f"{arguments.name} = {_said(changed.value)}")
    if changed.origin == "environment":
        print(f"{changed.setting.variable} is set, and wins over config.toml.")


def _said(value: object) -> str:
    if value is None or value in ([], {}):
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


CONFIG = Command(
    "config",
    "show and change settings",
    _config,
    _arguments,
    "opensync-hooks config set exclude '~/clients/*'",
)
