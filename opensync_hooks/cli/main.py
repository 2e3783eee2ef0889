"""The entry point of `opensync-hooks`: parses arguments, runs the command, prints its error."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from functools import partial

from opensync_hooks import __version__
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.config import CONFIG
from opensync_hooks.cli.commands.doctor import DOCTOR
from opensync_hooks.cli.commands.install import INSTALL, UNINSTALL
from opensync_hooks.cli.commands.login import LOGIN, LOGOUT
from opensync_hooks.cli.commands.queue import QUEUE
from opensync_hooks.cli.commands.serve import SERVE
from opensync_hooks.cli.commands.status import STATUS
from opensync_hooks.cli.commands.sync import SYNC
from opensync_hooks.cli.commands.verify import VERIFY
from opensync_hooks.errors import as_opensync_error
from opensync_hooks.system.terminal import INTERRUPTED, print_error


def _version(_: argparse.Namespace) -> int:
    print(f"opensync-hooks {__version__}")
    return 0


VERSION = Command("version", "show the version", _version, "opensync-hooks version")
COMMANDS = (
    *(INSTALL, STATUS, SYNC, QUEUE, VERIFY, DOCTOR),
    *(LOGIN, LOGOUT, CONFIG, SERVE, UNINSTALL, VERSION),
)
"""In the order of the help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, 1 if something failed, 130 after Ctrl-C, or an error's code."""
    arguments = _parser().parse_args(argv)
    os.umask(0o077)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal may lack a character
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted. Run the same command again to continue.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - a bug, too, gets one line without private text
        return print_error(as_opensync_error(error))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opensync-hooks",
        description="Keeps every session of your coding agents in OpenSync.",
        epilog="example: opensync-hooks sync --help",
        formatter_class=partial(argparse.HelpFormatter, max_help_position=16),
    )
    version = f"%(prog)s {__version__}"
    parser.add_argument("--version", action="version", version=version, help=argparse.SUPPRESS)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.help,
            epilog=f"example: {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,  # keeps the example on one line
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
