"""The entry point of `opensync-hooks`: parses arguments, runs the command, prints its error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, cast

from opensync_hooks import __version__
from opensync_hooks.errors import UsageError, as_opensync_error
from opensync_hooks.hook import paths
from opensync_hooks.system import garbage
from opensync_hooks.system.terminal import INTERRUPTED, print_error, survive_missing_characters

if TYPE_CHECKING:
    import argparse

    from opensync_hooks.cli.commands.command import Command

_PER_DESTINATION = frozenset(
    ("status", "sync", "verify", "doctor", "queue", "login", "logout", "push", "slim")
)
"""The commands that serve one of several destinations."""
_MODULES = {"uninstall": "install", "logout": "login", "prune": "forget"}
"""The commands that another command's module defines."""
COMMANDS = (
    *("install", "status", "sync", "search", "usage", "queue", "verify", "doctor"),
    *("login", "logout", "push", "slim", "config", "prices", "serve"),
    *("export", "resume", "forget", "prune", "completion"),
    *("uninstall", "version"),
)
"""The names in the order of the help."""


def load_command(name: str) -> Command:
    """Import the command with this name."""
    module = import_module(f"opensync_hooks.cli.commands.{_MODULES.get(name, name)}")
    return cast("Command", getattr(module, name.upper()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, 1 if something failed, 130 after Ctrl-C, or an error's code."""
    survive_missing_characters()
    garbage.collect_rarely()
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        print(end="", flush=True)  # unlike its own method, this is right if there is no stdout
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted. Run the same command again to continue.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - a bug, too, gets one line without private text
        return print_error(as_opensync_error(error))
    return code


def _run(argv: Sequence[str]) -> int:
    if [*argv] == ["usage", "--statusline"]:  # a prompt waits for it, and argparse takes longer
        from opensync_hooks.cli.statusline import print_statusline  # noqa: PLC0415

        return print_statusline()
    name = argv[0] if argv else "--help"
    if name not in COMMANDS and not name.startswith("-"):
        return print_error(_unknown_command(name))
    # Importing one command instead of all of them halves the time that most commands take.
    parser = build_parser([name] if name in COMMANDS else COMMANDS)
    arguments, unknown = parser.parse_known_args(argv or [name])
    if unknown:
        return print_error(_unknown_argument(name, unknown[0]))
    if destination := getattr(arguments, "destination", None):
        os.environ[paths.DESTINATION] = destination
    os.umask(0o077)
    return int(arguments.run(arguments))


def _unknown_command(name: str) -> UsageError:
    hint = _similar(name, COMMANDS) or "`opensync-hooks --help` lists the commands."
    return UsageError(f"There is no command {name!r}.", hint)


def _unknown_argument(command: str, text: str) -> UsageError:
    if command not in COMMANDS:
        return UsageError(f"There is no option {text!r} before a command.", "Put it behind.")
    kind = "option" if text.startswith("-") else "argument"
    options = subparser(command)._option_string_actions  # noqa: SLF001 - argparse has no public list
    hint = _similar(text.partition("=")[0], options, f"{command} ")
    hint = hint or f"`opensync-hooks {command} --help` lists the options."
    return UsageError(f"`{command}` takes no {kind} {text!r}.", hint)


def _similar(text: str, names: Iterable[str], prefix: str = "") -> str:
    import difflib  # noqa: PLC0415 - only for a name that is wrong

    similar = difflib.get_close_matches(text, [*names], 1)
    return f"Did you mean `opensync-hooks {prefix}{similar[0]}`?" if similar else ""


def subparser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one command's arguments."""
    subparsers = build_parser([name])._subparsers  # noqa: SLF001 - argparse has no public way
    choices = subparsers._group_actions[0].choices if subparsers else None  # noqa: SLF001
    return cast("dict[str, argparse.ArgumentParser]", choices)[name]


def build_parser(names: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of these commands."""
    import argparse  # noqa: PLC0415 - see `main`

    parser = argparse.ArgumentParser(
        prog="opensync-hooks",
        description="Keeps every session of your coding agents in OpenSync.",
        epilog="example: opensync-hooks sync --help",
        formatter_class=partial(argparse.HelpFormatter, max_help_position=16),
    )
    version = f"%(prog)s {__version__}"
    parser.add_argument(
        "-V", "--version", action="version", version=version, help=argparse.SUPPRESS
    )
    subparsers = parser.add_subparsers(required=True, title="commands", metavar="COMMAND")
    for command in map(load_command, names):
        arguments = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.help,
            epilog=f"example: {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,  # keeps the example on one line
        )
        command.add_arguments(arguments)
        if command.name in _PER_DESTINATION:
            about = "the destination of this name in config.toml"
            arguments.add_argument("--destination", metavar="NAME", help=about)
        arguments.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
