"""`config`: shows the settings and where they come from, and changes one of them."""

import argparse
import json
import os

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Folders, settings
from opensync_hooks.system.terminal import print_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_show, json=False)
    actions = parser.add_subparsers(metavar="show | get | set | unset")
    show = actions.add_parser("show", help="show all settings and where they come from")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(action=_show)
    get = actions.add_parser("get", help="print the value of one setting")
    get.add_argument("name", metavar="NAME")
    get.set_defaults(action=_get)
    set_ = actions.add_parser("set", help="change one setting in config.toml")
    set_.add_argument("name", metavar="NAME")
    set_.add_argument("values", nargs="+", metavar="VALUE")
    set_.set_defaults(action=_set)
    unset = actions.add_parser("unset", help="go back to the default")
    unset.add_argument("name", metavar="NAME")
    unset.set_defaults(action=_set, values=None)


def _config(arguments: argparse.Namespace) -> int:
    arguments.action(arguments)
    return 0


def _show(arguments: argparse.Namespace) -> None:
    values = list(settings.values(os.environ))
    if arguments.json:
        rows = {row.setting.label: {"value": row.value, "from": row.origin} for row in values}
        print(json.dumps(rows, indent=2, default=str))
        return
    for row in values:
        print_line(f"{row.setting.label:<19} {_format(row.value):<32} {row.origin}")
    print(f"config.toml: {Folders.from_environ(os.environ).settings}")


def _get(arguments: argparse.Namespace) -> None:
    value = settings.value(os.environ, arguments.name).value
    for entry in value if isinstance(value, list) else [value]:
        print_line(_format(entry))


def _set(arguments: argparse.Namespace) -> None:
    changed = settings.change(os.environ, arguments.name, arguments.values)
    print_line(f"{arguments.name} = {_format(changed.value)}")
    if changed.origin == "environment":
        print(f"{changed.setting.variable} is set and overrides config.toml.")


def _format(value: object) -> str:
    if value is None or value in ([], {}):
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


CONFIG = Command(
    "config",
    "show and change settings",
    _config,
    "opensync-hooks config set exclude '~/clients/*'",
    _add_arguments,
)
