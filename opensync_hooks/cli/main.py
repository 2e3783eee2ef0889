"""The command `opensync-hooks`: reads arguments, runs the command, says what went wrong."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from functools import partial

from opensync_hooks import __version__
from opensync_hooks.cli import commands
from opensync_hooks.errors import as_opensync_error
from opensync_hooks.system.terminal import INTERRUPTED, print_error


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 failed, 2 usage, 3 a bug, 4 not configured, 5 key refused, 6 queued."""
    arguments = _parser().parse_args(argv)
    os.umask(0o077)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a title in letters the terminal lacks
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted; nothing is half done. The same command goes on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - also a bug gets one line, never a message's text
        return print_error(as_opensync_error(error))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opensync-hooks",
        description="Keeps every session of your coding agents in OpenSync.",
        epilog="example: opensync-hooks sync --help, which says more of one command",
        formatter_class=partial(argparse.HelpFormatter, max_help_position=16),
    )
    shown = f"%(prog)s {__version__}"
    parser.add_argument("--version", action="version", version=shown, help=argparse.SUPPRESS)
    offered = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands.ALL:
        added = offered.add_parser(
            command.name,
            help=command.about,
            description=command.about,
            epilog=command.example and f"example: {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,  # else - ends a line of it
        )
        command.arguments(added)
        added.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
